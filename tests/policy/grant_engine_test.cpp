#define CAF_SUITE policy_grant_engine
#include "runtime/policy/grant_engine.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::grant_engine_suite {

using namespace std::literals;

namespace {

constexpr auto start = time_point{1h};

using result = grant_engine::result;

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
  engine.expire(start + 5s, [&](auto, auto&, auto reason, auto) { why.push_back(reason); });
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

SCENARIO("what a proven bot has running counts for its number, and so does its end") {
  grant_memory memory;
  {
    grant_engine engine{grant_limits{}, memory, unseen_past::none(), start};
    engine.set_capacity(1, 10, 3, 10);
    engine.cap_bot(-77, 1);
    CHECK(engine.ask(request_of(-77, 1), start).what == result::granted);
    engine.merge_bot(-77, 5, start);
    CHECK(engine.ask(request_of(5, 2), start).what == result::waiting);
    engine.credit(1, -77); // The pool knows its lease by the old name.
    CHECK(dispatched(engine, start) == std::vector<std::uint64_t>{2});
    CHECK(engine.ask(request_of(5, 3), start).what == result::waiting);
    engine.credit(1, 5);
    CHECK(dispatched(engine, start) == std::vector<std::uint64_t>{3});
  }
  grant_engine engine{grant_limits{}, memory, unseen_past::none(), start};
  engine.set_capacity(2, 9, 3, 10, {{-77, 1}});
  CHECK(engine.ask(request_of(5, 4), start).what == result::waiting);
  engine.credit(2, -77);
  CHECK(dispatched(engine, start) == std::vector<std::uint64_t>{4});
}

SCENARIO("an upstream's probe that is renamed stays the one that is out") {
  grant_memory memory;
  grant_engine engine{grant_limits{}, memory, unseen_past::none(), start};
  engine.set_capacity(1, 10, 5, 10);
  engine.upstream_half_opens();
  CHECK(engine.ask(request_of(-77, 1), start).what == result::granted);
  engine.merge_bot(-77, 5, start);
  CHECK(engine.ask(request_of(1, 2), start).what == result::waiting);
  CHECK(dispatched(engine, start).empty());
  engine.credit(1, -77);
  CHECK(dispatched(engine, start) == std::vector<std::uint64_t>{2});
}

SCENARIO("a change of the limits costs a bot with a rate of its own no idle second") {
  grant_memory memory;
  grant_limits limits;
  limits.budgets.bot.rules[0].limit = 0; // Others have none.
  grant_engine engine{limits, memory, unseen_past::none(), start};
  engine.set_capacity(1, 10, 10);
  engine.limit_bot(1, 2, start);
  auto now = start + 5s;
  CHECK(engine.ask(request_of(1, 1), now).what == result::granted);
  engine.set_limits(limits.budgets, now);
  CHECK(engine.ask(request_of(1, 2), now).what == result::granted);
  CHECK(engine.ask(request_of(1, 3), now).what == result::waiting); // What it used counts.
}

SCENARIO("a governor that starts while all sessions are leased gets them as they come back") {
  grant_memory memory;
  grant_engine engine{grant_limits{}, memory, unseen_past::none(), start};
  engine.set_capacity(1, 0, 10);
  for (std::uint64_t call = 1; call <= 3; ++call)
    CHECK(engine.ask(request_of(1, call), start).what == result::waiting);
  engine.credit(1, 9);
  engine.credit(1, 9);
  CHECK_EQ(dispatched(engine, start), (std::vector<std::uint64_t>{1, 2}));
  engine.credit(1, 1);
  CHECK_EQ(dispatched(engine, start), (std::vector<std::uint64_t>{3}));
}

SCENARIO("a bot's own limit of requests at once holds it back, and nobody else") {
  grant_memory memory;
  grant_engine engine{grant_limits{}, memory, unseen_past::none(), start};
  engine.set_capacity(1, 20, 10);
  engine.cap_bot(1, 2);
  CHECK(engine.ask(request_of(1, 1), start).what == result::granted);
  CHECK(engine.ask(request_of(1, 2), start).what == result::granted);
  CHECK(engine.ask(request_of(1, 3), start).what == result::waiting);
  CHECK(engine.ask(request_of(2, 4), start).what == result::granted);
  CHECK(dispatched(engine, start).empty());
  engine.credit(1, 1);
  CHECK_EQ(dispatched(engine, start), (std::vector<std::uint64_t>{3}));
}

} // namespace troupe::grant_engine_suite
