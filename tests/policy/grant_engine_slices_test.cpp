#define CAF_SUITE policy_grant_engine_slices
#include "runtime/policy/grant_engine.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::grant_engine_slices_suite {

using namespace std::literals;
using result = grant_engine::result;

namespace {

constexpr time_point start{1h};

/// An engine of one node of many, and what a leader answers.
struct clustered {
  grant_memory memory;
  grant_limits limits;
  std::unique_ptr<grant_engine> engine;
  std::uint64_t answers = 0;
  std::uint64_t calls = 0;

  clustered() {
    memory.slice.emplace(1, 1s, start);
    memory.owned = std::make_unique<grant_memory::shards>();
    restart(start);
  }

  void restart(time_point now) {
    engine = std::make_unique<grant_engine>(limits, memory, unseen_past::none(), now);
    engine->set_capacity(1, 1000, 1000);
  }

  /// A slice that counts from `now`, or the word that there is none for so long.
  void take(std::uint32_t count, time_point now, duration wait = 0s) {
    auto asked = memory.slice->ask(now, 0);
    memory.slice->take({asked.number, 1, ++answers, count, 3s, wait}, now);
  }

  grant_engine::answer ask(time_point now, duration patience = 10s, std::int64_t bot = 1,
                           std::int64_t group = 0, std::uint32_t tenant = 1) {
    grant_request x;
    x.bot = bot;
    x.tenant = tenant;
    x.call = ++calls;
    x.chat = group;
    x.charged = x.group = group != 0;
    x.patience = patience;
    return engine->ask(x, now);
  }

  std::size_t dispatched(time_point now) {
    std::size_t n = 0;
    engine->dispatch(now, [&](auto, const fair_queue::waiter&) { ++n; });
    return n;
  }
};

} // namespace

SCENARIO("without a slice requests wait, and go when one comes") {
  clustered node;
  CHECK(node.ask(start).what == result::waiting);
  CHECK_EQ(node.dispatched(start), 0u);
  CHECK_EQ(node.engine->short_of_slice(start), 1u);
  CHECK(node.engine->next_due(start) == start + 10s); // Its patience; nothing else is known.
  node.take(2, start + 1s);
  CHECK_EQ(node.dispatched(start + 1s), 1u);
}

SCENARIO("whoever has no slice is not taken for one without a limit") {
  clustered node;
  auto global = [&](time_point at) { return node.engine->book().used(budget_scope::global, at); };
  CHECK(global(start).limited);
  CHECK_EQ(global(start).rule.limit, 0u);
  node.take(2, start);
  CHECK_EQ(global(start).rule.limit, 2u);
  node.limits.budgets.global = {};
  node.engine->set_limits(node.limits.budgets, start);
  CHECK(!global(start).limited);
  CHECK_EQ(global(start).rule.limit, 0u);
}

SCENARIO("a request that waited in vain for a slice is told when to come again") {
  clustered node;
  CHECK(node.ask(start, 500ms).what == result::waiting);
  std::vector<duration> told;
  node.engine->expire(start + 501ms,
                      [&](auto, auto&, auto, duration after) { told.push_back(after); });
  CHECK(told == std::vector<duration>{1s});
}

SCENARIO("while a new leader waits, who has less patience is refused at once, and told how long") {
  clustered node;
  node.take(0, start, 4s);
  auto answer = node.ask(start + 1s, 2s);
  CHECK(answer.what == result::refused_patience);
  CHECK(answer.retry_after == 3s);
  CHECK(node.ask(start + 1s, 5s).what == result::waiting);
}

SCENARIO("a slice limits its node, ends, and is smaller at once when a smaller one came") {
  clustered node;
  node.take(3, start);
  for (int i = 0; i < 3; ++i)
    CHECK(node.ask(start).what == result::granted);
  CHECK(node.ask(start).what == result::waiting);
  CHECK_EQ(node.dispatched(start + 999ms), 0u);
  CHECK_EQ(node.dispatched(start + 1s), 1u);
  node.take(1, start + 1s);
  CHECK(node.ask(start + 1s).what == result::waiting);
  CHECK_EQ(node.dispatched(start + 1999ms), 0u);
  CHECK_EQ(node.dispatched(start + 2s), 1u);
  CHECK(node.ask(start + 4s, 20s).what == result::waiting); // Over since this moment.
}

SCENARIO("a slice is foretold to go on: who has patience waits beyond its end") {
  clustered node;
  node.take(1, start);
  CHECK(node.ask(start).what == result::granted);
  for (int i = 0; i < 5; ++i)
    CHECK(node.ask(start, 6s, 1).what == result::waiting);
  CHECK(node.ask(start, 2s).what == result::refused_patience);
}

SCENARIO("a slice below an even part is foretold to grow to one") {
  clustered node;
  node.memory.slice->shared_by(5); // Of 25.
  node.take(1, start);
  CHECK(node.ask(start).what == result::granted);
  for (int i = 0; i < 9; ++i)
    CHECK(node.ask(start, 2s).what == result::waiting);
  CHECK(node.ask(start, 500ms).what == result::refused_patience);
  node.memory.slice->shared_by(25);
  CHECK(node.ask(start, 2s).what == result::refused_patience);
}

SCENARIO("a slice is never worth more than the global limit that the node knows") {
  clustered node;
  node.limits.budgets.global.rules[0].limit = 2;
  node.restart(start);
  node.take(9, start);
  CHECK(node.ask(start).what == result::granted);
  CHECK(node.ask(start).what == result::granted);
  CHECK(node.ask(start).what == result::waiting);
}

SCENARIO("of a slice, too, a hundredth is kept for calm tenants") {
  clustered node;
  node.limits.budgets.global.rules[0].limit = 1000;
  node.limits.budgets.bot = {};
  node.restart(start);
  node.take(200, start);
  CHECK(node.ask(start, 10s, 1, 0, 1).what == result::granted);
  CHECK(node.ask(start, 10s, 2, 0, 2).what == result::granted);
  std::size_t granted = 2;
  while (node.ask(start, 10s, 1, 0, 1).what == result::granted)
    ++granted;
  CHECK_EQ(granted, 198u);
  CHECK(node.ask(start, 10s, 2, 0, 2).what == result::granted);
}

SCENARIO("a new engine goes on with the slice as it was used") {
  clustered node;
  node.take(2, start);
  CHECK(node.ask(start).what == result::granted);
  node.restart(start + 100ms);
  CHECK(node.ask(start + 100ms).what == result::granted);
  CHECK(node.ask(start + 100ms).what == result::waiting);
}

SCENARIO("a permit that was not used leaves the slice's window") {
  clustered node;
  node.take(1, start);
  CHECK(node.ask(start).what == result::granted);
  node.engine->give_back(1, 0, start);
  CHECK(node.ask(start).what == result::granted);
}

SCENARIO("what went out without a limit counts as full when there is one") {
  clustered node;
  node.limits.budgets.global = {};
  node.restart(start);
  CHECK(node.ask(start).what == result::granted);
  node.engine->set_limits(budget_limits{}, start);
  node.take(5, start);
  CHECK(node.ask(start).what == result::waiting);
  CHECK_EQ(node.dispatched(start + 1s), 1u);
}

SCENARIO("the past of bots of a shard that was gained is full: a second, for groups a minute") {
  clustered node;
  node.take(9, start);
  node.engine->own_shard(shard_of(7), 5, start);
  CHECK(node.ask(start, 10s, 7).what == result::waiting);
  auto refused = node.ask(start, 10s, 7, 70);
  CHECK(refused.what == result::refused_patience);
  CHECK(refused.retry_after == 60s);
  CHECK_EQ(node.dispatched(start + 999ms), 0u);
  CHECK_EQ(node.dispatched(start + 1s), 1u);
  // The same ownership again changes nothing, over a restart neither; another one does.
  node.restart(start + 1s);
  node.engine->own_shard(shard_of(7), 5, start + 1s);
  CHECK(node.ask(start + 1s, 10s, 7).what == result::granted);
  node.engine->own_shard(shard_of(7), 6, start + 1s);
  CHECK(node.ask(start + 1s, 10s, 7).what == result::waiting);
}

SCENARIO("whose bot is served elsewhere by now goes without a permit, and costs nothing") {
  clustered node;
  CHECK(node.ask(start, 10s, 7).what == result::waiting);
  CHECK(node.ask(start, 10s, 8).what == result::waiting);
  node.take(1, start);
  std::vector<std::int64_t> granted;
  std::size_t gone = 0;
  node.engine->dispatch(
    start, [&](auto, const fair_queue::waiter& w) { granted.push_back(w.bot); },
    [](const fair_queue::waiter& w) { return w.bot != 7; }, [&](auto) { ++gone; });
  CHECK(granted == std::vector<std::int64_t>{8});
  CHECK_EQ(gone, 1u);
}

} // namespace troupe::grant_engine_slices_suite
