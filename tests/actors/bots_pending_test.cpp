#define CAF_SUITE bots_pending
#include "tests/actors/bots_fixture.hpp"

namespace troupe::bots_pending_suite {

using namespace std::literals;

namespace {

struct fixture : bots_fixture {
  fixture() { boot(); }

  void up_pending(bot_id bot) {
    names->put(token(bot), bot, 1, true, sched.clock().now());
    auto spec = spec_of(bot);
    spec.pending = true;
    CHECK_EQ(start(spec), caf::error{});
    order(bot, bot_phase::active); // As the registrar says it to whatever is to run.
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a pending bot runs in that phase, over crashes and suspensions, until its owner is known") {
  up_pending(7);
  CHECK_EQ(phase(7), "pending");
  CHECK_EQ(alive(7), 1);
  CHECK(world->specs[7].pending);
  crash(7);
  pass(100ms);
  CHECK_EQ(phase(7), "pending");
  CHECK_EQ(world->incarnation[7], 2u);
  order(7, bot_phase::suspended);
  CHECK_EQ(phase(7), "suspended");
  up_pending(7);
  CHECK_EQ(phase(7), "pending");
  CHECK(consistent());
  up(7);
  order(7, bot_phase::active);
  CHECK_EQ(phase(7), "active");
  CHECK_EQ(world->incarnation[7], 2u);
  crash(7);
  pass(100ms);
  CHECK_EQ(phase(7), "active");
  CHECK(!world->specs[7].pending);
}

END_FIXTURE_SCOPE()

} // namespace troupe::bots_pending_suite
