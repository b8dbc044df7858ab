#define CAF_SUITE health
#include "tests/actors/health_fixture.hpp"

namespace troupe::health_suite {

using namespace troupe::health_tests;

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("outcomes become totals, rates, latency and a status") {
  start();
  send(1, 200, 12);
  send(1, 404, 2);
  send(1, 501); // Nor is what a client asks for in vain.
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

SCENARIO("a bot that fared badly before a restart does so after it, until its window tells") {
  for (auto [failures, status] :
       {std::pair{0, health_status::healthy}, std::pair{5, health_status::degraded},
        std::pair{15, health_status::unhealthy}}) {
    start();
    send(1, 500, failures);
    send(1, 200, 20 - failures);
    CHECK_EQ(of(1).status, status);
    auto asked =
      self->request(caf::actor_cast<health_memory>(health), caf::infinite, caf::timespan{1h});
    sched.run();
    health_save kept;
    asked.receive([&](page<health_row>& x) { kept.rows = std::move(x.rows); },
                  [](caf::error& e) { FAIL(e); });
    auto again = [&] {
      caf::anon_send_exit(health, caf::exit_reason::kill);
      start();
      caf::anon_send(caf::actor_cast<health_memory>(health), kept);
      sched.run();
    };
    again();
    CHECK_EQ(of(1).status, status);
    CHECK_EQ(of(1).requests, 20u);
    CHECK_EQ(report().by_status[static_cast<std::size_t>(status)], 1u);
    send(1, 200, 19); // Fewer than say anything.
    CHECK_EQ(of(1).status, status);
    send(1, 200);
    CHECK_EQ(of(1).status, health_status::healthy);
    again();
    run_for(config.window + 1s); // By then it would have left the window.
    CHECK_EQ(of(1).status, health_status::healthy);
    caf::anon_send_exit(health, caf::exit_reason::kill);
  }
}

SCENARIO("how long a long poll waited says nothing about the upstream's latency") {
  start();
  send(1, 200);
  auto poll = sample(200);
  poll.latency = 50s;
  poll.poll = true;
  send(1, {poll});
  auto h = of(1);
  CHECK_EQ(h.requests, 2u);
  CHECK(std::abs(h.latency_ewma - 0.1) < 1e-9);
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

SCENARIO("a 401 on a proven token makes the bot unauthorized") {
  start();
  send(1, {sample(401)}, false);
  CHECK(bot_of(1).notes->commands.empty());
  send(1, 401, 2);
  auto& commands = bot_of(1).notes->commands;
  CHECK_EQ(commands.size(), 2u);
  CHECK_EQ(commands.at(0).to, bot_phase::unauthorized);
  CHECK_EQ(commands.at(0).bot, 1);
  CHECK_EQ(of(1).client_errors, 3u);
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

SCENARIO("of a bot that is gone nothing is left") {
  start();
  send(7, 200);
  send(8, 500, 5);
  REQUIRE_EQ(report().bots, 2u);
  caf::anon_send(health, stop_bot{7});
  caf::anon_send(health, stop_bot{8}); // Its breaker is open.
  caf::anon_send(health, stop_bot{99});
  sched.run();
  CHECK_EQ(report().bots, 0u);
  CHECK(report().worst.empty());
  run_for(2min); // When it would have half-opened.
  send(8, 200);
  CHECK_EQ(report().breakers[static_cast<std::size_t>(breaker_state::closed)], 1u);
}

SCENARIO("a bot that ended is held no longer than there is something to tell it") {
  auto held = [this](bot_id id) {
    auto* block = caf::actor_cast<caf::strong_actor_ptr>(bot_of(id).who).get();
    return block->weak_refs.load() > 1; // All strong references together are one.
  };
  start();
  send(7, 200);
  CHECK(!held(7));
  send(7, 500, 5);
  CHECK(held(7)); // Its breaker is open.
  run_for(config.open_timeout);
  for (std::uint32_t i = 0; i < config.success_threshold; ++i)
    send(7, 200, 1, true);
  CHECK_EQ(bots[7].notes->changes.back().state, breaker_state::closed);
  CHECK(!held(7));
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

} // namespace troupe::health_suite
