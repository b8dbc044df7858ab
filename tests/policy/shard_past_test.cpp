#define CAF_SUITE policy_shard_past
#include "runtime/policy/grant_engine.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::shard_past_suite {

using namespace std::literals;
using result = grant_engine::result;

namespace {

constexpr time_point start{100h};
constexpr std::int64_t bot = 7;
constexpr std::int64_t user = 41;
constexpr std::int64_t group = -42;

/// One node of many, whose clock is its own.
struct owner {
  grant_memory memory;
  grant_limits limits;
  std::unique_ptr<grant_engine> engine;
  std::uint64_t calls = 0;

  explicit owner(const unseen_past& past = unseen_past::none()) {
    limits.budgets.global = limits.budgets.bot = {};
    memory.owned = std::make_unique<grant_memory::shards>();
    restart(start, past);
  }
  void restart(time_point now, const unseen_past& past = unseen_past::none()) {
    engine = std::make_unique<grant_engine>(limits, memory, past, now);
    engine->set_capacity(1, 1000, 1000);
  }
  result ask(time_point now, std::int64_t chat, duration patience = 0s) {
    grant_request x;
    x.bot = bot;
    x.call = ++calls;
    x.chat = chat;
    x.charged = true;
    x.group = chat < 0;
    x.patience = patience;
    return engine->ask(x, now).what;
  }
  bool may(time_point now, std::int64_t chat) { return ask(now, chat) == result::granted; }
  /// So many go at once.
  std::uint32_t burst(time_point now, std::int64_t chat) {
    std::uint32_t n = 0;
    while (may(now, chat))
      ++n;
    return n;
  }
  shard_past give_up(time_point now) {
    auto all = engine->give_up({shard_of(bot)}, now);
    return all.empty() ? shard_past{} : all.at(0).past;
  }
  void inherit(const shard_past& past, std::int64_t revision, time_point now) {
    engine->inherit(shard_of(bot), revision, past, now, now);
  }
};

const shard_past nobody{shard_past::longest, {}}; ///< Of a shard that nobody ever had.

} // namespace

SCENARIO("the first owner of a shard has nothing to wait for") {
  owner a;
  a.inherit(nobody, 1, start);
  CHECK_EQ(a.burst(start + 1s, group), 20u);
  CHECK_EQ(a.burst(start + 1s, user), 3u);
}

SCENARIO("the next owner counts what the one before let through, and no more than that") {
  owner a;
  a.inherit(nobody, 1, start);
  for (int i = 0; i < 12; ++i)
    CHECK(a.may(start + 10s + i * 1s, group));
  CHECK_EQ(a.burst(start + 22s, user), 3u);
  auto past = a.give_up(start + 30s);
  CHECK_EQ(past.permits.size(), 15u);
  CHECK(past.seen == 60s);

  constexpr auto there = start + 5h; // Another machine's clock.
  owner b;
  b.inherit(past, 2, there);
  CHECK_EQ(b.burst(there + 1s, 43), 3u);     // A chat that nobody wrote to.
  CHECK_EQ(b.burst(there + 1s, user), 3u);   // Of 20 in 20 s.
  CHECK_EQ(b.burst(there + 1s, group), 8u);
  CHECK_EQ(b.burst(there + 39s, group), 0u);
  CHECK_EQ(b.burst(there + 40s, group), 1u); // The first of the twelve was 20 s old.
}

SCENARIO("what went before the last owner is passed on as well, once") {
  owner a;
  owner b;
  a.inherit(nobody, 1, start);
  CHECK_EQ(a.burst(start + 60s, group), 20u);
  auto first = a.give_up(start + 61s);
  b.inherit(first, 2, start + 61s);
  auto second = b.give_up(start + 62s);
  CHECK_EQ(second.permits.size(), 20u);
  a.inherit(second, 3, start + 63s);
  CHECK_EQ(a.give_up(start + 63s).permits.size(), 20u);
  owner c;
  c.inherit(second, 4, start + 63s);
  CHECK_EQ(c.burst(start + 120s, group), 0u); // It counts from when `c` heard of it.
  CHECK_EQ(c.burst(start + 121s, group), 20u);
}

SCENARIO("nothing goes under an ownership that was given up") {
  owner a;
  a.inherit(nobody, 1, start);
  a.give_up(start + 1s);
  CHECK(a.engine->gave_up(shard_of(bot), 1));
  CHECK(!a.engine->gave_up(shard_of(bot), 2));
  CHECK(a.engine->give_up({shard_of(bot)}, start + 1s).empty());
}

SCENARIO("an owner of whom nothing is known may have filled every window") {
  owner a;
  a.engine->own_shard(shard_of(bot), 5, start);
  CHECK_EQ(a.burst(start + 19s, user), 0u);
  CHECK_EQ(a.burst(start + 20s, user), 3u);
  CHECK_EQ(a.burst(start + 59s, group), 0u);
  auto past = a.give_up(start + 30s);
  CHECK(past.seen == 30s);
  owner b;
  b.inherit(past, 6, start);
  CHECK_EQ(b.burst(start + 29s, group), 0u);
  CHECK_EQ(b.burst(start + 30s, group), 20u);
}

SCENARIO("whoever asked before the past came goes on by what is the worst") {
  owner a;
  a.engine->own_shard(shard_of(bot), 5, start);
  a.inherit(nobody, 5, start + 1s);
  CHECK_EQ(a.burst(start + 2s, user), 0u);
}

SCENARIO("a governor that is born again, and other limits, know what was inherited") {
  owner a;
  a.inherit(nobody, 1, start);
  CHECK_EQ(a.burst(start + 60s, group), 20u);
  auto past = a.give_up(start + 60s);
  owner b;
  b.inherit(past, 2, start);
  b.restart(start + 1s);
  CHECK_EQ(b.burst(start + 59s, group), 0u);
  auto more = b.limits.budgets;
  more.group.rules[0].limit = 25;
  b.engine->set_limits(more, start + 59s);
  CHECK_EQ(b.burst(start + 59s, group), 5u);
  CHECK_EQ(b.burst(start + 60s, group), 20u);
}

SCENARIO("a node that does not know its own past says so") {
  owner a{unseen_past::unknown()};
  a.inherit(nobody, 1, start);
  CHECK(a.give_up(start + 25s).seen == 25s);
}

} // namespace troupe::shard_past_suite
