#define CAF_SUITE rate_governor_overload
#include "tests/actors/rate_governor_fixture.hpp"

namespace troupe::rate_governor_overload_suite {

using namespace troupe::governor_tests;

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("of ten times the budget all that cannot go in time is refused at once") {
  pool->places = pool->per_bot = 1000;
  config.bot_rps = 0;
  start();
  std::vector<call_id> refused;
  for (int i = 0; i < 250; ++i)
    if (auto id = ask(1 + i % 10, 900ms); !granted(id) && !waits(id))
      refused.push_back(id);
  CHECK_EQ(notes->leases.size(), 25u); // The rest would go a second later.
  CHECK_EQ(refused.size(), 225u);
  for (auto id : refused) {
    CHECK_EQ(notes->code(id), ec::budget_wait_too_long);
    CHECK_EQ(notes->retry_after(id), 1s);
  }
  run_for(1s);
  for (int i = 0; i < 25; ++i)
    CHECK(granted(ask(1 + i % 10, 0s)));
  auto none = ask(1, 0s);
  CHECK_EQ(notes->retry_after(none), 1s); // Others came first.
}

SCENARIO("when all sessions are taken, who gets none in time is refused at once") {
  pool->places = pool->per_bot = 2;
  config.global_rps = config.bot_rps = 0;
  start();
  auto turn = [this] { // Each session is held for 400 ms.
    run_for(400ms);
    for (bot_id id : {1, 2, 3})
      while (pool->out[id] > 0)
        give_back(id);
  };
  for (int i = 0; i < 40; ++i) {
    ask(1, 0s);
    ask(2, 0s);
    turn();
  }
  ask(1, 1s);
  ask(2, 1s); // Five a second: of ten times as many, five wait.
  std::size_t waiting = 0;
  call_id last = 0;
  for (int i = 0; i < 50; ++i) {
    auto id = ask(1 + i % 3, 1s);
    if (waits(id)) {
      ++waiting;
      continue;
    }
    last = id;
    CHECK_EQ(notes->code(id), ec::no_session);
    CHECK_GT(notes->retry_after(id), 1s);
    CHECK_LE(notes->retry_after(id), 2s);
  }
  CHECK_GE(waiting, 3u);
  CHECK_LE(waiting, 5u);
  auto until = now() + notes->retry_after(last);
  while (now() < until)
    turn();
  auto again = ask(3, 1s);
  CHECK(granted(again) || waits(again));
}

SCENARIO("who waited for a session in vain is told when there may be one") {
  pool->places = 1;
  start();
  ask(1, 60s);
  auto late = ask(2, 5s);
  run_for(5s);
  CHECK_EQ(notes->code(late), ec::no_session);
  CHECK_GE(notes->retry_after(late), 5s); // As long as the session was held so far.
}

SCENARIO("a tenant with many waiters keeps another one's first call from nothing") {
  pool->places = pool->per_bot = 1000;
  config.bot_rps = 0;
  start();
  for (int i = 0; i < 500; ++i)
    ask(1 + i % 10, 10s);
  CHECK_EQ(report().waiting, 250u); // Ten seconds of it; the rest was refused.
  permit_request x;
  x.bot = 99;
  x.tenant = 2;
  x.patience = 1s;
  auto calm = ask(x);
  CHECK(waits(calm));
  run_for(1s);
  CHECK(granted(calm));
}

END_FIXTURE_SCOPE()

} // namespace troupe::rate_governor_overload_suite
