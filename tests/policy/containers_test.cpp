#define CAF_SUITE policy_containers
#include "runtime/policy/health_window.hpp"
#include "runtime/policy/recent_map.hpp"
#include "runtime/policy/timer_heap.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <map>
#include <random>

namespace troupe::containers_suite {

using namespace std::literals;

namespace {

constexpr auto start = time_point{1h};

} // namespace

SCENARIO("a recent map agrees with a list in the order of use") {
  for (unsigned seed = 1; seed <= 100; ++seed) {
    std::mt19937 rng{seed};
    recent_map<int, int> map;
    std::vector<std::pair<int, int>> model; // Oldest first.
    for (int i = 0; i < 1000; ++i) {
      auto key = static_cast<int>(rng() % 60);
      auto known =
        std::find_if(model.begin(), model.end(), [=](auto& x) { return x.first == key; });
      switch (rng() % 4) {
      case 0:
        if (map.erase(key) != (known != model.end()))
          FAIL("erase: seed " << seed);
        if (known != model.end())
          model.erase(known);
        break;
      case 1:
        if (!model.empty() && rng() % 4 == 0) {
          if (map.oldest_key() != model.front().first || map.oldest() != model.front().second)
            FAIL("oldest: seed " << seed);
          map.erase_oldest();
          model.erase(model.begin());
        }
        break;
      default: {
        auto value = known != model.end() ? known->second : 0;
        if (known != model.end())
          model.erase(known);
        model.emplace_back(key, value + i);
        map.touch(key) += i;
      }
      }
      std::vector<std::pair<int, int>> seen;
      map.for_each([&](int k, int v) { seen.emplace_back(k, v); });
      if (seen != model || map.size() != model.size())
        FAIL("order: seed " << seed << ", step " << i);
    }
  }
  CHECK(true);
}

SCENARIO("a timer heap agrees with a sorted list") {
  for (unsigned seed = 1; seed <= 100; ++seed) {
    std::mt19937 rng{seed};
    timer_heap heap;
    std::map<std::uint32_t, time_point> model;
    for (int i = 0; i < 1000; ++i) {
      auto id = static_cast<std::uint32_t>(rng() % 80);
      if (rng() % 3 == 0) {
        heap.remove(id);
        model.erase(id);
      } else {
        auto due = start + std::chrono::milliseconds{rng() % 500};
        heap.set(id, due);
        model[id] = due;
      }
      if (heap.size() != model.size() || heap.contains(id) != model.contains(id))
        FAIL("seed " << seed << ", step " << i);
      if (model.empty())
        continue;
      auto first = std::min_element(model.begin(), model.end(),
                                    [](auto& a, auto& b) { return a.second < b.second; });
      if (heap.first_due() != first->second || model.at(heap.first()) != first->second)
        FAIL("seed " << seed << ", step " << i);
    }
  }
  CHECK(true);
}

SCENARIO("a health window agrees with a list of outcomes cut at bucket edges") {
  constexpr auto length = duration{12s};
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 rng{seed};
    health_window window;
    std::vector<std::pair<time_point, verdict>> all;
    auto now = start;
    for (int i = 0; i < 300; ++i) {
      now += std::chrono::milliseconds{rng() % 800 * (rng() % 50 == 0 ? 40 : 1)};
      auto at = now - std::chrono::milliseconds{rng() % 1500}; // Batches arrive late.
      auto what = static_cast<verdict>(rng() % 4);
      window.record(length, at, what);
      all.emplace_back(at, what);
      health_window::totals sum;
      auto second = [](time_point t) { return t.time_since_epoch() / 1s; };
      for (auto& [t, v] : all)
        if (second(t) > second(now) - 12) {
          ++sum.requests;
          sum.failures += v == verdict::failure;
          sum.client_errors += v == verdict::client_error;
          sum.rate_limited += v == verdict::rate_limited;
        }
      auto got = window.sum(length, now);
      if (got.requests != sum.requests || got.failures != sum.failures
          || got.client_errors != sum.client_errors || got.rate_limited != sum.rate_limited)
        FAIL("seed " << seed << ", step " << i);
    }
  }
  CHECK(true);
}

SCENARIO("grades follow the rate only when enough requests back it") {
  health_thresholds limits;
  CHECK(grade(limits, {19, 19, 0, 0}, 4) == health_grade::healthy);
  CHECK(grade(limits, {20, 3, 0, 0}, 0) == health_grade::healthy);
  CHECK(grade(limits, {20, 4, 0, 0}, 0) == health_grade::degraded);
  CHECK(grade(limits, {20, 10, 0, 0}, 0) == health_grade::unhealthy);
  CHECK(grade(limits, {5, 5, 0, 0}, 5) == health_grade::unhealthy);
  CHECK(grade(limits, {0, 0, 0, 0}, 0) == health_grade::healthy);
}

SCENARIO("the moving average starts at its first sample and moves by alpha") {
  ewma average;
  average.record(1.0, 0.3);
  CHECK_EQ(average.value(), 1.0);
  average.record(2.0, 0.3);
  CHECK(std::abs(average.value() - 1.3) < 1e-12);
}

} // namespace troupe::containers_suite
