#define CAF_SUITE space_saving
#include "runtime/policy/space_saving.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <map>
#include <random>

namespace troupe::space_saving_suite {

SCENARIO("few keys are counted exactly, the busiest first") {
  space_saving<int> x{3};
  for (int key : {1, 2, 2, 3, 3, 3})
    x.add(key);
  x.add(1, 10);
  auto all = x.sorted();
  REQUIRE_EQ(all.size(), 3u);
  CHECK_EQ(all[0].key, 1);
  CHECK_EQ(all[0].count, 11);
  CHECK_EQ(all[1].key, 3);
  CHECK_EQ(all[2].count, 2);
  for (auto& one : all)
    CHECK_EQ(one.error, 0);
}

SCENARIO("a key that comes late and often finds its place") {
  space_saving<int> x{40};
  for (int key = 0; key < 1000; ++key)
    x.add(key);
  for (int i = 0; i < 100; ++i)
    x.add(-1);
  auto first = x.sorted().front();
  CHECK_EQ(first.key, -1);
  CHECK(first.count - first.error == 100);
  CHECK_EQ(x.size(), 40u);
}

SCENARIO("whatever the keys: nobody busy is missed, and no count is off by more than its error") {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    std::mt19937 dice{seed};
    const std::size_t places = 5 + dice() % 60;
    const std::uint32_t keys = 1 + dice() % 400;
    space_saving<std::int64_t> x{places};
    std::map<std::int64_t, std::int64_t> truth;
    std::int64_t total = 0;
    for (int i = 0; i < 5000; ++i) {
      auto key = static_cast<std::int64_t>(std::min(dice() % keys, dice() % keys)); // Uneven.
      auto times = static_cast<std::int64_t>(1 + dice() % 3);
      x.add(key, times);
      truth[key] += times;
      total += times;
    }
    const auto bound = total / static_cast<std::int64_t>(places);
    std::map<std::int64_t, std::int64_t> found;
    bool good = true;
    for (auto& one : x.sorted()) {
      found[one.key] = one.count;
      good = good && one.count >= truth[one.key] && one.count - one.error <= truth[one.key]
             && one.error <= bound;
    }
    for (auto& [key, count] : truth)
      good = good && (count <= bound || found.contains(key));
    if (!good)
      FAIL("seed " << seed);
    CHECK(found.size() <= places);
  }
}

} // namespace troupe::space_saving_suite
