#define CAF_SUITE bots_orders
#include "tests/actors/bots_fixture.hpp"

namespace troupe::bots_orders_suite {

using namespace std::literals;

namespace {

struct fixture : bots_fixture {
  struct note {
    bot_id bot;
    bot_phase phase;
    caf::timespan rest;
    std::uint32_t quarantines;
  };
  std::vector<note> notes;

  fixture() {
    cfg.told = [this](bot_id bot, bot_phase phase, caf::timespan rest, std::string,
                      std::uint32_t quarantines) {
      notes.push_back({bot, phase, rest, quarantines});
    };
    boot();
  }

  void into_quarantine(bot_id bot) {
    for (int i = 0; i < 4; ++i) {
      crash(bot);
      pass(100ms);
    }
    REQUIRE_EQ(phase(bot), "quarantined");
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a bot that is told to restart ends orderly, and its next incarnation starts at once") {
  up(7);
  up(8);
  order(7, bot_phase::starting);
  CHECK_EQ(world->orders[7], std::vector<bot_phase>{bot_phase::stopped});
  CHECK_EQ(world->incarnation[7], 2u);
  CHECK_EQ(phase(7), "active");
  CHECK_EQ(world->incarnation[8], 1u);
  CHECK_EQ(world->most_alive, 1);
  CHECK(consistent());
  // As often as one likes: it is no crash.
  for (int i = 0; i < 10; ++i)
    order(7, bot_phase::starting);
  CHECK_EQ(phase(7), "active");
}

SCENARIO("a deaf bot that is to restart is killed after its deadline") {
  world->deaf.insert(7);
  up(7);
  order(7, bot_phase::starting);
  CHECK_EQ(phase(7), "starting");
  CHECK_EQ(world->incarnation[7], 1u);
  pass(5s);
  CHECK_EQ(world->incarnation[7], 2u);
  CHECK(consistent());
}

SCENARIO("a restart ends a quarantine, but no suspension") {
  up(7);
  into_quarantine(7);
  order(7, bot_phase::starting);
  CHECK_EQ(phase(7), "active");
  order(7, bot_phase::suspended);
  auto before = world->incarnation[7];
  order(7, bot_phase::starting);
  CHECK_EQ(phase(7), "suspended");
  CHECK_EQ(world->incarnation[7], before);
  order(99, bot_phase::starting); // Nobody.
  CHECK_EQ(phase(99), "unknown");
}

SCENARIO("phases that a bot gets into by itself are told, those that were ordered are not") {
  up(7);
  order(7, bot_phase::suspended);
  order(7, bot_phase::active);
  order(7, bot_phase::starting);
  crash(7);
  CHECK(notes.empty());
  pass(1h);
  into_quarantine(7);
  REQUIRE_EQ(notes.size(), 1u);
  CHECK(notes[0].phase == bot_phase::quarantined);
  CHECK_EQ(notes[0].rest, caf::timespan{1min});
  pass(1min);
  REQUIRE_EQ(notes.size(), 2u);
  CHECK(notes[1].phase == bot_phase::active);
  end(7, caf::make_error(ec::unauthorized));
  REQUIRE_EQ(notes.size(), 3u);
  CHECK(notes[2].phase == bot_phase::unauthorized);
  CHECK_EQ(notes[2].bot, 7);
}

SCENARIO("how often a bot was quarantined is told, and that it was calm for long enough") {
  up(7);
  into_quarantine(7);
  pass(1min);
  into_quarantine(7);
  pass(2min);
  REQUIRE_EQ(notes.size(), 4u);
  CHECK_EQ(notes[0].quarantines, 1u);
  CHECK_EQ(notes[1].quarantines, 1u);
  CHECK_EQ(notes[2].quarantines, 2u);
  CHECK_EQ(notes[3].quarantines, 2u);
  pass(61s); // The alert ends.
  CHECK_EQ(notes.size(), 4u);
  pass(10min);
  REQUIRE_EQ(notes.size(), 5u);
  CHECK(notes[4].phase == bot_phase::active);
  CHECK_EQ(notes[4].quarantines, 0u);
}

SCENARIO("a bot that was quarantined before the node's start rests twice as long the next time") {
  names->put(token(7), 7, 1, true, sched.clock().now());
  auto spec = spec_of(7);
  spec.quarantines = 2;
  CHECK_EQ(start(spec), caf::error{});
  into_quarantine(7);
  REQUIRE_EQ(notes.size(), 1u);
  CHECK_EQ(notes[0].rest, caf::timespan{4min});
  CHECK_EQ(notes[0].quarantines, 3u);
}

END_FIXTURE_SCOPE()

} // namespace troupe::bots_orders_suite
