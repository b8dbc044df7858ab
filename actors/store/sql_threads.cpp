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

/// Of SQLite's log, when nobody else tidies it: 256 MiB.
constexpr std::uint32_t most_log_pages = 64'000;

/// Puts the log's pages in their places beside the thread that writes, which would stand still for
/// as long as thousands take. It has to do the last ones itself: while it writes, there are always
/// some that came meanwhile, and the log begins anew only when none is left.
class log_keeper {
public:
  explicit log_keeper(std::size_t pages) : pages_(pages) {}

  /// Called by the thread that writes, after each unit.
  void written(store::database& db) {
    auto now = db.log_pages();
    if (now < begun_at_)
      begun_at_ = 0; // It began anew.
    if (at_ == step::rest) {
      db.tidy_log();
      begun_at_ = now;
      move(step::rest, step::idle);
    } else if (now >= begun_at_ + pages_ && move(step::idle, step::most)) {
      at_.notify_one();
    }
  }

  /// The other thread, until `end`.
  void run(const store::database_options& options) {
    std::optional<store::database> db;
    for (auto at = at_.load(); at != step::ended; at = at_.load()) {
      try {
        if (!db)
          db.emplace(options);
        if (at == step::most)
          db->tidy_log();
      } catch (const store::store_error&) {
        db.reset(); // The thread that writes will say what is wrong.
      }
      if (at != step::most)
        at_.wait(at);
      else
        move(step::most, step::rest);
    }
  }

  void end() {
    at_ = step::ended;
    at_.notify_all();
  }

private:
  enum class step : int { idle, most, rest, ended };

  bool move(step from, step to) { return at_.compare_exchange_strong(from, to); }

  std::size_t pages_;
  std::size_t begun_at_ = 0; ///< Pages that the log kept because somebody read them.
  std::atomic<step> at_{step::idle};
};

class sql_threads final : public sql_port {
public:
  explicit sql_threads(sql_threads_config config)
    : cfg_(std::move(config)), writing_(cfg_.database), log_(cfg_.log_pages) {
    writing_.max_log_pages = std::max(writing_.max_log_pages, most_log_pages);
    if (cfg_.database.where.kind == store::backend::sqlite)
      threads_.emplace_back([this] { log_.run(cfg_.database); });
    threads_.emplace_back([this] { write(); });
    for (std::size_t i = 0; i < std::max<std::size_t>(cfg_.readers, 1); ++i)
      threads_.emplace_back([this] { read(); });
  }

  ~sql_threads() override {
    for (auto* each : {&reads_, &writes_})
      for (auto& one : each->end())
        fail(one, unavailable());
    log_.end();
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
      log::event(
        log::level::error, "alert.raised", "troupe.store",
        {{"alert", "store.failing"}, {"fault", to_string(x->kind())}, {"reason", x->what()}},
        "The store's database does not do what it is asked.");
    else
      log::event(log::level::info, "alert.resolved", "troupe.store", {{"alert", "store.failing"}},
                 "The store's database works again.");
  }

  /// Connects before there is something to do: the first request need not wait for it. When that
  /// fails, the first work tries again.
  void connect(std::optional<store::database>& db, const store::database_options& how) {
    try {
      db.emplace(how);
    } catch (const store::store_error& x) {
      tell(&x);
    }
  }

  static bool is_news(store::fault x) { return x != store::fault::constraint; }

  void read() {
    std::optional<store::database> db;
    connect(db, cfg_.database);
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
    connect(db, writing_);
    for (auto group = writes_.pop(cfg_.group); !group.empty(); group = writes_.pop(cfg_.group)) {
      if (drop_expired(group))
        commit(db, group);
      if (db)
        log_.written(*db);
    }
  }

  void commit(std::optional<store::database>& db, std::deque<work>& group) {
    caf::error why;
    bool together = true; // Whether what failed would fail for each of them.
    try {
      if (!db)
        db.emplace(writing_);
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
  store::database_options writing_;
  log_keeper log_;
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
