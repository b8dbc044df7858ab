#define CAF_SUITE policy_grant_engine
#include "runtime/policy/grant_engine.hpp"
#include "tests/policy/permit_checker.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <map>
#include <memory>
#include <random>

using namespace troupe;
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
    engine->expire(now, [&](auto, const fair_queue::waiter& w, auto) {
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

  void give_credit() {
    if (leased.empty())
      return;
    auto i = pick(static_cast<std::uint32_t>(leased.size()));
    engine->credit(epoch, leased[i]);
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

grant_request request_of(std::int64_t bot, std::uint64_t call, duration patience = 10s) {
  grant_request x;
  x.bot = bot;
  x.call = call;
  x.patience = patience;
  return x;
}

std::vector<std::uint64_t> dispatched(grant_engine& engine, time_point now) {
  std::vector<std::uint64_t> result;
  engine.dispatch(now, [&](auto, const fair_queue::waiter& w) { result.push_back(w.call); });
  return result;
}

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
      w.dispatch();
      if (w.idle_budget())
        FAIL("idle budget: seed " << seed << ", step " << i);
      if (w.pick(100) == 0) { // It crashes; what it knew is kept, the pool's credits start anew.
        w.restart(unseen_past::unknown());
        w.engine->set_capacity(++w.epoch, w.sessions, w.per_bot);
        w.credits = w.sessions;
      }
    }
    if (auto text = w.checker.violations(); !text.empty())
      FAIL("seed " << seed << ": " << text);
    grants += w.grants;
  }
  CHECK(grants > 10'000);
}

SCENARIO("an engine without memory treats the unseen past as full") {
  grant_memory memory;
  grant_engine engine{grant_limits{}, memory, unseen_past::unknown(), start};
  engine.set_capacity(1, 30, 10);
  auto answer = engine.ask(request_of(1, 1, 500ms), start);
  CHECK(answer.what == result::refused_patience);
  CHECK(answer.retry_after == 1s);
  auto x = request_of(1, 2);
  x.chat = 5;
  x.charged = x.group = true;
  answer = engine.ask(x, start + 1s);
  CHECK(answer.what == result::refused_patience);
  CHECK(answer.retry_after == 59s);
  CHECK(engine.ask(request_of(1, 3), start + 1s).what == result::granted);
}

SCENARIO("stamps that the log lost are treated as full") {
  grant_memory memory{flood_limits{}, 64};
  grant_limits limits;
  limits.budgets.global.rules[0].limit = 0;
  auto x = request_of(1, 0);
  x.charged = true;
  {
    grant_engine engine{limits, memory, unseen_past::none(), start};
    engine.set_capacity(1, 1000, 1000);
    for (std::int64_t i = 1; i <= 100; ++i) {
      x.chat = i;
      x.bot = i;
      CHECK(engine.ask(x, start + std::chrono::milliseconds{i * 10}).what == result::granted);
    }
  }
  grant_engine engine{limits, memory, unseen_past::none(), start + 1s};
  engine.set_capacity(2, 1000, 1000);
  auto lost = start + 360ms; // The youngest of the 36 that did not fit.
  x.chat = 1000;
  CHECK(engine.ask(x, start + 2s).what == result::refused_patience);
  CHECK(engine.ask(x, lost + 20s).what == result::granted);
}

SCENARIO("a bot has no more sessions at once than its share, others go on") {
  grant_memory memory;
  grant_engine engine{grant_limits{}, memory, unseen_past::none(), start};
  engine.set_capacity(1, 10, 2);
  CHECK(engine.ask(request_of(1, 1), start).what == result::granted);
  CHECK(engine.ask(request_of(1, 2), start).what == result::granted);
  CHECK(engine.ask(request_of(1, 3), start).what == result::waiting);
  CHECK(engine.ask(request_of(2, 4), start).what == result::granted);
  CHECK(dispatched(engine, start).empty());
  engine.credit(1, 1);
  CHECK(dispatched(engine, start) == std::vector<std::uint64_t>{3});
  engine.credit(9, 1); // Of another epoch.
  CHECK_EQ(engine.credits(), 7u);
}

SCENARIO("what waits for a session alone is sent away for want of one") {
  grant_memory memory;
  grant_engine engine{grant_limits{}, memory, unseen_past::none(), start};
  CHECK(engine.ask(request_of(1, 1, 5s), start).what == result::waiting);
  CHECK(engine.ask(request_of(1, 2, 0s), start).what == result::refused_session);
  CHECK(engine.next_due(start) == start + 5s);
  std::vector<grant_engine::departure> why;
  engine.expire(start + 5s, [&](auto, auto&, auto reason) { why.push_back(reason); });
  CHECK_EQ(why.size(), 1u);
  CHECK(why.at(0) == grant_engine::departure::session);
}

SCENARIO("a half-open upstream gets one request at a time") {
  grant_memory memory;
  grant_engine engine{grant_limits{}, memory, unseen_past::none(), start};
  engine.set_capacity(1, 10, 10);
  CHECK(engine.ask(request_of(1, 1), start).what == result::granted);
  engine.upstream_opens(start + 60s);
  auto refused = engine.ask(request_of(1, 2), start + 20s);
  CHECK(refused.what == result::refused_upstream);
  CHECK(refused.retry_after == 40s);
  auto now = start + 60s; // Nobody said so: it half-opens by itself.
  CHECK(engine.ask(request_of(1, 3), now).what == result::granted);
  CHECK(engine.ask(request_of(2, 4, 100s), now).what == result::waiting);
  CHECK(engine.ask(request_of(3, 5, 100s), now).what == result::waiting);
  engine.credit(1, 1); // Of the request before the breaker opened, perhaps.
  CHECK(dispatched(engine, now).empty());
  engine.credit(1, 1);
  CHECK(dispatched(engine, now) == std::vector<std::uint64_t>{4});
  CHECK(engine.next_due(now) == now + 65s);
  CHECK(dispatched(engine, now + 65s) == std::vector<std::uint64_t>{5}); // The probe was lost.
  engine.upstream_closes();
  CHECK(engine.ask(request_of(4, 6), now).what == result::granted);
  CHECK(engine.ask(request_of(4, 7), now).what == result::granted);
}

SCENARIO("a paying bot gets a thousand a second, and its other requests their own budget") {
  grant_memory memory;
  grant_limits limits;
  limits.budgets.global.rules[0].limit = 0;
  grant_engine engine{limits, memory, unseen_past::none(), start};
  engine.set_capacity(1, 5000, 5000);
  auto granted = [&](bool paid, int n, time_point now) {
    auto count = 0;
    for (int i = 0; i < n; ++i) {
      auto x = request_of(1, 0, 0s);
      x.paid = paid;
      count += engine.ask(x, now).what == result::granted;
    }
    return count;
  };
  CHECK_EQ(granted(false, 50, start), 30);
  CHECK_EQ(granted(true, 2000, start), 970);
  CHECK_EQ(granted(false, 50, start + 999ms), 0);
  CHECK_EQ(granted(false, 50, start + 1s), 30);
  CHECK_EQ(granted(true, 2000, start + 1s), 970);
}

SCENARIO("a refusal for want of budget tells when to come back, the queue included") {
  grant_memory memory;
  grant_engine engine{grant_limits{}, memory, unseen_past::none(), start};
  engine.set_capacity(1, 1000, 1000);
  for (std::uint64_t i = 0; i < 25; ++i)
    CHECK(engine.ask(request_of(static_cast<std::int64_t>(i), i), start).what == result::granted);
  std::uint64_t call = 100;
  std::int64_t bot = 100;
  while (engine.ask(request_of(bot++, call++, 10s), start).what == result::waiting) {
  }
  CHECK_EQ(engine.waiting(), 250u); // Ten seconds' worth.
  auto late = engine.ask(request_of(bot, call, 10s), start);
  CHECK(late.what == result::refused_patience);
  CHECK(late.retry_after == 11s);
  std::size_t served = 0;
  for (auto now = start; now <= start + 10s; now = std::max(engine.next_due(now), now + 1ns))
    served += dispatched(engine, now).size();
  CHECK_EQ(served, 250u);
}

SCENARIO("what an unproven bot used counts when its number is proven") {
  grant_memory memory;
  grant_limits limits;
  limits.budgets.global.rules[0].limit = 0;
  grant_engine engine{limits, memory, unseen_past::none(), start};
  engine.set_capacity(1, 1000, 1000);
  for (int i = 0; i < 20; ++i)
    CHECK(engine.ask(request_of(-77, 0), start).what == result::granted);
  engine.merge_bot(-77, 5, start);
  int granted = 0;
  for (int i = 0; i < 30; ++i)
    granted += engine.ask(request_of(5, 0, 0s), start).what == result::granted;
  CHECK_EQ(granted, 10);
  grant_engine next{limits, memory, unseen_past::none(), start};
  next.set_capacity(2, 1000, 1000);
  CHECK(next.ask(request_of(5, 0, 0s), start).what == result::refused_patience);
}
