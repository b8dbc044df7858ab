#define CAF_SUITE policy_overload
#include "runtime/policy/grant_engine.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <map>
#include <queue>
#include <random>
#include <set>
#include <span>

/// Ten times what can be served: who is refused, when, and what it is told.
namespace troupe::overload_suite {

using namespace std::literals;

namespace {

using result = grant_engine::result;

constexpr auto start = time_point{1h};

/// An engine, a pool whose places are held for some time, and callers who come in at random.
struct world {
  grant_memory memory;
  grant_engine engine;
  std::mt19937 rng;
  std::uint32_t tenants = 1, bots = 1; ///< Bots of each tenant.
  duration hold = 0s; ///< On average; varied from half of it to half as much again.
  duration patience = 1s;
  time_point now = start;
  std::uint64_t sent = 0, granted = 0, refused = 0, late = 0;
  std::set<std::uint64_t> waiting;
  std::priority_queue<std::pair<time_point, std::int64_t>,
                      std::vector<std::pair<time_point, std::int64_t>>, std::greater<>>
    returns;

  world(unsigned seed, const grant_limits& limits, std::uint32_t places, std::uint32_t per_bot)
    : engine(limits, memory, unseen_past::none(), start), rng(seed) {
    engine.set_capacity(1, places, per_bot, places);
  }

  grant_request next() {
    grant_request x;
    x.tenant = 1 + static_cast<std::uint32_t>(rng() % tenants);
    x.bot = x.tenant * 1000 + static_cast<std::int64_t>(rng() % bots);
    x.call = ++sent;
    x.patience = patience;
    return x;
  }

  void grant(std::int64_t bot) {
    ++granted;
    returns.emplace(now + hold / 2 + hold * static_cast<int>(rng() % 1000) / 1000, bot);
  }

  void serve() {
    engine.expire(now - 1ns, [this](auto, const fair_queue::waiter& w, auto, auto) {
      ++late;
      waiting.erase(w.call);
    });
    engine.dispatch(now, [this](auto, const fair_queue::waiter& w) {
      waiting.erase(w.call);
      grant(w.bot);
    });
  }

  grant_engine::answer ask(const grant_request& x) {
    serve();
    auto answer = engine.ask(x, now);
    if (answer.what == result::granted)
      grant(x.bot);
    else if (answer.what == result::waiting)
      waiting.insert(x.call);
    else
      ++refused;
    return answer;
  }

  /// Whatever is due until then.
  void run_to(time_point end) {
    for (;;) {
      auto due = engine.next_due(now);
      if (!returns.empty())
        due = std::min(due, returns.top().first);
      if (due > end)
        break;
      now = std::max(now, due);
      while (!returns.empty() && returns.top().first <= now) {
        engine.credit(1, returns.top().second, false, now);
        returns.pop();
      }
      serve();
      if (engine.next_due(now) <= now) { // A deadline of this very moment is over a moment later.
        now += 1ns;
        serve();
      }
    }
    now = end;
  }

  /// Callers come at `rate` a second. @returns the last refusal, with what was asked
  std::pair<grant_request, grant_engine::answer> load(double rate, duration length) {
    std::pair<grant_request, grant_engine::answer> last;
    std::exponential_distribution<double> gap{rate};
    for (auto end = now + length; now < end;) {
      run_to(now + std::chrono::duration_cast<duration>(std::chrono::duration<double>{gap(rng)}));
      auto x = next();
      auto answer = ask(x);
      if (answer.what != result::granted && answer.what != result::waiting)
        last = {x, answer};
    }
    return last;
  }
};

grant_limits global_of(std::uint32_t rps) {
  grant_limits limits;
  limits.budgets.global.rules[0].limit = rps;
  limits.budgets.bot.rules[0].limit = 0;
  return limits;
}

bool admitted(const grant_engine::answer& x) {
  return x.what == result::granted || x.what == result::waiting;
}

} // namespace

/// Events in time, for an engine that is driven by its own `next_due`.
struct flooded {
  grant_memory memory;
  grant_engine engine;
  std::map<std::uint64_t, time_point> since; ///< Of the calm tenant's calls that wait.
  std::vector<time_point> stamps;            ///< Of all grants.
  std::vector<duration> waits;               ///< Of the calm tenant's calls.
  std::uint64_t calls = 0;

  static grant_limits limits() {
    grant_limits x;
    x.budgets.global.rules[0].limit = 500;
    x.budgets.bot = {};
    return x;
  }
  flooded() : engine(limits(), memory, unseen_past::none(), start) {
    engine.set_capacity(1, 100'000, 100'000);
  }

  void granted(std::uint64_t call, time_point now) {
    stamps.push_back(now);
    engine.credit(1, 1);
    if (auto found = since.find(call); found != since.end()) {
      waits.push_back(now - found->second);
      since.erase(found);
    }
  }
  void serve(time_point now) {
    engine.expire(now, [](auto, auto&, auto, auto) {});
    engine.dispatch(now, [&](auto, const fair_queue::waiter& w) { granted(w.call, now); });
  }
  void ask(std::uint32_t tenant, duration patience, time_point now) {
    serve(now);
    grant_request x;
    x.tenant = tenant;
    x.bot = tenant * 1000 + static_cast<std::int64_t>(calls % 20);
    x.call = ++calls;
    x.patience = patience;
    if (tenant == 1)
      since[x.call] = now;
    if (engine.ask(x, now).what == result::granted)
      granted(x.call, now);
  }
  /// From `from` to `to`: the calm tenant asks every 10 ms, others each 200 us if `flood`.
  void run(time_point from, time_point to, std::uint32_t floods) {
    for (auto now = from; now < to; now += 200us) {
      // What is due in between happens when it is due.
      for (auto due = engine.next_due(now - 200us); due < now; due = engine.next_due(due)) {
        serve(due);
        if (engine.next_due(due) <= due)
          break;
      }
      if ((now - from) % 10ms == 0s)
        ask(1, 5s, now);
      for (std::uint32_t i = 0; i < floods; ++i)
        ask(2 + i, 50ms, now);
    }
  }
  [[nodiscard]] std::size_t granted_in(time_point from, time_point to) const {
    return static_cast<std::size_t>(
      std::ranges::count_if(stamps, [&](auto at) { return from <= at && at < to; }));
  }
};

SCENARIO("a refusal names the very moment at which the budget is open for that call") {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    auto at_the_end = [&](duration earlier) {
      world w{seed, global_of(5 + seed % 40), 10'000, 10'000};
      w.tenants = 1 + seed % 3;
      w.bots = 1 + seed % 7;
      auto [x, answer] = w.load(10.0 * (5 + seed % 40), 3s);
      if (answer.what != result::refused_patience || answer.retry_after <= w.patience)
        FAIL("seed " << seed << ": nobody was refused for a budget");
      // The last to be refused, and nobody came after it that is still there.
      while (!w.waiting.empty())
        w.run_to(w.now + 1ms);
      w.run_to(w.now + 3s); // All windows are empty.
      for (std::uint32_t i = 0; i < 5 + seed % 40; ++i)
        w.ask(w.next());
      auto y = w.next();
      y.patience = 0s;
      auto refused = w.ask(y);
      w.run_to(w.now + refused.retry_after - earlier);
      return std::pair{refused, w.ask(y)};
    };
    auto [refused, again] = at_the_end(0s);
    CHECK(refused.what == result::refused_patience);
    CHECK(again.what == result::granted);
    CHECK(at_the_end(1ns).second.what == result::refused_patience);
  }
}

SCENARIO("who tries again when it was told to is let in, unless others came first") {
  auto budget = 0, session = 0;
  for (unsigned seed = 1; seed <= 200; ++seed) {
    grant_limits limits;
    limits.budgets.global.rules[0].limit = 10 + seed % 50;
    limits.budgets.tenant.rules[0].limit = seed % 3 == 0 ? 15 : 0;
    limits.budgets.bot.rules[0].limit = seed % 2 == 0 ? 8 : 0;
    auto places = 1 + seed % 9;
    world w{seed, limits, places, std::max(places / 2, 1u)};
    w.tenants = 1 + seed % 4;
    w.bots = 1 + seed % 11;
    w.hold = seed % 5 == 0 ? 400ms : 20ms;
    w.patience = 500ms + 1ms * (seed % 1500);
    auto [x, answer] = w.load(600, 2s + 1ms * (seed * 7 % 1000));
    if (answer.retry_after == 0s)
      FAIL("seed " << seed << ": nobody was refused");
    (answer.what == result::refused_session ? session : budget) += 1;
    // The last refusal was some time ago: who came in since did so before it.
    w.run_to(w.now + answer.retry_after);
    x.call = ++w.sent;
    if (!admitted(w.ask(x)))
      FAIL("seed " << seed << ": refused again");
    w.run_to(w.now + w.patience + 1s);
    if (w.waiting.count(x.call) != 0)
      FAIL("seed " << seed << ": still waiting");
  }
  CAF_MESSAGE(budget << " for a budget, " << session << " for a session");
  CHECK_GT(budget, 40);
  CHECK_GT(session, 25);
}

SCENARIO("at ten times the budget it is used up, and who is let in gets its turn") {
  struct shape {
    std::uint32_t tenants, bots;
  };
  for (std::uint32_t budget : {1000u, 990u, 943u, 1010u})
    for (auto [tenants, bots] : {shape{1, 1}, {1, 30}, {1, 200}, {30, 1}, {200, 1}, {8, 25}}) {
      world w{7, global_of(budget), 10'000, 10'000};
      w.tenants = tenants;
      w.bots = bots;
      w.load(10'000, 4s); // Nothing is known of how calls come in.
      auto [granted, late] = std::pair{w.granted, w.late};
      w.load(10'000, 4s);
      CAF_MESSAGE(tenants << " tenants with " << bots << " bots each: of " << w.sent << ", granted "
                          << w.granted << ", refused at once " << w.refused << ", late " << w.late
                          << ", lately " << w.late - late << " of " << w.granted - granted);
      CHECK_EQ(w.sent, w.granted + w.refused + w.late + w.waiting.size());
      CHECK_GE(w.granted, tenants == 1 ? budget * 8 - budget / 100
                                       : budget * 8 * 99 / 100); // The rest is kept.
      CHECK_LE((w.late - late) * 20, w.granted - granted);       // 5 % of those let in.
      CHECK_LE(w.waiting.size(), 1'100u);
    }
}

SCENARIO("at ten times what the sessions carry they are busy, and who is let in gets one") {
  struct shape {
    std::uint32_t tenants, bots, per_bot;
  };
  for (auto [tenants, bots, per_bot] : {shape{1, 3, 10}, {1, 30, 10}, {20, 1, 10}, {1, 1, 10}}) {
    world w{11, global_of(0), 26, per_bot};
    w.tenants = tenants;
    w.bots = bots;
    w.hold = 50ms;
    auto carried = std::min(26.0, 10.0 * tenants * bots) / 0.05; // 520 a second, or of one bot 200.
    w.load(10 * carried, 6s);
    CAF_MESSAGE(tenants << " tenants with " << bots << " bots each: of " << w.sent << ", granted "
                        << w.granted << ", refused at once " << w.refused << ", late " << w.late);
    CHECK_EQ(w.sent, w.granted + w.refused + w.late + w.waiting.size());
    CHECK_GE(static_cast<double>(w.granted), 0.97 * 6 * carried);
    CHECK_LE(w.late * 20, w.granted); // 5 %: how long sessions will be held is a guess.
    CHECK_LE(static_cast<double>(w.waiting.size()), 1.3 * carried);
  }
}

SCENARIO("a session that nobody gives back is waited for as long as it was held, not for ever") {
  world w{1, global_of(0), 1, 1};
  w.hold = 1h;
  CHECK(w.ask(w.next()).what == result::granted);
  w.run_to(w.now + 500ms);
  CHECK(w.ask(w.next()).what == result::waiting);
  w.run_to(w.now + 1500ms);
  auto late = w.ask(w.next());
  CHECK(late.what == result::refused_session);
  CHECK(late.retry_after >= 2s);
}

SCENARIO("a burst that comes before any session was given back waits") {
  world w{1, global_of(0), 26, 26};
  w.hold = 300ms;
  w.patience = 10s;
  w.bots = 10;
  for (int i = 0; i < 26; ++i)
    CHECK(w.ask(w.next()).what == result::granted);
  w.now += 100ms; // None is over yet.
  for (int i = 0; i < 500; ++i)
    w.ask(w.next());
  CHECK_EQ(w.refused, 0u);
  w.run_to(w.now + 10s);
  CHECK_EQ(w.granted, 526u);
}

SCENARIO("a tenant within its share does not wait beside others that flood") {
  for (std::uint32_t floods : {1u, 3u}) {
    flooded x;
    x.run(start, start + 2s, 0);
    x.waits.clear();
    x.run(start + 2s, start + 8s, floods);
    CHECK_EQ(x.waits.size() + x.since.size(), 600u);
    CHECK_EQ(x.since.size(), 0u);
    CHECK(std::ranges::max(x.waits) == 0s);
    // All but the hundredth that is kept is used, and never more than there is.
    for (auto at = start + 3s; at <= start + 7s; at += 100ms) {
      CHECK_GE(x.granted_in(at, at + 1s), 495u);
      CHECK_LE(x.granted_in(at, at + 1s), 500u);
    }
  }
}

SCENARIO("a tenant that is alone has the whole budget") {
  flooded x;
  for (auto now = start; now < start + 3s; now += 1ms)
    x.ask(2, 50ms, now);
  CHECK_EQ(x.granted_in(start + 1s, start + 2s), 500u);
}

SCENARIO("who comes new beside others that flood waits for a window at most, and soon no more") {
  flooded x;
  x.ask(3, 0s, start); // A second tenant was seen.
  for (auto now = start; now < start + 3s; now += 1ms)
    x.ask(2, 50ms, now);
  auto before = x.waits.size();
  x.run(start + 3s, start + 33s, 1);
  CHECK_EQ(x.since.size(), 0u);
  auto its = std::span{x.waits}.subspan(before);
  CHECK_EQ(its.size(), 3000u);
  CHECK(std::ranges::max(its) <= 1s);
  CHECK(std::ranges::max(its.subspan(2500)) == 0s);
}

} // namespace troupe::overload_suite
