#define CAF_SUITE policy_sliding_window
#include "runtime/policy/sliding_window.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <random>
#include <vector>

namespace troupe::sliding_window_suite {

using namespace std::literals;

namespace {

constexpr auto start = time_point{1h};

/// All events ever, and the rules applied to each window that ends at one of them.
struct model {
  rate_rules rules;
  std::vector<time_point> events;
  time_point held{};

  bool fits(time_point now) const {
    if (now < held)
      return false;
    for (auto& rule : rules.rules) {
      if (rule.limit == 0)
        continue;
      std::uint32_t n = 0;
      for (auto at : events)
        if (now - at < rule.length)
          ++n;
      if (n >= rule.limit)
        return false;
    }
    return true;
  }
};

rate_rules random_rules(std::mt19937& rng) {
  rate_rules result;
  result.rules[0] = {1 + static_cast<std::uint32_t>(rng() % 6), 100ms};
  if (rng() % 2 == 0)
    result.rules[1] = {result.rules[0].limit + static_cast<std::uint32_t>(rng() % 12), 700ms};
  return result;
}

} // namespace

SCENARIO("a window opens when the event that fills it is one length old") {
  rate_rules rules{{rate_rule{2, 1s}, rate_rule{}}};
  sliding_window w;
  CHECK(w.opens(rules, start) == start);
  w.record(rules, start);
  w.record(rules, start + 400ms);
  CHECK(w.opens(rules, start + 500ms) == start + 1s);
  CHECK(w.opens(rules, start + 1s) == start + 1s);
  CHECK(w.opens(rules, start + 500ms, 1) == start + 1400ms);
  CHECK(w.opens(rules, start + 500ms, 2) == start + 2s);
  CHECK(w.opens(rules, start + 500ms, 5) == start + 3400ms);
}

SCENARIO("a chat may get three messages in a second but only twenty in twenty") {
  rate_rules rules{{rate_rule{3, 1s}, rate_rule{20, 20s}}};
  sliding_window w;
  auto now = start;
  std::vector<time_point> granted;
  for (; granted.size() < 60; now += 10ms)
    while (granted.size() < 60 && w.opens(rules, now) <= now) {
      w.record(rules, now);
      granted.push_back(now);
    }
  CHECK(granted[2] == start);
  CHECK(granted[3] == start + 1s);
  CHECK(granted[20] == start + 20s);
  for (std::size_t i = 20; i < granted.size(); ++i)
    CHECK(granted[i] - granted[i - 20] >= 20s);
  CHECK(w.capacity() <= 32);
}

SCENARIO("a window agrees with a list of all events, through removals, holds and merges") {
  for (unsigned seed = 1; seed <= 400; ++seed) {
    std::mt19937 rng{seed};
    auto rules = random_rules(rng);
    sliding_window w;
    model m{rules, {}, {}};
    auto now = start;
    for (int i = 0; i < 400; ++i) {
      now += std::chrono::milliseconds{rng() % 40};
      switch (rng() % 20) {
      case 0:
        m.held = std::max(m.held, now + 60ms);
        w.hold(now + 60ms);
        break;
      case 1:
        if (!m.events.empty()) {
          auto back = rng() % std::min<std::size_t>(4, m.events.size());
          auto victim = m.events.end() - 1 - static_cast<std::ptrdiff_t>(back);
          auto visible = now - *victim < rules.longest();
          if (auto found = w.remove(*victim); visible && !found)
            FAIL("remove: seed " << seed << ", step " << i);
          m.events.erase(victim);
        }
        break;
      case 2: {
        sliding_window other;
        for (int k = 0; k < 3; ++k) {
          auto at = now - std::chrono::milliseconds{30 - k * 10};
          other.record(rules, at);
          m.events.push_back(at);
        }
        std::sort(m.events.begin(), m.events.end());
        w.merge(rules, other, now);
        break;
      }
      default:
        break;
      }
      auto at = w.opens(rules, now);
      if (m.fits(now) != (at <= now))
        FAIL("seed " << seed << ", step " << i);
      if (at > now && (!m.fits(at) || m.fits(at - 1ns)))
        FAIL("opening time: seed " << seed << ", step " << i);
      if (m.fits(now)) {
        w.record(rules, now);
        m.events.push_back(now);
      }
      if (w.size() > 4 * rules.depth() + 32)
        FAIL("grew to " << w.size());
    }
  }
  CHECK(true);
}

SCENARIO("the time a window opens after others is when the last of them has its place") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 rng{seed};
    rate_rules rules{{rate_rule{1 + static_cast<std::uint32_t>(rng() % 6), 100ms}, rate_rule{}}};
    sliding_window w;
    auto now = start;
    for (int i = 0; i < 20; ++i) {
      now = std::max(w.opens(rules, now), now + std::chrono::milliseconds{rng() % 50});
      w.record(rules, now);
    }
    for (std::uint32_t ahead = 0; ahead < 30; ++ahead) {
      auto predicted = w.opens(rules, now, ahead);
      sliding_window copy;
      copy.merge(rules, w, now);
      auto t = now;
      for (std::uint32_t k = 0; k < ahead; ++k) {
        t = copy.opens(rules, t);
        copy.record(rules, t);
      }
      if (copy.opens(rules, t) != predicted)
        FAIL("seed " << seed << ", ahead " << ahead);
    }
  }
  CHECK(true);
}

SCENARIO("a window is empty only when it can delay nothing") {
  rate_rules rules{{rate_rule{5, 1s}, rate_rule{}}};
  sliding_window w;
  CHECK(w.empty(1s, start));
  w.record(rules, start);
  CHECK(!w.empty(1s, start + 999ms));
  CHECK(w.empty(1s, start + 1s));
  w.hold(start + 3s);
  CHECK(!w.empty(1s, start + 2s));
  CHECK(w.empty_at(1s) == start + 3s);
  CHECK_EQ(w.used(1s, start + 500ms), 1u);
  CHECK_EQ(w.used(1s, start + 1s), 0u);
}

} // namespace troupe::sliding_window_suite
