#define CAF_SUITE health
#include "actors/health/health.hpp"
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "runtime/log/capture.hpp"

#include <caf/all.hpp>
#include <caf/test/bdd_dsl.hpp>

using namespace troupe;
using namespace std::literals;

namespace {

struct heard {
  std::vector<breaker_change> changes;
  std::vector<bot_command> commands;
};

rate_governor_actor::behavior_type listen(rate_governor_actor::pointer,
                                          std::shared_ptr<heard> notes) {
  return {
    [](permit_request) -> caf::result<lease> { return caf::make_error(ec::cancelled); },
    [](permit_cancel) {},
    [](permit_unused) {},
    [](flood_report) {},
    [](chat_charge) {},
    [](bot_limits) {},
    [](pool_capacity) {},
    [](credit) {},
    [](identity_proven) {},
    [=](breaker_change x) { notes->changes.push_back(x); },
    [](get_report) { return governor_report{}; },
  };
}

bot_actor::behavior_type behave(bot_actor::pointer, std::shared_ptr<heard> notes) {
  return {
    [](const call&) -> caf::result<grant> { return caf::make_error(ec::cancelled); },
    [](const attempt_failed&) -> caf::result<grant> { return caf::make_error(ec::cancelled); },
    [](call_done) {},
    [](call_cancelled) {},
    [=](breaker_change x) { notes->changes.push_back(x); },
    [=](bot_command x) { notes->commands.push_back(x); },
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

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("outcomes become totals, rates, latency and a status") {
  start();
  send(1, 200, 12);
  send(1, 404, 3);
  send(1, 429, 1);
  send(1, 500, 4);
  auto h = of(1);
  CHECK_EQ(h.requests, 20u);
  CHECK_EQ(h.failures, 4u);
  CHECK_EQ(h.client_errors, 3u);
  CHECK_EQ(h.rate_limited, 1u);
  CHECK_EQ(h.window_requests, 20u);
  CHECK(std::abs(h.error_rate - 0.2) < 1e-9);
  CHECK(std::abs(h.client_error_rate - 0.15) < 1e-9);
  CHECK(std::abs(h.latency_ewma - 0.1) < 1e-9);
  CHECK(h.rate_limited_now);
  CHECK_EQ(h.status, health_status::degraded);
  CHECK_EQ(h.consecutive_failures, 4u);
  send(1, 200);
  CHECK_EQ(of(1).consecutive_failures, 0u);
  run_for(70s);
  h = of(1);
  CHECK_EQ(h.status, health_status::healthy);
  CHECK_EQ(h.window_requests, 0u);
  CHECK_EQ(h.since_failure, 70s);
  CHECK(!h.rate_limited_now);
}

SCENARIO("a bot without record is unknown, an aborted exchange says nothing") {
  start();
  auto aborted = sample(0);
  aborted.what = failure::aborted;
  send(1, {aborted});
  CHECK_EQ(of(1).requests, 0u);
  auto pending = self->request(health, caf::infinite, bot_health_request{99});
  sched.run();
  pending.receive([](bot_health&) { FAIL("a record out of nowhere"); },
                  [](caf::error& e) { CHECK_EQ(e, caf::make_error(ec::unknown_bot)); });
}

SCENARIO("five failures in a row open a bot's breaker, probes close it") {
  log::capture lines;
  start();
  send(2, 200);
  send(1, 0, 4);
  CHECK(bot_of(1).notes->changes.empty());
  send(1, 0);
  auto& changes = bot_of(1).notes->changes;
  CHECK_EQ(changes.size(), 1u);
  CHECK_EQ(changes.at(0).state, breaker_state::open);
  CHECK_EQ(changes.at(0).open_for, 60s);
  CHECK_EQ(changes.at(0).bot, 1);
  CHECK(bot_of(2).notes->changes.empty());
  CHECK_EQ(of(1).status, health_status::unhealthy);
  run_for(60s);
  CHECK_EQ(changes.back().state, breaker_state::half_open);
  send(1, 200, 1, true);
  CHECK_EQ(of(1).breaker, breaker_state::half_open);
  send(1, 200, 1, true);
  CHECK_EQ(changes.back().state, breaker_state::closed);
  CHECK_EQ(changes.size(), 3u);
  CHECK_EQ(lines.count("breaker.opened"), 1u);
  CHECK_EQ(lines.count("breaker.half-opened"), 1u);
  CHECK_EQ(lines.count("breaker.closed"), 1u);
}

SCENARIO("a failed probe opens a bot's breaker for another minute") {
  start();
  send(2, 200);
  send(1, 502, 5);
  run_for(60s);
  send(1, 0, 1, true);
  CHECK_EQ(last(*bot_of(1).notes), breaker_state::open);
  CHECK_EQ(of(1).breaker_opens_in, 60s);
  run_for(60s);
  CHECK_EQ(last(*bot_of(1).notes), breaker_state::half_open);
}

SCENARIO("a bot that starts anew learns of its breaker unless it is closed") {
  start();
  send(1, 500, 5);
  send(2, 200);
  run_for(20s);
  bots.at(1) = bot{};
  caf::send_as(bot_of(1).who, health, bot_started{1});
  caf::send_as(bot_of(2).who, health, bot_started{2});
  caf::send_as(bot_of(3).who, health, bot_started{3});
  sched.run();
  CHECK_EQ(bot_of(1).notes->changes.size(), 1u);
  CHECK_EQ(bot_of(1).notes->changes.at(0).open_for, 40s);
  CHECK(bot_of(2).notes->changes.empty());
  CHECK(bot_of(3).notes->changes.empty());
  run_for(40s);
  CHECK_EQ(last(*bot_of(1).notes), breaker_state::half_open);
}

SCENARIO("a 401 on a proven token makes the bot unauthorized, with one alert") {
  log::capture lines;
  start();
  send(1, {sample(401)}, false);
  CHECK(bot_of(1).notes->commands.empty());
  send(1, 401, 2);
  auto& commands = bot_of(1).notes->commands;
  CHECK_EQ(commands.size(), 2u);
  CHECK_EQ(commands.at(0).to, bot_phase::unauthorized);
  CHECK_EQ(commands.at(0).bot, 1);
  CHECK_EQ(lines.count("alert.raised"), 1u);
  CHECK_EQ(of(1).client_errors, 3u);
}

SCENARIO("failures of two bots open the upstream, for the governor alone") {
  start();
  send(3, 200);
  run_for(1ms);
  send(1, 500, 3);
  send(2, 500, 2);
  CHECK(governor_notes->changes.empty());
  run_for(250ms);
  CHECK_EQ(governor_notes->changes.size(), 1u);
  CHECK_EQ(governor_notes->changes.at(0).bot, 0);
  CHECK_EQ(governor_notes->changes.at(0).open_for, 60s);
  CHECK(bot_of(1).notes->changes.empty());
  CHECK_EQ(report().upstream.breaker, breaker_state::open);
  run_for(60s);
  CHECK_EQ(last(*governor_notes), breaker_state::half_open);
  run_for(200ms);
  send(3, 200, 2);
  CHECK_EQ(last(*governor_notes), breaker_state::closed);
  CHECK_EQ(report().upstream.breaker, breaker_state::closed);
}

SCENARIO("a batch of successes that comes late keeps the upstream closed") {
  start();
  send(1, 500, 3);
  send(2, 500, 2);
  run_for(100ms);
  send(3, {sample(200, 50ms)});
  run_for(10s);
  CHECK(governor_notes->changes.empty());
}

SCENARIO("one broken bot does not open the upstream for the others") {
  start();
  for (int i = 0; i < 30; ++i) {
    send(1, 500);
    run_for(1s);
    if (i % 10 == 0)
      send(2, 404);
  }
  CHECK(governor_notes->changes.empty());
  CHECK_EQ(last(*bot_of(1).notes), breaker_state::open);
}

SCENARIO("a governor that does not know of the open upstream is told again") {
  start();
  send(1, 500, 3);
  send(2, 500, 2);
  run_for(250ms);
  run_for(5s);
  send(3, 0, 3);
  CHECK_EQ(governor_notes->changes.size(), 2u);
  CHECK_EQ(governor_notes->changes.back().state, breaker_state::open);
  CHECK_EQ(governor_notes->changes.back().open_for, 55s);
}

SCENARIO("a new health closes the upstream that an earlier one may have left open") {
  health = spawn_health(sys, config, health_ports{[this] { return governor; }});
  sched.run();
  CHECK_EQ(governor_notes->changes.size(), 1u);
  CHECK_EQ(last(*governor_notes), breaker_state::closed);
}

SCENARIO("a node with a hundred thousand bots is summed up, the worst first") {
  start();
  for (bot_id id = 1; id <= 100'000; ++id)
    caf::anon_send(health, outcome_batch{id, true, {sample(200)}});
  sched.run();
  send(7, 500, 5);
  std::vector<outcome_sample> mixed(20, sample(200));
  std::fill_n(mixed.begin(), 6, sample(503));
  std::rotate(mixed.begin(), mixed.begin() + 3, mixed.end());
  mixed.insert(mixed.end(), 3, sample(200));
  send(8, mixed);
  auto r = report(1);
  CHECK_EQ(r.bots, 100'000u);
  CHECK_EQ(r.by_status.at(0), 99'998u);
  CHECK_EQ(r.by_status.at(1), 1u);
  CHECK_EQ(r.by_status.at(2), 1u);
  CHECK_EQ(r.breakers.at(1), 1u);
  CHECK_EQ(r.worst.size(), 1u);
  CHECK_EQ(r.worst.at(0).bot, 7);
  CHECK_EQ(report(5).worst.size(), 2u);
}

SCENARIO("records are bounded in number and in age") {
  config.max_records = 100;
  start();
  for (bot_id id = 1; id <= 1000; ++id)
    caf::anon_send(health, outcome_batch{id, true, {sample(200)}});
  sched.run();
  CHECK_EQ(report().bots, 100u);
  CHECK_EQ(of(1000).requests, 1u);
  run_for(1h + 1s);
  for (bot_id id = 1; id <= 60; ++id)
    send(id, 200);
  CHECK_EQ(report().bots, 60u);
}

END_FIXTURE_SCOPE()
