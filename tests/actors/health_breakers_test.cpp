#define CAF_SUITE health_breakers
#include "runtime/log/capture.hpp"
#include "tests/actors/health_fixture.hpp"

namespace troupe::health_breakers_suite {

using namespace troupe::health_tests;

BEGIN_FIXTURE_SCOPE(fixture)

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

SCENARIO("a probe that fails before health's timer fires is one of a half-open breaker, as the log "
         "tells") {
  log::capture lines;
  start();
  send(2, 200);
  send(1, 502, 5);
  sched.clock().current_time += 60s; // The bot looks at the time, too.
  send(1, 0, 1, true);
  auto& changes = bot_of(1).notes->changes;
  REQUIRE_EQ(changes.size(), 3u);
  CHECK_EQ(changes[1].state, breaker_state::half_open);
  CHECK_EQ(changes[2].state, breaker_state::open);
  CHECK_EQ(lines.count("breaker.half-opened"), 1u);
  CHECK_EQ(lines.count("breaker.opened"), 2u);
  run_for(60s);
  CHECK_EQ(lines.count("breaker.half-opened"), 2u);
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

SCENARIO("a bot that runs is told of its breaker as it was stored") {
  health = spawn_health(sys, config,
                        {[this] { return governor; }, [this](bot_id id) {
                           auto known = bots.find(id);
                           return known == bots.end() ? bot_actor{} : known->second.who;
                         }});
  bot_of(1);
  bot_of(2);
  using std::chrono::system_clock;
  auto wall = std::chrono::floor<std::chrono::milliseconds>(system_clock::now());
  health_save rows;
  for (bot_id id = 1; id <= 3; ++id) {
    health_row row;
    row.bot = id;
    row.breaker = id == 2 ? breaker_state::closed : breaker_state::open;
    row.breaker_until = (wall + 30s).time_since_epoch().count();
    rows.rows.push_back(row);
  }
  caf::anon_send(caf::actor_cast<health_memory>(health), rows);
  sched.run();
  REQUIRE_EQ(bot_of(1).notes->changes.size(), 1u);
  CHECK(bot_of(1).notes->changes[0].state == breaker_state::open);
  CHECK_LE(bot_of(1).notes->changes[0].open_for, 30s);
  CHECK_GT(bot_of(1).notes->changes[0].open_for, 20s);
  CHECK(bot_of(2).notes->changes.empty());
  run_for(30s);
  CHECK_EQ(last(*bot_of(1).notes), breaker_state::half_open);
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

SCENARIO("a bot that probes a breaker which a lost record had opened is told that it is closed") {
  start(); // New: it knows nothing of bot 1.
  auto probe = sample(200);
  probe.probe = true;
  send(1, {probe});
  REQUIRE_EQ(bot_of(1).notes->changes.size(), 1u);
  CHECK_EQ(last(*bot_of(1).notes), breaker_state::closed);
}

END_FIXTURE_SCOPE()

} // namespace troupe::health_breakers_suite
