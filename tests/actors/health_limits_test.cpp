#define CAF_SUITE health_limits
#include "runtime/log/capture.hpp"
#include "tests/actors/health_fixture.hpp"

namespace troupe::health_limits_suite {

using namespace troupe::health_tests;

namespace {

struct limits_fixture : fixture {
  /// Other limits for the running health.
  void change(const health_limits& x) {
    caf::anon_send(health, x);
    sched.run();
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(limits_fixture)

SCENARIO("another failure threshold holds for bots that are known already") {
  start();
  send(2, 200);
  send(1, 500, 2);
  change({.failure_threshold = 3});
  CHECK(bot_of(1).notes->changes.empty());
  send(1, 500);
  CHECK_EQ(last(*bot_of(1).notes), breaker_state::open);
  change({.failure_threshold = 10});
  send(2, 500, 9);
  CHECK(bot_of(2).notes->changes.empty());
  send(2, 500);
  CHECK_EQ(last(*bot_of(2).notes), breaker_state::open);
}

SCENARIO("a lower failure threshold opens the upstream for failures that were seen already") {
  start();
  send(1, 500, 2);
  send(2, 500, 1);
  run_for(1s);
  CHECK(governor_notes->changes.empty());
  change({.failure_threshold = 3});
  REQUIRE_EQ(governor_notes->changes.size(), 2u); // And how long, once more.
  CHECK_EQ(last(*governor_notes), breaker_state::open);
}

namespace {

/// Ten seconds after bot 1's breaker has opened for a minute, the timeout becomes another.
/// @returns what the bot was told of the rest
caf::timespan rest_after_change(limits_fixture& f, caf::timespan timeout) {
  f.start();
  f.send(2, 200);
  f.send(1, 500, 5);
  f.run_for(10s);
  f.change({.open_timeout = timeout});
  return f.bot_of(1).notes->changes.back().open_for;
}

} // namespace

SCENARIO("an open breaker stays open for longer when its timeout becomes longer") {
  log::capture lines;
  CHECK_EQ(rest_after_change(*this, 100s), 90s);
  run_for(89s);
  CHECK_EQ(last(*bot_of(1).notes), breaker_state::open);
  run_for(1s);
  CHECK_EQ(last(*bot_of(1).notes), breaker_state::half_open);
  CHECK_EQ(lines.count("breaker.half-opened"), 1u);
}

SCENARIO("an open breaker half-opens earlier when its timeout becomes shorter") {
  log::capture lines;
  CHECK_EQ(rest_after_change(*this, 20s), 10s);
  run_for(10s);
  CHECK_EQ(last(*bot_of(1).notes), breaker_state::half_open);
  CHECK_EQ(lines.count("breaker.half-opened"), 1u);
}

SCENARIO("an open breaker half-opens at once when it was open for longer than it should be now") {
  log::capture lines;
  CHECK_EQ(rest_after_change(*this, 5s), 0s);
  run_for(0s);
  CHECK_EQ(last(*bot_of(1).notes), breaker_state::half_open);
  CHECK_EQ(lines.count("breaker.half-opened"), 1u);
}

SCENARIO("the open upstream half-opens by the new timeout, and the governor is told") {
  start();
  send(1, 500, 3);
  send(2, 500, 2);
  run_for(1s);
  REQUIRE_EQ(last(*governor_notes), breaker_state::open);
  change({.open_timeout = 5s});
  CHECK_EQ(governor_notes->changes.back().open_for, 4250ms);
  run_for(4250ms);
  CHECK_EQ(last(*governor_notes), breaker_state::half_open);
}

SCENARIO("a breaker closes after as many probes as are asked for now") {
  start();
  send(2, 200);
  send(1, 500, 5);
  run_for(60s);
  change({.success_threshold = 1});
  send(1, 200, 1, true);
  CHECK_EQ(last(*bot_of(1).notes), breaker_state::closed);
}

SCENARIO("a window of another length begins empty and counts again, longer or shorter") {
  start();
  for (auto length : {600s, 24s, 60s}) {
    send(1, 500, 3);
    change({.window = length});
    CHECK_EQ(of(1).window_requests, 0u);
    CHECK_EQ(report().upstream.window_requests, 0u);
    send(1, 500, 2);
    CHECK_EQ(of(1).window_requests, 2u);
    CHECK_EQ(report().upstream.window_requests, 2u);
    run_for(length / 2);
    CHECK_EQ(of(1).window_requests, 2u);
    run_for(length);
    CHECK_EQ(of(1).window_requests, 0u);
  }
  send(1, 500, 3);
  change({.window = 60s, .min_requests = 5}); // The same length: what is in it stays.
  CHECK_EQ(of(1).window_requests, 3u);
}

SCENARIO("other error rates grade what is in the window") {
  start();
  std::vector<outcome_sample> mixed(20, sample(200));
  mixed.at(3) = sample(500);
  send(1, mixed);
  CHECK_EQ(of(1).status, health_status::healthy);
  change({.degraded_from = 0.05});
  CHECK_EQ(of(1).status, health_status::degraded);
  change({.degraded_from = 0.01, .unhealthy_from = 0.05});
  CHECK_EQ(of(1).status, health_status::unhealthy);
}

SCENARIO("fewer records are kept at once") {
  start();
  for (bot_id id = 1; id <= 100; ++id)
    send(id, 200);
  change({.max_records = 10});
  CHECK_EQ(report().bots, 10u);
  CHECK_EQ(of(100).requests, 1u);
}

END_FIXTURE_SCOPE()

} // namespace troupe::health_limits_suite
