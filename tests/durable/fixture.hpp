#pragma once
#include "actors/store/store.hpp"
#include "messages/all_ids.hpp"
#include "tests/store/stores.hpp"

#include <caf/all.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <deque>

namespace troupe::durable_tests {

using namespace std::literals;

/// What becomes of a write whose outcome is said to be unknown.
enum class inline_sql_unknown { none, lost, stored };

/// Runs works on the caller's thread: at once, or, while `hold` is set, in `release`.
class inline_sql final : public storage::sql_port {
public:
  explicit inline_sql(const store::test_store& on) : db_(on.open()) {}

  void submit(storage::work what) override {
    held_.push_back(std::move(what));
    if (!hold)
      release();
  }
  std::uint64_t commits() const noexcept override { return commits_; }

  void release() {
    while (!held_.empty())
      release_one();
    if (reversed)
      for (auto end = ends_.rbegin(); end != ends_.rend(); ++end)
        end->first->add(end->second);
    ends_.clear();
  }
  void release_one() {
    auto one = std::move(held_.front());
    held_.pop_front();
    run(one);
  }
  /// Reads and writes are two lines: those that read are done, whatever was submitted before.
  void release_reads() {
    for (auto n = held_.size(); n > 0; --n) {
      auto one = std::move(held_.front());
      held_.pop_front();
      if (one.how == storage::work::kind::read)
        run(one);
      else
        held_.push_back(std::move(one));
    }
  }
  [[nodiscard]] std::size_t held() const noexcept { return held_.size(); }

  bool hold = false;
  bool reversed = false; ///< `release` tells the ends last to first, as two threads might.
  inline_sql_unknown unknown = inline_sql_unknown::none; ///< Of the next write.
  std::deque<store_refusal> faults; ///< What the next works are failed with; `none` lets one pass.

private:
  void run(storage::work& what) {
    auto fault = store_refusal::none;
    if (!faults.empty()) {
      fault = faults.front();
      faults.pop_front();
    }
    try {
      if (fault != store_refusal::none)
        what.fail(caf::make_error(fault));
      else if (what.how == storage::work::kind::write && unknown != inline_sql_unknown::none) {
        if (std::exchange(unknown, inline_sql_unknown::none) == inline_sql_unknown::stored)
          db_.write([&](store::unit& u) { what.run(u); });
        what.fail(caf::make_error(store_refusal::outcome_unknown));
      }
      else if (what.how == storage::work::kind::outside)
        what.alone();
      else if (what.how == storage::work::kind::read)
        db_.read([&](store::unit& u) { what.run(u); });
      else
        db_.write([&](store::unit& u) { what.run(u); }), ++commits_;
    } catch (const store::store_error& x) {
      what.fail(storage::refusal_of(x));
    }
    if (reversed)
      ends_.emplace_back(what.told, what.id);
    else
      what.told->add(what.id);
  }

  store::database db_;
  std::vector<std::pair<std::shared_ptr<storage::completion>, std::uint64_t>> ends_;
  std::deque<storage::work> held_;
  std::uint64_t commits_ = 0;
};

inline crypto::secret_key key_of(std::uint8_t fill) {
  std::array<std::uint8_t, crypto::secret_key::size> bytes;
  bytes.fill(fill);
  return crypto::secret_key{bytes};
}

/// A token of the right form, made at run time.
inline std::string token_of(bot_id bot, char fill = 'A') {
  return std::to_string(bot) + ':' + std::string(35, fill);
}

inline author ada() {
  return {"ada", 7, "192.0.2.1", "request-1"};
}

struct fixture : test_coordinator_fixture<> {
  /// On an empty store of one kind; ends what ran before.
  void start(store::test_store& on) {
    stop();
    options = on.options();
    sql = std::make_shared<inline_sql>(on);
    context = std::make_shared<storage::context>(
      storage::context{crypto::key_ring{{key_of(1)}}, key_of(2)});
    context->now = [this] { return wall; };
    context->back_up = [this](const std::string& path) { store::back_up(options, path); };
    spawn();
  }
  void spawn() {
    who = spawn_store(sys, config, {sql, context});
    sched.run();
  }
  void stop() {
    if (who)
      caf::anon_send_exit(who, caf::exit_reason::kill);
    sched.run();
    who = store_actor{};
  }
  ~fixture() override { stop(); }

  template <class Request>
  auto ask(Request x) {
    auto pending = self->request(who, caf::infinite, std::move(x));
    sched.run();
    return pending;
  }

  template <class T, class Pending>
  caf::expected<T> answer_of(Pending&& pending) {
    caf::expected<T> result{caf::error{}};
    pending.receive([&](T& x) { result = std::move(x); }, [&](caf::error& e) { result = e; });
    return result;
  }

  /// The answer, which must come.
  template <class T, class Request>
  T get(Request x) {
    auto result = answer_of<T>(ask(std::move(x)));
    if (!result)
      FAIL("refused: " << result.error());
    return std::move(*result);
  }

  /// Why it is refused; `none` when it is not.
  template <class T, class Request>
  store_refusal why(Request x) {
    auto result = answer_of<T>(ask(std::move(x)));
    if (result)
      return store_refusal::none;
    if (result.error().category() != caf::type_id_v<store_refusal>)
      FAIL("another error: " << result.error());
    return static_cast<store_refusal>(result.error().code());
  }

  bot_row insert(bot_id id, tenant_id tenant = 1) {
    bot_insert x;
    x.by = ada();
    x.bot.id = id;
    x.bot.tenant = tenant;
    x.bot.username = "bot_" + std::to_string(id);
    x.bot.phase = bot_phase::active;
    x.bot.verified = 1;
    x.token.text = token_of(id);
    return get<bot_row>(x);
  }

  /// The trail, newest first; empty: of any.
  std::vector<audit_row> trail(std::string subject = {}, std::string action = {},
                               tenant_id tenant = 0) {
    audit_query x;
    x.subject = std::move(subject);
    x.action = std::move(action);
    x.tenant = tenant;
    return get<page<audit_row>>(x).rows;
  }

  store::database_options options;
  std::shared_ptr<inline_sql> sql;
  std::shared_ptr<storage::context> context;
  store_config config;
  store_actor who;
  store::wall_time wall = store::at(0);
};

} // namespace troupe::durable_tests
