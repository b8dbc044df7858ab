#define CAF_SUITE rate_governor
#include "runtime/log/capture.hpp"
#include "tests/actors/rate_governor_fixture.hpp"

using namespace troupe;
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

SCENARIO("a flooding bot delays nobody else by more than a turn") {
  start();
  for (int i = 0; i < 200; ++i)
    ask(1, 100s);
  auto other = ask(2, 2s);
  run_for(1s);
  CHECK(granted(other));
}

SCENARIO("a tenant with many bots delays another tenant no more than one with few") {
  pool->places = pool->per_bot = 10'000;
  start();
  auto of = [&](tenant_id tenant, bot_id id) {
    permit_request x;
    x.bot = id;
    x.tenant = tenant;
    x.patience = 100s;
    return ask(x);
  };
  for (int i = 0; i < 500; ++i)
    of(1, 1000 + i % 100);
  std::vector<call_id> theirs;
  for (int i = 0; i < 25; ++i)
    theirs.push_back(of(2, 5));
  run_for(2s);
  auto served = std::count_if(theirs.begin(), theirs.end(), [&](auto id) { return granted(id); });
  CHECK(served >= 24); // Half of 50.
}

SCENARIO("a flooded chat holds itself, a second one the bot, and other bots go on") {
  log::capture lines;
  start();
  tell(flood_report{1, {10, false}, 3, 5s});
  auto ask_chat = [&](bot_id id, std::int64_t chat, std::uint16_t method) {
    permit_request x;
    x.bot = id;
    x.chat = {chat, false};
    x.produces_message = true;
    x.method = method;
    x.patience = 60s;
    return ask(x);
  };
  auto held = ask_chat(1, 10, 3);
  CHECK(waits(held));
  CHECK(granted(ask_chat(1, 10, 4)));
  CHECK(granted(ask_chat(1, 11, 3)));
  CHECK(granted(ask_chat(2, 10, 3)));
  CHECK_EQ(report().holds, 1u);
  run_for(4999ms);
  CHECK(waits(held));
  run_for(1ms);
  CHECK(granted(held));
  tell(flood_report{1, {11, false}, 3, 3s});
  auto other_chat = ask_chat(1, 12, 9);
  CHECK(waits(other_chat));
  CHECK(granted(ask_chat(2, 12, 9)));
  auto impatient = ask(1, 1s);
  CHECK_EQ(notes->code(impatient), ec::budget_wait_too_long);
  CHECK_EQ(notes->retry_after(impatient), 3s);
  run_for(3s);
  CHECK(granted(other_chat));
  CHECK_EQ(lines.count("budget.held"), 2u);
}

SCENARIO("an open upstream refuses, a half-open one lets one request at a time through") {
  start();
  pool->places = 30;
  for (int i = 0; i < 25; ++i)
    ask(100 + i);
  auto waiting = ask(1, 60s);
  tell(breaker_change{0, breaker_state::open, 60s});
  CHECK_EQ(notes->code(waiting), ec::upstream_open);
  CHECK_EQ(notes->retry_after(waiting), 60s);
  run_for(20s);
  auto refused = ask(1, 60s);
  CHECK_EQ(notes->code(refused), ec::upstream_open);
  CHECK_EQ(notes->retry_after(refused), 40s);
  CHECK_EQ(report().upstream, breaker_state::open);
  run_for(40s);
  for (int i = 0; i < 25; ++i)
    give_back(100 + i);
  tell(breaker_change{0, breaker_state::half_open, 0s});
  auto probe = ask(1, 300s);
  auto second = ask(2, 300s);
  auto third = ask(3, 300s);
  CHECK(granted(probe));
  CHECK(waits(second));
  give_back(1);
  CHECK(granted(second));
  CHECK(waits(third));
  run_for(config.probe_timeout); // The second probe was lost.
  CHECK(granted(third));
  tell(breaker_change{0, breaker_state::closed, 0s});
  CHECK(granted(ask(4)));
  CHECK(granted(ask(5)));
}

SCENARIO("a bot that pays gets a thousand a second") {
  config.global_rps = 0;
  pool->places = pool->per_bot = 10'000;
  start();
  permit_request x;
  x.bot = 1;
  x.paid_broadcast = true;
  for (int i = 0; i < 1200; ++i) {
    x.id = 0;
    ask(x);
  }
  CHECK_EQ(pool->leases.size(), 1000u);
}

SCENARIO("an unused permit gives its budget back") {
  config.global_rps = 1;
  start();
  auto first = ask(1, 10s, {5, false});
  auto second = ask(2);
  CHECK(waits(second));
  tell(permit_unused{1, 1, {5, false}, notes->leases.at(first).permitted_at});
  CHECK(granted(second));
  auto third = ask(3);
  tell(permit_unused{1, 1, {5, false}, notes->leases.at(first).permitted_at}); // Known already.
  CHECK(waits(third));
}

SCENARIO("a chat that is seen late is charged, a bot's own rate obeyed, a proven bot's past kept") {
  config.global_rps = 0;
  start();
  for (int i = 0; i < 3; ++i)
    tell(chat_charge{1, {5, false}});
  CHECK_EQ(notes->code(ask(1, 500ms, {5, false})), ec::budget_wait_too_long);
  tell(bot_limits{2, 2});
  ask(2);
  ask(2);
  CHECK_EQ(notes->code(ask(2, 500ms)), ec::budget_wait_too_long);
  tell(bot_limits{2, 3});
  CHECK(granted(ask(2, 500ms)));
  for (int i = 0; i < 3; ++i)
    ask(-9, 10s, {6, false});
  auto waiting = ask(-9, 10s, {6, false});
  CHECK(waits(waiting));
  tell(identity_proven{-9, 9});
  CHECK_EQ(notes->code(ask(9, 500ms, {6, false})), ec::budget_wait_too_long);
  run_for(1s);
  CHECK(granted(waiting));
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

SCENARIO("windows in memory are bounded") {
  config.global_rps = config.bot_rps = 0;
  config.max_windows = 50;
  pool->places = pool->per_bot = 100'000;
  start();
  for (int i = 0; i < 2000; ++i)
    ask(1 + i % 7, 0s, {1000 + i, false});
  CHECK(pool->leases.size() == 50u);
  CHECK(report().budgets.at(3).windows == 50u);
  run_for(20s);
  CHECK(granted(ask(1, 0s, {5, false})));
}

END_FIXTURE_SCOPE()
