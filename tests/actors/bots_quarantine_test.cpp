#define CAF_SUITE bots_quarantine
#include "messages/rate_governor.hpp"
#include "runtime/log/capture.hpp"
#include "tests/actors/bots_fixture.hpp"

namespace troupe::bots_quarantine_suite {

using namespace std::literals;

namespace {

struct fixture : bots_fixture {
  log::capture lines;
};

caf::timespan retry_after(const caf::error& err) {
  auto view = caf::make_const_typed_message_view<refusal>(err.context());
  return view ? caf::get<0>(view).retry_after : caf::timespan{-1};
}

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("the fourth crash within a minute quarantines a bot, its siblings go on") {
  boot();
  up(7);
  up(8);
  spend_budget(*this, 7);
  CHECK_EQ(phase(7), "quarantined");
  CHECK_EQ(alive(7), 0);
  CHECK_EQ(alive(8), 1);
  CHECK(consistent());
  CHECK_EQ(lines.count("child.quarantined"), 1u);
  CHECK_EQ(lines.count("alert.raised"), 1u);
  auto refused = start(7);
  CHECK_EQ(refused, caf::error{ec::quarantined});
  CHECK_EQ(retry_after(refused), 60s - 100ms);
  auto rest = names->find(bot_id{7})->until - sched.clock().now(); // For clients.
  CHECK_LE(rest, 60s - 100ms);
  CHECK_GT(rest, 60s - 200ms);
  pass(60s - 101ms);
  CHECK_EQ(alive(7), 0);
  pass(1ms);
  CHECK_EQ(alive(7), 1);
  CHECK_EQ(phase(7), "active");
  CHECK_EQ(lines.count("alert.resolved"), 0u);
  pass(61s);
  CHECK_EQ(lines.count("alert.resolved"), 1u);
}

SCENARIO("a bot that ends as quarantined rests at once") {
  boot();
  up(7);
  end(7, caf::make_error(ec::quarantined));
  CHECK_EQ(phase(7), "quarantined");
  CHECK_EQ(lines.count("child.quarantined"), 1u);
  CHECK_EQ(lines.count("child.crashed"), 0u);
  pass(60s);
  CHECK_EQ(alive(7), 1);
  end(7, caf::make_error(ec::quarantined));
  pass(60s);
  CHECK_EQ(alive(7), 0); // The second one is longer.
  pass(60s);
  CHECK_EQ(alive(7), 1);
}

SCENARIO("a bot that crashed, or rests, gets no other budget from a registrar that begins anew") {
  boot();
  up(7);
  auto again = [this] { // What it says of every bot; see actors/registrar/restore.cpp.
    auto spec = spec_of(7);
    spec.needed = false;
    caf::anon_send(shard(), spec);
    caf::anon_send(shard(), bot_command{7, bot_phase::active});
    sched.run();
  };
  crash(7);
  crash(7);
  again();
  CHECK_EQ(alive(7), 0); // Its pause is not over.
  pass(50ms);
  CHECK_EQ(alive(7), 1);
  crash(7);
  again();
  CHECK_EQ(alive(7), 0);
  pass(100ms);
  again();
  crash(7);
  CHECK_EQ(phase(7), "quarantined");
  CHECK_EQ(lines.count("child.quarantined"), 1u);
  again();
  CHECK_EQ(phase(7), "quarantined");
  CHECK_EQ(alive(7), 0);
  pass(59s);
  again();
  CHECK_EQ(alive(7), 0);
  pass(1s);
  CHECK_EQ(alive(7), 1);
}

SCENARIO("three crashes in any minute never quarantine") {
  boot();
  up(7);
  for (int i = 0; i < 30; ++i) {
    crash(7);
    pass(20001ms);
  }
  CHECK_EQ(alive(7), 1);
  CHECK_EQ(lines.count("child.quarantined"), 0u);
}

SCENARIO("quarantines double from a minute to an hour, and start over after a calm time") {
  boot();
  up(7);
  for (auto rest : {1min, 2min, 4min, 8min, 16min, 32min, 60min, 60min}) {
    spend_budget(*this, 7);
    pass(rest - 101ms);
    CHECK_EQ(alive(7), 0);
    pass(1ms);
    CHECK_EQ(alive(7), 1);
  }
  CHECK_EQ(lines.count("alert.raised"), 1u); // It never was resolved.
  pass(61s);
  CHECK_EQ(lines.count("alert.resolved"), 1u);
  WHEN("it crashes again before ten calm minutes are over") {
    pass(8min);
    spend_budget(*this, 7);
    pass(59min);
    CHECK_EQ(alive(7), 0);
    pass(1min);
    CHECK_EQ(alive(7), 1);
    CHECK_EQ(lines.count("alert.raised"), 2u);
  }
  WHEN("it runs for more than ten minutes") {
    pass(61s);
    pass(10min);
    spend_budget(*this, 7);
    pass(1min - 101ms);
    CHECK_EQ(alive(7), 0);
    pass(1ms);
    CHECK_EQ(alive(7), 1);
  }
}

SCENARIO("a quarantined bot that is removed leaves no alert behind") {
  boot();
  up(7);
  spend_budget(*this, 7);
  REQUIRE_EQ(lines.count("alert.raised"), 1u);
  caf::anon_send(shard(), stop_bot{7});
  sched.run();
  CHECK_EQ(lines.count("alert.resolved"), 1u);
}

SCENARIO("an unauthorized bot raises one alert, which its new token resolves") {
  boot();
  up(7);
  order(7, bot_phase::unauthorized);
  REQUIRE_EQ(phase(7), "unauthorized");
  order(7, bot_phase::unauthorized);
  REQUIRE_EQ(lines.count("alert.raised"), 1u);
  CHECK(lines.lines("alert.raised").at(0).find("bot.unauthorized") != std::string::npos);
  CHECK_EQ(lines.count("alert.resolved"), 0u);
  auto spec = spec_of(7);
  auto other = token_hash({1, 2}, "7:another");
  names->put(other, 7, 1, true, sched.clock().now());
  spec.token_hash = other.key;
  CHECK_EQ(start(spec), caf::error{});
  CHECK_EQ(lines.count("alert.resolved"), 1u);
  CHECK_EQ(lines.count("bot.activated"), 2u);
  order(7, bot_phase::unauthorized);
  CHECK_EQ(lines.count("alert.raised"), 2u); // That token is wrong, too.
}

SCENARIO("an unauthorized bot that is removed leaves no alert behind") {
  boot();
  up(7);
  order(7, bot_phase::unauthorized);
  caf::anon_send(shard(), stop_bot{7});
  sched.run();
  CHECK_EQ(lines.count("alert.resolved"), 1u);
}

SCENARIO("the alert of an unauthorized bot outlasts its supervisor, until an operator resumes it") {
  boot();
  up(7);
  order(7, bot_phase::unauthorized);
  caf::anon_send_exit(shard(), caf::exit_reason::kill);
  sched.run();
  pass(1s);
  CHECK_EQ(lines.count("alert.resolved"), 0u);
  order(7, bot_phase::active);
  CHECK_EQ(alive(7), 1);
  CHECK_EQ(lines.count("alert.resolved"), 1u);
  CHECK_EQ(lines.count("alert.raised"), 1u);
}

END_FIXTURE_SCOPE()

} // namespace troupe::bots_quarantine_suite
