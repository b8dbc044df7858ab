#include "actors/store/sql_threads.hpp"

#include "runtime/log/log.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <optional>
#include <thread>

namespace troupe::storage {
namespace {

using clock = std::chrono::steady_clock;

caf::error unavailable() {
  return caf::make_error(store_refusal::unavailable, refusal{std::chrono::seconds{1}});
}

/// Works that wait for the threads of one kind.
class line {
public:
  void push(work what) {
    {
      std::lock_guard lock{mutex_};
      waiting_.push_back(std::move(what));
    }
    filled_.notify_one();
  }

  /// Waits for works. Empty: the end.
  std::deque<work> pop(std::size_t most) {
    std::deque<work> result;
    std::unique_lock lock{mutex_};
    filled_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
    while (!ended_ && !waiting_.empty() && result.size() < most) {
      result.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    return result;
  }

  std::deque<work> end() {
    std::deque<work> rest;
    {
      std::lock_guard lock{mutex_};
      ended_ = true;
      rest.swap(waiting_);
    }
    filled_.notify_all();
    return rest;
  }

private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<work> waiting_;
  bool ended_ = false;
};

class sql_threads final : public sql_port {
public:
  explicit sql_threads(sql_threads_config config) : cfg_(std::move(config)) {
    threads_.emplace_back([this] { write(); });
    for (std::size_t i = 0; i < std::max<std::size_t>(cfg_.readers, 1); ++i)
      threads_.emplace_back([this] { read(); });
  }

  ~sql_threads() override {
    for (auto* each : {&reads_, &writes_})
      for (auto& one : each->end())
        fail(one, unavailable());
    for (auto& one : threads_)
      one.join();
  }

  void submit(work what) override {
    (what.how == work::kind::write ? writes_ : reads_).push(std::move(what));
  }

  std::uint64_t commits() const noexcept override { return commits_.load(); }

private:
  static void fail(work& what, caf::error why) {
    what.fail(std::move(why));
    what.told->add(what.id);
  }

  /// Fails those that nobody waits for any more. @returns whether any is left
  static bool drop_expired(std::deque<work>& from) {
    auto now = clock::now();
    std::erase_if(from, [&](work& one) {
      bool over = one.expires <= now;
      if (over)
        fail(one, unavailable());
      return over;
    });
    return !from.empty();
  }

  /// Says once that something is wrong, and once that it is not any more.
  void tell(const store::store_error* x) {
    if ((x == nullptr) == !troubled_.exchange(x != nullptr))
      return;
    if (x != nullptr)
      log::event(log::level::error, "alert.raised", "troupe.store",
                 {{"alert", "store.failing"}, {"fault", to_string(x->kind())}, {"reason", x->what()}},
                 "The store's database does not do what it is asked.");
    else
      log::event(log::level::info, "alert.resolved", "troupe.store", {{"alert", "store.failing"}},
                 "The store's database works again.");
  }

  /// Connects before there is something to do: the first request need not wait for it. When that
  /// fails, the first work tries again.
  void connect(std::optional<store::database>& db) {
    try {
      db.emplace(cfg_.database);
    } catch (const store::store_error& x) {
      tell(&x);
    }
  }

  static bool is_news(store::fault x) { return x != store::fault::constraint; }

  void read() {
    std::optional<store::database> db;
    connect(db);
    for (auto batch = reads_.pop(1); !batch.empty(); batch = reads_.pop(1)) {
      if (!drop_expired(batch))
        continue;
      auto& one = batch.front();
      try {
        if (one.how == work::kind::outside) {
          one.alone();
        } else {
          if (!db)
            db.emplace(cfg_.database);
          db->read([&](store::unit& u) { one.run(u); });
        }
        tell(nullptr);
      } catch (const store::store_error& x) {
        if (is_news(x.kind()))
          tell(&x);
        one.fail(refusal_of(x));
      } catch (const std::exception& x) {
        log::event(log::level::error, "store.failed", "troupe.store", {{"reason", x.what()}});
        one.fail(caf::make_error(store_refusal::failed));
      }
      one.told->add(one.id);
    }
  }

  void write() {
    std::optional<store::database> db;
    connect(db);
    for (auto group = writes_.pop(cfg_.group); !group.empty(); group = writes_.pop(cfg_.group))
      if (drop_expired(group))
        commit(db, group);
  }

  void commit(std::optional<store::database>& db, std::deque<work>& group) {
    caf::error why;
    bool together = true; // Whether what failed would fail for each of them.
    try {
      if (!db)
        db.emplace(cfg_.database);
      db->write([&](store::unit& u) {
        for (auto& one : group)
          one.run(u);
      });
      ++commits_;
      tell(nullptr);
    } catch (const store::store_error& x) {
      if (is_news(x.kind()))
        tell(&x);
      together = x.kind() != store::fault::constraint && x.kind() != store::fault::other;
      why = refusal_of(x);
    } catch (const std::exception& x) {
      together = false;
      why = caf::make_error(store_refusal::failed);
      if (group.size() == 1)
        log::event(log::level::error, "store.failed", "troupe.store", {{"reason", x.what()}});
    }
    if (why && !together && group.size() > 1) {
      for (auto& one : group) {
        std::deque<work> alone;
        alone.push_back(std::move(one));
        commit(db, alone);
      }
      return;
    }
    for (auto& one : group) {
      if (why)
        one.fail(why);
      one.told->add(one.id);
    }
  }

  sql_threads_config cfg_;
  line reads_;
  line writes_;
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<bool> troubled_{false};
  std::vector<std::thread> threads_;
};

} // namespace

std::shared_ptr<sql_port> make_sql_threads(sql_threads_config config) {
  return std::make_shared<sql_threads>(std::move(config));
}

} // namespace troupe::storage
