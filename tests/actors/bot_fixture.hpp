#pragma once
#include "actors/bot/bot.hpp"
#include "messages/cluster.hpp"
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"

#include <caf/all.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <deque>
#include <map>
#include <optional>
#include <set>

/// A bot among services that do as the test says, under the deterministic scheduler.
namespace troupe::bot_tests {

/// What the fake services saw, and how they answer.
struct script {
  enum class mode { grant, hold, refuse };
  mode governor = mode::grant;
  ec refusal_code = ec::budget_wait_too_long;
  std::vector<permit_request> permits;
  std::vector<permit_cancel> cancels;
  std::vector<permit_unused> unused;
  std::vector<flood_report> floods;
  std::size_t limits_told = 0; ///< By bots.
  std::vector<identity_proven> proofs;
  std::deque<caf::typed_response_promise<lease>> held;
  std::vector<lease_request> direct; ///< Polls and files.
  bool pool_holds = false;           ///< Those wait in the pool.
  std::deque<caf::typed_response_promise<lease>> in_pool;
  std::vector<lease_cancel> left; ///< The pool.
  std::set<std::uint64_t> open;   ///< Leases granted and not returned.
  std::map<std::uint64_t, bool> returned;
  std::vector<outcome_batch> batches;
  std::vector<bot_id> started;         ///< Who asked health for its breaker.
  std::vector<bot_id> gone;            ///< Whom health was told to forget.
  std::optional<breaker_change> known; ///< What health tells those.
  std::uint64_t next_lease = 1;

  caf::typed_response_promise<lease> take_held() {
    auto result = std::move(held.front());
    held.pop_front();
    return result;
  }

  lease make_lease() {
    lease l;
    l.id = next_lease++;
    l.session = 100 + l.id;
    l.permitted_at = 1;
    open.insert(l.id);
    return l;
  }
};

using script_ptr = std::shared_ptr<script>;

inline rate_governor_actor::behavior_type fake_governor(rate_governor_actor::pointer self,
                                                        script_ptr s) {
  return {
    [=](const permit_request& x) -> caf::result<lease> {
      s->permits.push_back(x);
      if (s->governor == script::mode::refuse)
        return caf::make_error(s->refusal_code, refusal{std::chrono::seconds{7}});
      if (x.patience.count() <= 0 && s->governor == script::mode::hold)
        return caf::make_error(ec::budget_wait_too_long, refusal{std::chrono::seconds{4}});
      if (s->governor == script::mode::hold) {
        s->held.push_back(self->make_response_promise<lease>());
        return s->held.back();
      }
      return s->make_lease();
    },
    [=](const permit_cancel& x) { s->cancels.push_back(x); },
    [=](const permit_unused& x) { s->unused.push_back(x); },
    [=](const flood_report& x) { s->floods.push_back(x); },
    // Two notifications that no bot in these tests sends steer the fake: a promise may only be
    // kept by the actor that made it.
    [=](const chat_charge&) { s->take_held().deliver(s->make_lease()); },
    [=](const bot_limits& x) {
      if (x.bot != 0) {
        ++s->limits_told;
        return;
      }
      // The pool cannot tell when there will be a place.
      auto after = std::chrono::seconds{s->refusal_code == ec::no_session ? 0 : 30};
      s->take_held().deliver(caf::make_error(s->refusal_code, refusal{after}));
    },
    [](const pool_capacity&) {},
    [](const capacity_change&) {},
    [](const credit&) {},
    [](const rate_limits&) {},
    [](const shards_gained&) { return done{}; },
    [](const shards_lost&) { return done{}; },
    [](const tenant_limits&) {},
    [=](const identity_proven& x) { s->proofs.push_back(x); },
    [](const breaker_change&) {},
    [](const get_report&) { return governor_report{}; },
  };
}

inline session_pool_actor::behavior_type fake_pool(session_pool_actor::pointer self, script_ptr s) {
  return {
    [=](const lease_request& x) -> caf::result<lease> {
      s->direct.push_back(x);
      if (s->pool_holds) {
        s->in_pool.push_back(self->make_response_promise<lease>());
        return s->in_pool.back();
      }
      return s->make_lease();
    },
    [=](const lease_return& x) {
      s->open.erase(x.lease);
      s->returned[x.lease] = x.reusable;
    },
    [=](const lease_cancel& x) { s->left.push_back(x); },
    [](const credit_request&) { return pool_capacity{}; },
    [](const pool_limits&) {},
    [](const get_report&) { return pool_report{}; },
  };
}

inline health_actor::behavior_type fake_health(health_actor::pointer self, script_ptr s) {
  return {
    [=](const outcome_batch& x) { s->batches.push_back(x); },
    [=](const bot_started& x) {
      s->started.push_back(x.bot);
      if (s->known)
        caf::anon_send(caf::actor_cast<bot_actor>(self->current_sender()), *s->known);
    },
    [=](const stop_bot& x) { s->gone.push_back(x.bot); },
    [](const health_limits&) {},
    [](const bot_health_request&) { return bot_health{}; },
    [](const get_report&) { return health_report{}; },
  };
}

struct fixture : test_coordinator_fixture<> {
  fixture() {
    found->rate_governor.publish(sys.spawn(fake_governor, s));
    found->session_pool.publish(sys.spawn(fake_pool, s));
    found->health.publish(sys.spawn(fake_health, s));
    client_handle =
      sys.spawn([](caf::event_based_actor*) -> caf::behavior { return {[](caf::ok_atom) {}}; });
    client =
      dynamic_cast<caf::event_based_actor*>(caf::actor_cast<caf::abstract_actor*>(client_handle));
    limits.max_queue = 2;
    config->publish(limits);
    start_bot spec;
    spec.bot = 7;
    bot = spawn(spec);
  }

  ~fixture() {
    caf::anon_send_exit(bot, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(client_handle, caf::exit_reason::user_shutdown);
    for (const auto& x : {caf::actor_cast<caf::actor>(found->rate_governor.get()),
                          caf::actor_cast<caf::actor>(found->session_pool.get()),
                          caf::actor_cast<caf::actor>(found->health.get())})
      caf::anon_send_exit(x, caf::exit_reason::user_shutdown);
    sched.run();
  }

  bot_actor spawn(const start_bot& spec, std::uint32_t incarnation = 1) {
    auto result = spawn_bot(sys, spec, incarnation, found, config);
    sched.run();
    return result;
  }

  static call make_call(call_id id, bool repeatable = false) {
    call c;
    c.id = id;
    c.repeatable = repeatable;
    c.patience = std::chrono::seconds{10};
    return c;
  }

  /// One client: what it was answered, once.
  struct answers {
    std::map<call_id, grant> granted;
    std::map<call_id, caf::error> refused;
    std::size_t count(call_id id) const { return granted.count(id) + refused.count(id); }
  };

  /// Sends `what` as a request and notes the answer under `id`.
  template <class Message>
  void ask(call_id id, Message what) {
    client->context(nullptr); // The one it ran on last is gone.
    client->request(bot, caf::infinite, std::move(what))
      .then([this, id](const grant& x) { got.granted[id] = x; },
            [this, id](caf::error& why) { got.refused[id] = std::move(why); });
    settle();
  }

  /// The exchange of call `id` ended.
  void done(call_id id, outcome how) { tell(call_done{id, got.granted[id].session, how}); }
  void failed(call_id id, outcome how) {
    auto session = got.granted[id].session;
    got.granted.erase(id);
    ask(id, attempt_failed{id, session, how, std::chrono::seconds{10}});
  }
  static outcome ok() { return {failure::none, 200, std::chrono::milliseconds{5}, {}, true}; }
  static outcome status(std::uint16_t code) {
    return {failure::none, code, std::chrono::milliseconds{5}, {}, true};
  }
  static outcome broke(failure what) { return {what, 0, std::chrono::milliseconds{5}, {}, false}; }

  template <class Message>
  void tell(Message what) {
    caf::anon_send(bot, std::move(what));
    settle();
  }

  /// The governor answers the oldest request that it holds.
  void grant_held() {
    caf::anon_send(found->rate_governor.get(), chat_charge{});
    settle();
  }
  void refuse_held() {
    caf::anon_send(found->rate_governor.get(), bot_limits{});
    settle();
  }

  /// Runs everything that can run.
  void settle() { sched.run(); }

  void advance(caf::timespan by) {
    sched.advance_time(by);
    sched.run();
  }

  script_ptr s = std::make_shared<script>();
  std::shared_ptr<services> found = std::make_shared<services>(1);
  bot_config limits;
  std::shared_ptr<live_bot_config> config = std::make_shared<live_bot_config>();
  bot_actor bot;
  caf::actor client_handle;
  caf::event_based_actor* client = nullptr; ///< Used from outside: nothing runs beside the test.
  answers got;
};

} // namespace troupe::bot_tests
