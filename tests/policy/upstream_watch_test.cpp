#define CAF_SUITE policy_upstream_watch
#include "runtime/policy/upstream_watch.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <random>
#include <set>

namespace troupe::upstream_watch_suite {

using namespace std::literals;

namespace {

constexpr auto start = time_point{1h};

using phase = breaker_phase;

/// Records an outcome that took 10 ms and is heard of at once.
std::optional<phase> hear(upstream_watch& watch, std::int64_t bot, time_point at, bool failed) {
  return watch.record(bot, at - 10ms, at, failed, at);
}

} // namespace

SCENARIO("five failures of two bots open the upstream once no success can contradict them") {
  upstream_watch watch{{}};
  for (int i = 0; i < 5; ++i)
    CHECK(!hear(watch, 1 + i % 2, start + i * 1ms, true));
  CHECK(watch.next_due() == start + 254ms);
  CHECK(!watch.advance(start + 253ms));
  CHECK(watch.advance(start + 254ms) == phase::open);
  CHECK(watch.next_due() == start + 254ms + 60s);
}

SCENARIO("a success that finished after the failures but is heard of later keeps it closed") {
  upstream_watch watch{{}};
  for (int i = 0; i < 5; ++i)
    hear(watch, 1 + i % 2, start + i * 1ms, true);
  watch.record(3, start, start + 10ms, false, start + 200ms);
  CHECK(!watch.advance(start + 1s));
  CHECK(watch.next_due() == time_point::max());
}

SCENARIO("a success that finished before the failures changes nothing") {
  upstream_watch watch{{}};
  for (int i = 0; i < 5; ++i)
    hear(watch, 1 + i % 2, start + i * 1ms, true);
  watch.record(3, start - 20ms, start - 1ms, false, start + 200ms);
  CHECK(watch.advance(start + 254ms) == phase::open);
}

SCENARIO("one bot's failures say nothing about the upstream while another bot is active") {
  upstream_watch watch{{}};
  hear(watch, 2, start - 1s, false);
  for (int i = 0; i < 200; ++i)
    CHECK(!hear(watch, 1, start + i * 1ms, true));
  CHECK(!watch.advance(start + 10s));
  CHECK(watch.next_due() == start + 59s);
  // The other one fails too.
  hear(watch, 2, start + 10s, true);
  CHECK(watch.advance(start + 10s + 250ms) == phase::open);
}

SCENARIO("the only active bot's failures open the upstream") {
  upstream_watch watch{{}};
  for (int i = 0; i < 5; ++i)
    hear(watch, 1, start + i * 1ms, true);
  CHECK(watch.advance(start + 254ms) == phase::open);
}

SCENARIO("an open upstream half-opens, closes after two successes, reopens after a failure") {
  upstream_watch watch{{}};
  for (int i = 0; i < 5; ++i)
    hear(watch, 1 + i % 2, start, true);
  CHECK(watch.advance(start + 250ms) == phase::open);
  auto now = start + 250ms + 60s;
  CHECK(watch.advance(now) == phase::half_open);
  // Begun before: says nothing.
  CHECK(!watch.record(1, now - 1s, now + 5ms, true, now + 5ms));
  CHECK(!watch.record(1, now, now + 10ms, false, now + 10ms));
  CHECK(watch.record(2, now + 10ms, now + 20ms, true, now + 20ms) == phase::open);
  now += 60s + 20ms;
  CHECK(watch.advance(now) == phase::half_open);
  CHECK(!watch.record(1, now, now + 10ms, false, now + 10ms));
  CHECK(watch.record(2, now + 10ms, now + 20ms, false, now + 20ms) == phase::closed);
  CHECK(watch.next_due() == time_point::max());
}

SCENARIO("whatever order outcomes arrive in, the upstream opens as their finish order says") {
  for (unsigned seed = 1; seed <= 500; ++seed) {
    std::mt19937 rng{seed};
    struct outcome {
      time_point finished, heard;
      std::int64_t bot;
      bool failed;
    };
    std::vector<outcome> all;
    auto n = 5 + rng() % 30;
    auto ratio = rng() % 5;
    for (std::size_t i = 0; i < n; ++i) {
      auto at = start + std::chrono::milliseconds{i * 20 + rng() % 15};
      auto failed = rng() % 5 >= ratio;
      auto delay = failed ? 0ms : std::chrono::milliseconds{rng() % 200};
      all.push_back({at, at + delay, static_cast<std::int64_t>(1 + rng() % 3), failed});
    }
    // The model opens when five failures in a row, by finish time, are of two bots or more, and no
    // success follows before they have settled.
    auto expected = time_point::max();
    for (std::size_t i = 0; i < all.size() && expected == time_point::max(); ++i) {
      std::set<std::int64_t> bots;
      std::size_t run = 0;
      auto k = i;
      for (; k < all.size() && all[k].failed; ++k) {
        bots.insert(all[k].bot);
        if (++run >= 5 && bots.size() >= 2) {
          auto open_at = all[k].finished + 250ms;
          auto saved = std::any_of(all.begin() + static_cast<std::ptrdiff_t>(k), all.end(),
                                   [&](auto& o) { return !o.failed && o.heard < open_at; });
          if (!saved)
            expected = open_at;
          break;
        }
      }
    }
    upstream_watch watch{{}};
    hear(watch, 9, start - 1s, false); // Another bot is active.
    std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.heard < b.heard; });
    auto opened = time_point::max();
    for (auto& o : all) {
      if (watch.phase() == phase::closed && watch.next_due() <= o.heard)
        opened = std::min(opened, watch.next_due());
      watch.record(o.bot, o.finished - 1ms, o.finished, o.failed, o.heard);
    }
    if (watch.phase() == phase::closed && watch.next_due() < start + 30s)
      opened = std::min(opened, watch.next_due());
    if (opened != expected)
      FAIL("seed " << seed);
  }
  CHECK(true);
}

} // namespace troupe::upstream_watch_suite
