#pragma once
#include "actors/health/health.hpp"
#include "messages/cluster.hpp"
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "messages/supervisor.hpp"
#include "messages/updates.hpp"

#include <caf/all.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <map>
#include <memory>
#include <vector>

namespace troupe::health_tests {

using namespace std::literals;

struct heard {
  std::vector<breaker_change> changes;
  std::vector<bot_command> commands;
};

inline rate_governor_actor::behavior_type listen(rate_governor_actor::pointer,
                                                 std::shared_ptr<heard> notes) {
  return {
    [](permit_request) -> caf::result<lease> { return caf::make_error(ec::cancelled); },
    [](permit_cancel) {},
    [](permit_unused) {},
    [](flood_report) {},
    [](chat_charge) {},
    [](bot_limits) {},
    [](pool_capacity) {},
    [](capacity_change) {},
    [](credit) {},
    [](const rate_limits&) {},
    [](const shards_gained&) { return done{}; },
    [](const shards_lost&) { return done{}; },
    [](const tenant_limits&) {},
    [](identity_proven) {},
    [=](breaker_change x) { notes->changes.push_back(x); },
    [](get_report) { return governor_report{}; },
  };
}

inline bot_actor::behavior_type behave(bot_actor::pointer, std::shared_ptr<heard> notes) {
  return {
    [](const call&) -> caf::result<grant> { return caf::make_error(ec::cancelled); },
    [](const attempt_failed&) -> caf::result<grant> { return caf::make_error(ec::cancelled); },
    [](call_done) {},
    [](call_cancelled) {},
    [](answer_streams) {},
    [=](breaker_change x) { notes->changes.push_back(x); },
    [=](bot_command x) { notes->commands.push_back(x); },
    [](const updates_ready&) {},
    [](const pull_request&) { return pull_answer{}; },
    [](const pull_cancel&) {},
    [](const passivate&) { return passivation{}; },
    [](get_report) { return bot_report{}; },
  };
}

struct fixture : test_coordinator_fixture<> {
  struct bot {
    bot_actor who;
    std::shared_ptr<heard> notes = std::make_shared<heard>();
  };
  std::map<bot_id, bot> bots;
  std::shared_ptr<heard> governor_notes = std::make_shared<heard>();
  rate_governor_actor governor = sys.spawn(listen, governor_notes);
  health_config config;
  health_actor health;

  ~fixture() override {
    caf::anon_send_exit(health, caf::exit_reason::kill);
    sched.run();
  }

  void start() {
    health = spawn_health(sys, config, health_ports{[this] { return governor; }});
    sched.run();
    governor_notes->changes.clear();
  }

  bot& bot_of(bot_id id) {
    auto& result = bots[id];
    if (!result.who)
      result.who = sys.spawn(behave, result.notes);
    return result;
  }

  outcome_sample sample(std::uint16_t status, caf::timespan ago = 0s) {
    outcome_sample result;
    result.finished = (sched.clock().now() - ago).time_since_epoch().count();
    result.latency = 100ms;
    result.status = status;
    if (status == 0)
      result.what = failure::timeout;
    return result;
  }

  void send(bot_id id, std::vector<outcome_sample> samples, bool proven = true) {
    auto& who = bot_of(id).who;
    caf::send_as(who, health, outcome_batch{id, proven, std::move(samples)});
    sched.run();
  }

  void send(bot_id id, std::uint16_t status, int n = 1, bool probe = false) {
    std::vector<outcome_sample> samples;
    for (int i = 0; i < n; ++i) {
      samples.push_back(sample(status));
      samples.back().probe = probe;
    }
    send(id, std::move(samples));
  }

  void run_for(caf::timespan d) {
    auto& clock = sched.clock();
    auto end = clock.now() + d;
    while (!clock.schedule.empty() && clock.schedule.begin()->first <= end) {
      advance_time(std::max<caf::timespan>(clock.schedule.begin()->first - clock.now(), 0s));
      sched.run();
    }
    advance_time(end - clock.now());
    sched.run();
  }

  bot_health of(bot_id id) {
    bot_health result;
    auto pending = self->request(health, caf::infinite, bot_health_request{id});
    sched.run();
    pending.receive([&](bot_health& x) { result = x; }, [](caf::error& e) { FAIL(e); });
    return result;
  }

  health_report report(std::uint32_t limit = 10) {
    health_report result;
    auto pending = self->request(health, caf::infinite, get_report{limit});
    sched.run();
    pending.receive([&](health_report& x) { result = x; }, [](caf::error& e) { FAIL(e); });
    return result;
  }

  breaker_state last(const heard& notes) {
    return notes.changes.empty() ? breaker_state::closed : notes.changes.back().state;
  }
};

} // namespace troupe::health_tests
