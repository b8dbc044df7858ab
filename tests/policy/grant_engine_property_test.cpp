#define CAF_SUITE policy_grant_engine_property
#include "runtime/policy/grant_engine.hpp"
#include "tests/policy/permit_checker.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <map>
#include <memory>
#include <random>

namespace troupe::grant_engine_property_suite {

using namespace std::literals;

namespace {

constexpr auto start = time_point{1h};

using result = grant_engine::result;

/// An engine under random load, with everything it decided kept and checked by brute force.
struct world {
  std::mt19937 rng;
  grant_limits limits;
  std::unique_ptr<grant_memory> memory = std::make_unique<grant_memory>();
  std::unique_ptr<grant_engine> engine;
  permit_checker checker;
  time_point now = start;
  std::map<std::uint64_t, grant_request> waiting; ///< By call, and so by age.
  std::vector<std::int64_t> leased;
  std::map<std::pair<std::int64_t, std::int64_t>, time_point> held; ///< Bot, chat (0: whole bot).
  std::map<std::int64_t, std::pair<std::int64_t, time_point>> hits; ///< Last 429: chat, time.
  std::vector<std::pair<charge, time_point>> unused; ///< Permits that are about to be given back.
  std::uint64_t calls = 0;
  std::uint32_t epoch = 1, sessions = 0, per_bot = 0, credits = 0;
  std::uint64_t grants = 0;

  explicit world(unsigned seed) : rng(seed) {
    limits.budgets.global.rules[0].limit = pick(3) == 0 ? 0 : 6 + pick(10);
    limits.budgets.tenant.rules[0].limit = pick(2) == 0 ? 0 : 4 + pick(5);
    limits.budgets.bot.rules[0].limit = 2 + pick(5);
    limits.budgets.lifted.rules[0].limit = 9;
    limits.budgets.chat.rules = {rate_rule{2, 1s}, rate_rule{5, 6s}};
    limits.budgets.group.rules[0] = {4, 9s};
    checker.limits = limits.budgets;
    sessions = 3 + pick(20);
    per_bot = 2 + pick(8);
    restart(unseen_past::none());
    engine->set_capacity(epoch, sessions, per_bot);
    credits = sessions;
  }

  std::uint32_t pick(std::uint32_t n) { return static_cast<std::uint32_t>(rng() % n); }

  void restart(const unseen_past& past) {
    engine = std::make_unique<grant_engine>(limits, *memory, past, now);
    waiting.clear();
    leased.clear();
    credits = 0;
  }

  static charge charge_of(const grant_request& x) {
    return {x.bot, x.charged ? x.chat : 0, x.tenant, x.group, x.paid};
  }

  void on_grant(const grant_request& x) {
    if (credits == 0)
      FAIL("granted without a credit");
    --credits;
    ++grants;
    leased.push_back(x.bot);
    if (std::count(leased.begin(), leased.end(), x.bot) > per_bot)
      FAIL("bot " << x.bot << " has more than its share of sessions");
    if (held_until(x) > now)
      FAIL("granted in spite of a hold");
    if (!checker.fits(charge_of(x), now)) // By the limits as they are now.
      FAIL("granted over a limit");
    checker.record(charge_of(x), now);
    if (pick(12) == 0) // The pool has no session after all.
      unused.emplace_back(charge_of(x), now);
  }

  void give_back() {
    for (auto& [x, at] : std::exchange(unused, {})) {
      checker.revoke(x, at);
      engine->give_back(x.bot, x.chat, at);
    }
  }

  time_point held_until(const grant_request& x) const {
    auto get = [&](std::int64_t chat) {
      auto i = held.find({x.bot, chat});
      return i == held.end() ? time_point{} : i->second;
    };
    return std::max(get(0), x.chat != 0 ? get(x.chat) : time_point{});
  }

  void dispatch() {
    engine->expire(now, [&](auto, const fair_queue::waiter& w, auto, auto) {
      if (w.deadline > now)
        FAIL("sent away before its deadline");
      waiting.erase(w.call);
    });
    engine->dispatch(now, [&](auto, const fair_queue::waiter& w) {
      auto x = waiting.at(w.call);
      for (auto& [call, other] : waiting)
        if (call < w.call && other.bot == x.bot && other.chat == x.chat && other.paid == x.paid)
          FAIL("overtaken by a younger call of the same chat");
      waiting.erase(w.call);
      on_grant(x);
    });
  }

  void ask() {
    grant_request x;
    x.bot = 1 + pick(5);
    x.tenant = static_cast<std::uint32_t>(x.bot % 2);
    x.call = ++calls;
    x.chat = pick(4);
    x.charged = x.chat != 0;
    x.group = x.chat == 3;
    x.paid = pick(5) == 0;
    x.patience = std::chrono::milliseconds{pick(6000)};
    auto answer = engine->ask(x, now);
    if (answer.what == result::granted)
      on_grant(x);
    else if (answer.what == result::waiting)
      waiting.emplace(x.call, x);
    else if (answer.what == result::refused_patience && answer.retry_after <= x.patience)
      FAIL("refused although the budget opens in time");
  }

  void change_tenants() {
    checker.tenant_rates.clear();
    std::vector<std::pair<std::uint32_t, std::uint32_t>> rates;
    for (std::uint32_t tenant = 0; tenant < 2; ++tenant)
      if (pick(3) != 0)
        rates.emplace_back(tenant, 1 + pick(8));
    checker.tenant_rates.insert(rates.begin(), rates.end());
    engine->limit_tenants(rates, now);
  }

  void give_credit() {
    if (leased.empty())
      return;
    auto i = pick(static_cast<std::uint32_t>(leased.size()));
    engine->credit(epoch, leased[i], false, now);
    leased.erase(leased.begin() + i);
    ++credits;
  }

  /// Whether anybody could be granted now who is not.
  bool idle_budget() const {
    if (credits == 0)
      return false;
    for (auto& [call, x] : waiting) {
      auto out = std::count(leased.begin(), leased.end(), x.bot);
      if (out < per_bot && held_until(x) <= now && checker.fits(charge_of(x), now))
        return true;
    }
    return false;
  }
};

} // namespace

SCENARIO("no window is ever overfull and no budget idle while somebody could use it") {
  std::uint64_t grants = 0;
  for (unsigned seed = 1; seed <= 150; ++seed) {
    world w{seed};
    for (int i = 0; i < 400; ++i) {
      auto due = w.engine->next_due(w.now);
      auto next = w.now + std::chrono::milliseconds{w.pick(120)};
      if (due < next) { // The actor's timer.
        w.now = std::max(due, w.now);
        w.dispatch();
      }
      w.now = std::max(w.now, next);
      if (w.idle_budget() && w.engine->next_due(w.now) > w.now)
        FAIL("the timer comes too late: seed " << seed << ", step " << i);
      w.dispatch();
      switch (w.pick(10)) {
      case 0:
        if (!w.waiting.empty()) {
          auto& [call, x] = *w.waiting.begin();
          if (w.engine->cancel(x.bot, call) == fair_queue::none)
            FAIL("a waiter is not found: seed " << seed);
          w.waiting.erase(w.waiting.begin());
        }
        break;
      case 1:
        w.give_back();
        break;
      case 2:
      case 3:
        for (auto n = w.pick(8); n > 0; --n)
          w.give_credit();
        break;
      case 4:
        if (w.pick(4) == 0) {
          auto bot = std::int64_t{1} + w.pick(5);
          auto chat = std::int64_t{1} + w.pick(3);
          auto wait = std::chrono::milliseconds{w.pick(1500)};
          w.engine->flood(bot, chat, 0, wait, w.now);
          auto& [hit_chat, hit_at] = w.hits[bot];
          auto whole = hit_chat != 0 && hit_chat != chat && w.now - hit_at <= 30s;
          hit_chat = chat;
          hit_at = w.now;
          auto& until = w.held[{bot, whole ? 0 : chat}];
          until = std::max(until, w.now + wait);
        }
        break;
      default:
        for (auto n = w.pick(4); n > 0; --n) {
          w.dispatch();
          w.ask();
        }
      }
      if (w.pick(25) == 0)
        w.change_tenants();
      w.dispatch();
      if (w.idle_budget())
        FAIL("idle budget: seed " << seed << ", step " << i);
      if (w.pick(100) == 0) { // It crashes; what it knew is kept, the pool's credits start anew.
        w.restart(unseen_past::unknown());
        w.engine->set_capacity(++w.epoch, w.sessions, w.per_bot);
        w.credits = w.sessions;
      }
    }
    // Tenants' rates changed meanwhile: `on_grant` looked at them. The rest stayed as it was.
    w.checker.tenant_rates = {{0, 0}, {1, 0}};
    if (auto text = w.checker.violations(); !text.empty())
      FAIL("seed " << seed << ": " << text);
    grants += w.grants;
  }
  CHECK(grants > 10'000);
}

} // namespace troupe::grant_engine_property_suite
