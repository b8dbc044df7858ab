#define CAF_SUITE rate_governor_load
#include "tests/actors/rate_governor_fixture.hpp"

#include <random>

namespace troupe::rate_governor_load_suite {

using namespace troupe::governor_tests;

namespace {

/// Random load on a governor; every permit is checked by brute force, and so is that nobody waits
/// who could go.
struct load : fixture {
  std::mt19937 rng;
  permit_checker checker;
  std::map<call_id, permit_request> open;
  std::map<bot_id, std::uint32_t> out;
  std::size_t judged = 0;
  std::size_t granted_total = 0;
  std::size_t restarts = 0;

  void begin(unsigned seed) {
    rng.seed(seed);
    config = rate_governor_config{};
    config.global_rps = 6 + pick(10);
    config.tenant_rps = pick(2) == 0 ? 0 : 5 + pick(4);
    config.bot_rps = 3 + pick(4);
    config.chat_rps = 2;
    config.chat_per_20s = 8;
    config.group_rpm = 5;
    pool->places = 4 + pick(20);
    pool->per_bot = 2 + pick(5);
    auto& l = checker.limits;
    l.global.rules[0].limit = config.global_rps;
    l.tenant.rules[0] = {config.tenant_rps, 1s};
    l.bot.rules[0].limit = config.bot_rps;
    l.chat.rules = {rate_rule{2, 1s}, rate_rule{8, 20s}};
    l.group.rules[0] = {5, 60s};
    start();
  }

  std::uint32_t pick(std::uint32_t n) { return static_cast<std::uint32_t>(rng() % n); }

  static charge charge_of(const permit_request& x) {
    return {x.bot, x.chat.key, x.tenant, x.chat.group, x.paid_broadcast};
  }

  void ask_something() {
    permit_request x;
    x.bot = 1 + pick(6);
    x.tenant = 1 + static_cast<tenant_id>(x.bot % 2);
    x.id = ++calls;
    auto chat = pick(4);
    x.chat = {static_cast<std::int64_t>(chat), chat == 3};
    x.produces_message = chat != 0;
    x.paid_broadcast = pick(6) == 0;
    x.patience = std::chrono::milliseconds{pick(8000)};
    open.emplace(x.id, x);
    ask(x);
  }

  /// Takes note of what the pool saw since the last time.
  void judge() {
    for (; judged < pool->leases.size(); ++judged) {
      auto& seen = pool->leases[judged].what;
      auto known = open.find(seen.id);
      if (known == open.end())
        FAIL("a permit for a call that does not wait");
      checker.record(charge_of(known->second), time_point{duration{seen.permitted_at}});
      ++out[seen.bot];
      ++granted_total;
      open.erase(known);
    }
    for (auto& [id, error] : notes->errors)
      open.erase(id);
    notes->errors.clear();
  }

  void check_nobody_waits_in_vain() {
    if (pool->taken >= pool->places)
      return;
    for (auto& [id, x] : open)
      if (out[x.bot] < pool->per_bot && checker.fits(charge_of(x), now()))
        FAIL("call " << id << " of bot " << x.bot << " waits in vain");
  }

  void restart_governor() {
    ++restarts;
    kill(*governor);
    sched.run();
    judge();
    // The pool gives the next governor credits for what is free, and says whose the leases are.
    start_governor(unseen_past::unknown());
    for (auto& [id, x] : open)
      if (!notes->errors.contains(id))
        FAIL("a waiter was forgotten");
    judge();
  }

  void step() {
    run_for(std::chrono::milliseconds{pick(150)});
    judge();
    check_nobody_waits_in_vain();
    for (auto n = pick(4); n > 0; --n)
      ask_something();
    judge();
    check_nobody_waits_in_vain();
    for (auto& [bot, n] : out)
      if (n > 0 && pick(3) == 0) {
        --n;
        give_back(bot);
      }
    judge();
    check_nobody_waits_in_vain();
    if (!open.empty() && pick(12) == 0) {
      auto x = open.begin()->second;
      tell(permit_cancel{x.bot, x.id});
    }
    if (pick(40) == 0) {
      auto victim = bots.find(1 + pick(6));
      if (victim != bots.end()) {
        std::erase_if(open, [&](auto& x) { return x.second.bot == victim->first; });
        kill(victim->second);
        bots.erase(victim);
        sched.run();
      }
    }
    judge();
    check_nobody_waits_in_vain();
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(load)

SCENARIO("no window is ever overfull and nobody waits in vain, crashes of the governor included") {
  std::size_t grants = 0;
  for (unsigned seed = 1; seed <= 25; ++seed) {
    load l;
    l.begin(seed);
    for (int i = 0; i < 150; ++i) {
      l.step();
      if (l.pick(30) == 0)
        l.restart_governor();
    }
    if (auto text = l.checker.violations(); !text.empty())
      FAIL("seed " << seed << ": " << text);
    l.run_for(10s);
    l.judge();
    if (!l.open.empty())
      FAIL("seed " << seed << ": somebody waits for ever");
    grants += l.granted_total;
    restarts += l.restarts;
  }
  CHECK(grants > 2000);
  CHECK(restarts > 50);
}

SCENARIO("the whole budget is used under constant demand, a crash in the middle included") {
  pool->places = pool->per_bot = 1'000'000;
  start();
  auto before = now();
  for (int i = 0; i < 1000; ++i) {
    for (int k = 0; k < 3; ++k)
      ask(1 + (i * 3 + k) % 17, 60s);
    run_for(10ms);
    if (i == 500) {
      kill(*governor);
      sched.run();
      start_governor(unseen_past::unknown());
      for (int k = 0; k < 100; ++k)
        ask(1 + k % 17, 60s);
    }
  }
  CHECK(now() - before == 10s);
  for (auto& seen : pool->leases)
    checker.record({seen.what.bot, 0, 1, false, false},
                   time_point{duration{seen.what.permitted_at}});
  CHECK_EQ(checker.violations(), "");
  CHECK(pool->leases.size() >= 250u);
}

END_FIXTURE_SCOPE()

} // namespace troupe::rate_governor_load_suite
