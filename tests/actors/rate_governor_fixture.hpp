#pragma once
#include "actors/rate_governor/rate_governor.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "tests/policy/permit_checker.hpp"

#include <caf/all.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <map>
#include <memory>
#include <vector>

namespace troupe::governor_tests {

using namespace std::literals;

/// A pool that grants every lease it is asked for, and keeps what it saw.
struct fake_pool {
  struct seen {
    lease_request what;
    caf::strong_actor_ptr sender;
  };
  std::uint32_t epoch = 0;
  std::uint32_t places = 30;
  std::uint32_t per_bot = 10;
  std::uint32_t taken = 0;
  std::map<bot_id, std::uint32_t> out; ///< Of those taken, by bot.
  std::vector<seen> leases;

  static session_pool_actor::behavior_type behave(session_pool_actor::pointer self,
                                                  std::shared_ptr<fake_pool> p) {
    return {
      [=](lease_request x) -> caf::result<lease> {
        if (x.credit_epoch != p->epoch)
          return caf::make_error(ec::no_session, refusal{});
        ++p->taken;
        ++p->out[x.bot];
        p->leases.push_back({x, self->current_sender()});
        return lease{p->leases.size(), 1, x.lane, p->epoch, x.permitted_at};
      },
      [](lease_return) {},
      [](lease_cancel) {},
      [=](credit_request) {
        pool_capacity x{++p->epoch, p->places - p->taken, p->per_bot, p->places};
        for (auto [bot, n] : p->out)
          if (n > 0)
            x.leases.emplace_back(bot, n);
        return x;
      },
      [](const pool_limits&) {},
      [](get_report) { return pool_report{}; },
    };
  }
};

/// How the calls of all bots ended.
struct outcomes {
  std::map<call_id, lease> leases;
  std::map<call_id, caf::error> errors;

  ec code(call_id id) const {
    auto i = errors.find(id);
    return i == errors.end() ? ec::none : static_cast<ec>(i->second.code());
  }

  caf::timespan retry_after(call_id id) const {
    auto i = errors.find(id);
    if (i == errors.end())
      return caf::timespan{-1};
    auto context = i->second.context();
    if (context.match_elements<refusal>())
      return context.get_as<refusal>(0).retry_after;
    return caf::timespan{-1};
  }

  std::size_t size() const { return leases.size() + errors.size(); }
};

/// A bot that passes on what it is told to ask, and notes the answers.
inline caf::behavior ask_for(caf::event_based_actor* self, std::shared_ptr<outcomes> notes,
                             std::shared_ptr<rate_governor_actor> governor) {
  return {
    [=](const permit_request& x) {
      self->request(*governor, caf::infinite, x)
        .then([=, id = x.id](const lease& l) { notes->leases.emplace(id, l); },
              [=, id = x.id](caf::error& e) { notes->errors.emplace(id, std::move(e)); });
    },
  };
}

/// Everything around a governor; nothing happens but through `run_for`.
struct fixture : test_coordinator_fixture<> {
  std::shared_ptr<fake_pool> pool = std::make_shared<fake_pool>();
  std::shared_ptr<session_pool_actor> pool_slot = std::make_shared<session_pool_actor>();
  std::shared_ptr<grant_memory> memory = std::make_shared<grant_memory>();
  std::shared_ptr<outcomes> notes = std::make_shared<outcomes>();
  std::shared_ptr<rate_governor_actor> governor = std::make_shared<rate_governor_actor>();
  std::map<bot_id, caf::actor> bots;
  rate_governor_config config;
  std::function<void(rate_governor_ports&)> clustered; ///< Makes it one node of many.
  call_id calls = 0;

  ~fixture() override {
    for (auto& [id, bot] : bots)
      caf::anon_send_exit(bot, caf::exit_reason::kill);
    kill(*governor);
    kill(*pool_slot);
    *governor = nullptr;
    *pool_slot = nullptr;
    sched.run();
  }

  template <class Handle>
  static void kill(const Handle& x) {
    if (x)
      caf::anon_send_exit(x, caf::exit_reason::kill);
  }

  void start_pool() { *pool_slot = sys.spawn(fake_pool::behave, pool); }

  void start_governor(unseen_past past = unseen_past::none()) {
    rate_governor_ports ports;
    ports.pool = [slot = pool_slot] { return *slot; };
    ports.past = past;
    ports.memory = memory;
    if (clustered)
      clustered(ports);
    *governor = spawn_rate_governor(sys, config, std::move(ports));
    sched.run();
  }

  void start() {
    start_pool();
    start_governor();
  }

  caf::actor bot(bot_id id) {
    auto& known = bots[id];
    if (!known)
      known = sys.spawn(ask_for, notes, governor);
    return known;
  }

  /// Lets a bot ask; `id` 0 takes the next number. @returns the call's number
  call_id ask(permit_request x) {
    if (x.id == 0)
      x.id = ++calls;
    caf::anon_send(bot(x.bot), x);
    sched.run();
    return x.id;
  }

  call_id ask(bot_id id, caf::timespan patience = 10s, chat_ref chat = {}) {
    permit_request x;
    x.bot = id;
    x.patience = patience;
    x.chat = chat;
    x.produces_message = static_cast<bool>(chat);
    return ask(x);
  }

  template <class T>
  void tell(T what) {
    caf::anon_send(*governor, std::move(what));
    sched.run();
  }

  /// The session of a bot's lease is free again.
  void give_back(bot_id id) {
    --pool->taken;
    --pool->out[id];
    tell(credit{pool->epoch, id});
  }

  /// Lets time pass, timer by timer.
  void run_for(caf::timespan d) {
    auto& clock = sched.clock();
    auto end = clock.now() + d;
    sched.run();
    while (!clock.schedule.empty() && clock.schedule.begin()->first <= end) {
      advance_time(std::max<caf::timespan>(clock.schedule.begin()->first - clock.now(), 0s));
      sched.run();
    }
    advance_time(end - clock.now());
    sched.run();
  }

  time_point now() { return sched.clock().now(); }

  bool granted(call_id id) const { return notes->leases.contains(id); }
  bool waits(call_id id) const { return !granted(id) && !notes->errors.contains(id); }

  governor_report report() {
    governor_report result;
    auto pending = self->request(*governor, caf::infinite, get_report{});
    sched.run();
    pending.receive([&](governor_report& x) { result = std::move(x); },
                    [](caf::error& e) { FAIL("no report: " << e); });
    return result;
  }
};

} // namespace troupe::governor_tests
