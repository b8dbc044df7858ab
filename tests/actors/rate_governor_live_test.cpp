#define CAF_SUITE rate_governor_live
#include "tests/actors/rate_governor_fixture.hpp"

#include <random>

namespace troupe::rate_governor_live_suite {

using namespace troupe::governor_tests;

namespace {

struct live_fixture : fixture {
  /// Other limits for the running governor.
  void change(const rate_limits& x) { tell(x); }

  /// Stamps of all leases, oldest first.
  std::vector<time_point> stamps() const {
    std::vector<time_point> result;
    for (const auto& x : pool->leases)
      result.emplace_back(duration{x.what.permitted_at});
    return result;
  }

  /// The most leases in any window of this length that begins at `from` or later.
  std::size_t most_in(duration length, time_point from = {}) const {
    std::size_t most = 0;
    auto all = stamps();
    for (std::size_t i = 0; i < all.size(); ++i)
      for (auto j = i; j < all.size() && all[j] - all[i] < length; ++j)
        if (all[i] >= from)
          most = std::max(most, j - i + 1);
    return most;
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(live_fixture)

SCENARIO("a raised limit lets waiting callers through at once") {
  config.global_rps = 2;
  start();
  std::vector<call_id> ids;
  for (int i = 0; i < 10; ++i)
    ids.push_back(ask(1 + i % 3));
  CHECK_EQ(report().waiting, 8u);
  change({.global_rps = 7});
  CHECK_EQ(report().waiting, 3u);
  run_for(1s);
  CHECK_EQ(report().waiting, 0u);
  CHECK_EQ(most_in(1s), 7u);
}

SCENARIO("raised limits of every scope are found by those that wait for them") {
  config.global_rps = 0;
  config.bot_rps = 1;
  config.chat_rps = 1;
  config.group_rpm = 1;
  start();
  ask(1);
  auto of_bot = ask(1);
  ask(2, 10s, {5, false});
  auto to_chat = ask(2, 10s, {5, false});
  ask(3, 60s, {-6, true});
  auto to_group = ask(3, 60s, {-6, true});
  CHECK(waits(of_bot));
  CHECK(waits(to_chat));
  CHECK(waits(to_group));
  change({.global_rps = 0, .bot_rps = 2, .chat_rps = 2, .group_rpm = 2});
  CHECK(granted(of_bot));
  CHECK(granted(to_chat));
  CHECK(granted(to_group));
}

SCENARIO("a lowered limit counts what went out before") {
  config.global_rps = 10;
  start();
  for (int i = 0; i < 6; ++i)
    ask(1 + i);
  run_for(500ms);
  change({.global_rps = 4});
  auto changed = now();
  for (int i = 0; i < 8; ++i)
    ask(1 + i);
  CHECK_EQ(pool->leases.size(), 6u); // More than four in this second already.
  run_for(499ms);
  CHECK_EQ(pool->leases.size(), 6u);
  run_for(1ms);
  CHECK_EQ(pool->leases.size(), 10u);
  run_for(3s);
  CHECK_EQ(pool->leases.size(), 14u);
  CHECK_EQ(most_in(1s, changed), 4u);
}

SCENARIO("what was not counted for want of a limit counts once there is one") {
  config.global_rps = 0;
  config.bot_rps = 0;
  config.group_rpm = 0;
  start();
  for (int i = 0; i < 5; ++i)
    ask(1, 10s, {-6, true});
  change({.global_rps = 5, .bot_rps = 5, .group_rpm = 6});
  auto other = ask(2);
  CHECK(waits(other)); // The second is full.
  run_for(1s);
  CHECK(granted(other));
  auto sixth = ask(1, 60s, {-6, true});
  auto seventh = ask(1, 60s, {-6, true});
  CHECK(granted(sixth));
  CHECK(waits(seventh));
  run_for(59s);
  CHECK(granted(seventh));
}

SCENARIO("a call whose lower limit outlasts its patience ends at its deadline") {
  config.global_rps = 5;
  start();
  for (int i = 0; i < 5; ++i)
    ask(1, 10s, {-6, true});
  change({.group_rpm = 5});
  auto late = ask(1, 5s, {-6, true});
  CHECK_EQ(notes->code(late), ec::budget_wait_too_long);
  change({.global_rps = 5, .group_rpm = 20});
  auto id = ask(1, 5s, {-6, true});
  CHECK(waits(id));
  change({.global_rps = 5, .group_rpm = 5});
  run_for(5001ms);
  CHECK_EQ(notes->code(id), ec::deadline_passed);
}

SCENARIO("a bot's own rate and a flood's hold outlast a change of the limits") {
  config.global_rps = 0;
  start();
  tell(bot_limits{1, 2, 0});
  tell(flood_report{2, {5, false}, 0, 10s});
  change({.global_rps = 0, .bot_rps = 50});
  for (int i = 0; i < 4; ++i)
    ask(1);
  CHECK_EQ(pool->leases.size(), 2u);
  CHECK_EQ(notes->code(ask(2, 5s, {5, false})), ec::budget_wait_too_long);
}

SCENARIO("a tenant's own rate binds all its bots together, and no other tenant's") {
  config.global_rps = 0;
  config.tenant_rps = 6;
  start();
  auto of = [this](bot_id bot, tenant_id tenant) {
    permit_request x;
    x.bot = bot;
    x.tenant = tenant;
    x.patience = 10s;
    return ask(x);
  };
  for (int i = 0; i < 3; ++i)
    of(1, 1);
  tell(tenant_limits{{{1, 4}}}); // Three of four are spent.
  auto fourth = of(2, 1);
  auto fifth = of(3, 1);
  CHECK(granted(fourth));
  CHECK(waits(fifth));
  for (int i = 0; i < 6; ++i)
    CHECK(granted(of(7 + i, 2)));
  CHECK(waits(of(9, 2))); // Tenant 2 has what every tenant has.
  // A crash forgets neither the rate nor what was spent of it.
  kill(*governor);
  start_governor(unseen_past::none());
  auto after = of(4, 1);
  CHECK(waits(after));
  tell(tenant_limits{{{1, 5}}});
  CHECK(granted(after));
  auto sixth = of(4, 1);
  CHECK(waits(sixth));
  tell(tenant_limits{}); // Back to six.
  CHECK(granted(sixth));
  auto seventh = of(5, 1);
  CHECK(waits(seventh));
  run_for(1s);
  CHECK(granted(seventh));
}

SCENARIO("limits that change all the time are never exceeded from the change on") {
  config.global_rps = 8;
  config.bot_rps = 0;
  config.group_rpm = 0;
  pool->places = pool->per_bot = 10'000;
  start();
  std::mt19937 rng{7};
  for (int round = 0; round < 40; ++round) {
    auto limit = 1 + static_cast<std::uint32_t>(rng() % 12);
    change({.global_rps = limit, .bot_rps = 0, .group_rpm = 0});
    auto since = now();
    auto before = pool->leases.size();
    for (int i = 0; i < 5; ++i) {
      for (auto n = rng() % 8; n > 0; --n)
        ask(static_cast<bot_id>(1 + rng() % 4), 3s);
      run_for(std::chrono::milliseconds{50 + rng() % 400});
    }
    // Windows that end after the change hold no more than the limit, unless they were fuller then.
    auto all = stamps();
    for (auto i = before; i < all.size(); ++i) {
      std::size_t within = 0;
      for (auto at : all)
        within += at <= all[i] && all[i] - at < 1s;
      if (within > limit)
        FAIL("round " << round << ": " << within << " instead of " << limit);
    }
    CHECK_GE(now(), since);
  }
  CHECK_GT(pool->leases.size(), 100u);
}

SCENARIO("a permit whose lease was refused goes back by its call, once, and no earlier one") {
  config.global_rps = 1;
  start();
  auto first = ask(1, 10s, {5, false});
  auto stamp = notes->leases.at(first).permitted_at;
  auto second = ask(2, 60s);
  CHECK(waits(second));
  tell(permit_unused{1, 1, {}, 0, first, stamp}); // It had used that one.
  CHECK(waits(second));
  tell(permit_unused{1, 1, {}, 0, 999, 0}); // Nobody's.
  CHECK(waits(second));
  tell(permit_unused{1, 1, {}, 0, first, 0});
  CHECK(granted(second));
  CHECK_EQ(report().budgets.at(3).used, 0u); // The chat's, too.
  auto third = ask(3, 60s);
  tell(permit_unused{1, 1, {}, 0, first, 0}); // Known already.
  CHECK(waits(third));
}

SCENARIO("a lease that was refused, or whose place is gone, is no longer its bot's") {
  pool->places = 4;
  pool->per_bot = 2;
  start();
  ask(1);
  ask(1);
  auto third = ask(1, 60s);
  CHECK(waits(third));
  tell(credit{pool->epoch, 1, true});
  CHECK(granted(third));
  CHECK_EQ(report().credits, 1u);
}

SCENARIO("a pool with more places gives more credits, and another share for each bot") {
  pool->places = 2;
  pool->per_bot = 1;
  start();
  ask(1);
  auto own = ask(1, 60s);
  ask(2);
  auto other = ask(3, 60s);
  CHECK(waits(own));
  CHECK(waits(other));
  tell(capacity_change{pool->epoch - 1, 5, 5, 7}); // Another pool's.
  CHECK(waits(own));
  CHECK(waits(other));
  tell(capacity_change{pool->epoch, 3, 2, 5});
  CHECK(granted(own));
  CHECK(granted(other));
  CHECK(waits(ask(1, 60s)));
  CHECK_EQ(report().credits, 1u);
}

SCENARIO("credits of a dead pool are worthless at once, not only when another is there") {
  start();
  CHECK(granted(ask(1)));
  kill(*pool_slot); // It is still published.
  sched.run();
  CHECK_EQ(report().credits, 0u);
  auto id = ask(2, 60s);
  CHECK(waits(id));
  CHECK_EQ(report().granted, 1u);
  pool->taken = 0;
  pool->out.clear();
  start_pool(); // It does not announce itself.
  run_for(100ms);
  CHECK(granted(id));
}

END_FIXTURE_SCOPE()

} // namespace troupe::rate_governor_live_suite
