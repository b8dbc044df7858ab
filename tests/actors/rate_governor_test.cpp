#define CAF_SUITE rate_governor
#include "tests/actors/rate_governor_fixture.hpp"

namespace troupe::rate_governor_suite {

using namespace troupe::governor_tests;

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a due request goes on to the pool, which answers the bot itself") {
  start();
  GIVEN("a free budget") {
    auto id = ask(7);
    THEN("the pool sees the bot as sender, with a stamp and a credit") {
      CHECK(granted(id));
      CHECK_EQ(pool->leases.size(), 1u);
      CHECK(pool->leases.at(0).sender == caf::actor_cast<caf::strong_actor_ptr>(bot(7)));
      CHECK_EQ(pool->leases.at(0).what.credit_epoch, pool->epoch);
      CHECK_EQ(notes->leases.at(id).permitted_at, now().time_since_epoch().count());
    }
  }
  GIVEN("a request that had to wait") {
    for (int i = 0; i < 24; ++i)
      ask(100 + i);
    auto id = ask(7);
    CHECK(waits(id));
    run_for(1s);
    THEN("the pool sees the bot as sender just the same") {
      CHECK(granted(id));
      CHECK(pool->leases.back().sender == caf::actor_cast<caf::strong_actor_ptr>(bot(7)));
      CHECK_EQ(pool->leases.back().what.bot, 7);
      CHECK_EQ(pool->leases.back().what.id, id);
    }
  }
}

SCENARIO("a request whose budget opens too late is refused at once, with the time to come back") {
  start();
  for (int i = 0; i < 25; ++i)
    ask(100 + i);
  run_for(300ms);
  auto refused = ask(7, 500ms);
  CHECK_EQ(notes->code(refused), ec::budget_wait_too_long);
  CHECK_EQ(notes->retry_after(refused), 700ms);
  auto fits = ask(7, 700ms);
  CHECK(waits(fits));
  run_for(700ms);
  CHECK(granted(fits));
}

SCENARIO("without a session a request waits until its deadline, and says so") {
  pool->places = 2;
  start();
  ask(1);
  ask(2);
  auto late = ask(3, 5s);
  auto lucky = ask(4, 60s);
  run_for(4999ms);
  CHECK(waits(late));
  run_for(1ms);
  CHECK_EQ(notes->code(late), ec::no_session);
  give_back(1);
  CHECK(granted(lucky));
}

SCENARIO("one bot's hanging calls do not take all sessions") {
  config.global_rps = config.bot_rps = 0;
  pool->places = 30;
  start();
  for (int i = 0; i < 50; ++i)
    ask(1, 60s);
  CHECK_EQ(pool->leases.size(), 10u);
  auto other = ask(2);
  CHECK(granted(other));
  give_back(1);
  CHECK_EQ(pool->leases.size(), 12u);
}

SCENARIO("a cancelled call loses its place and spends nothing") {
  pool->places = 1;
  start();
  ask(1);
  auto cancelled = ask(2);
  auto next = ask(3);
  tell(permit_cancel{2, cancelled});
  CHECK_EQ(notes->code(cancelled), ec::cancelled);
  tell(permit_cancel{2, cancelled}); // Nothing happens.
  give_back(1);
  CHECK(granted(next));
  CHECK_EQ(report().granted, 2u);
}

SCENARIO("a dead bot's waiters go, and spend nothing") {
  pool->places = 1;
  start();
  ask(1);
  for (int i = 0; i < 5; ++i)
    ask(2, 60s);
  auto other = ask(3, 60s);
  CHECK_EQ(report().waiting, 6u);
  kill(bot(2));
  sched.run();
  CHECK_EQ(report().waiting, 1u);
  give_back(1);
  CHECK(granted(other));
  run_for(1s);
  CHECK_EQ(report().granted, 2u);
}

SCENARIO("a bot that started anew keeps its waiters when its predecessor's death is heard of") {
  pool->places = 1;
  start();
  ask(1);
  auto old = bot(2);
  auto lost = ask(2, 60s);
  bots.erase(2);
  auto kept = ask(2, 60s);
  kill(old);
  sched.run();
  CHECK_EQ(report().waiting, 1u);
  give_back(1);
  CHECK(granted(kept));
  CHECK(!granted(lost));
}

SCENARIO("credits of an earlier pool are void, and a governor finds a pool that comes late") {
  start_governor();
  auto id = ask(1, 60s);
  CHECK(waits(id));
  GIVEN("a pool that does not announce itself") {
    start_pool();
    run_for(100ms);
    THEN("the governor asks it") {
      CHECK(granted(id));
    }
  }
  WHEN("the pool dies") {
    kill(*pool_slot);
    *pool_slot = nullptr;
    sched.run();
    auto waiting = ask(2, 60s);
    CHECK(waits(waiting));
    CHECK_EQ(report().credits, 0u);
    pool->taken = 0;
    pool->out.clear();
    start_pool();
    tell(pool_capacity{++pool->epoch, 1, 10});
    THEN("the waiter goes to the next pool, and old credits count for nothing") {
      CHECK(granted(waiting));
      auto third = ask(3, 60s);
      tell(credit{pool->epoch - 1, 2});
      CHECK(waits(third));
      tell(credit{pool->epoch, 2});
      CHECK(granted(third));
    }
  }
}

SCENARIO("the report names every budget and what it holds") {
  start();
  ask(1, 10s, {5, false});
  ask(1, 10s, {-6, true});
  auto r = report();
  CHECK_EQ(r.granted, 2u);
  CHECK_EQ(r.credits, 28u);
  CHECK_EQ(r.budgets.size(), 5u);
  CHECK_EQ(r.budgets.at(0).scope, "global");
  CHECK_EQ(r.budgets.at(0).limit, 25u);
  CHECK_EQ(r.budgets.at(0).used, 2u);
  CHECK_EQ(r.budgets.at(2).used, 2u);
  CHECK_EQ(r.budgets.at(3).windows, 1u);
  CHECK_EQ(r.budgets.at(4).limit, 20u);
  CHECK_EQ(r.budgets.at(4).window, 60s);
}

END_FIXTURE_SCOPE()

} // namespace troupe::rate_governor_suite
