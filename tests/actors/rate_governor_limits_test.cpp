#define CAF_SUITE rate_governor_limits
#include "runtime/log/capture.hpp"
#include "tests/actors/rate_governor_fixture.hpp"

namespace troupe::rate_governor_limits_suite {

using namespace troupe::governor_tests;

BEGIN_FIXTURE_SCOPE(fixture)

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

SCENARIO("a bot whose own limits are taken back has those of all bots again, at once") {
  config.global_rps = 0;
  config.bot_rps = 5;
  pool->places = pool->per_bot = 10;
  start();
  tell(bot_limits{2, 2, 1});
  CHECK(granted(ask(2)));
  auto second = ask(2);
  CHECK(waits(second)); // One at once.
  tell(bot_limits{2, 0, 0});
  CHECK(granted(second));
  CHECK(granted(ask(2)));
  CHECK(granted(ask(2)));
  CHECK(granted(ask(2)));
  CHECK_EQ(notes->code(ask(2, 500ms)), ec::budget_wait_too_long); // Five a second.
}

SCENARIO("a bot's own limits and its running requests outlive the governor") {
  config.global_rps = 0;
  pool->per_bot = 5;
  start();
  tell(bot_limits{2, 0, 1});
  tell(bot_limits{3, 2, 0});
  CHECK(granted(ask(2)));
  CHECK(granted(ask(4)));
  kill(*governor);
  start_governor();
  auto second = ask(2);
  CHECK(waits(second)); // One at once, and that one was its predecessor's.
  for (int i = 0; i < 4; ++i)
    CHECK(granted(ask(4)));
  CHECK(waits(ask(4))); // Five at once.
  tell(credit{pool->epoch, 2});
  CHECK(granted(second));
  CHECK(granted(ask(3)));
  CHECK(granted(ask(3)));
  CHECK_EQ(notes->code(ask(3, 500ms)), ec::budget_wait_too_long); // Two a second.
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

} // namespace troupe::rate_governor_limits_suite
