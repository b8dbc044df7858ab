#define CAF_SUITE told_limits
#include "runtime/registry/told_limits.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <future>
#include <vector>

namespace troupe::told_limits_suite {

using namespace std::literals;

SCENARIO("who starts while limits change is told the new ones, once") {
  told_limits<int> limits{1};
  std::vector<int> told;
  auto tell = [&](int, int now) { told.push_back(now); };
  auto made = limits.start(
    [&](int now) {
      CHECK_EQ(now, 1);
      limits.change(2, [](int) {}); // Nobody is published yet.
      return 7;
    },
    [](int) {}, tell);
  CHECK_EQ(made, 7);
  CHECK_EQ(told, std::vector<int>{2});
  limits.start([](int now) { return now; }, [](int) {}, tell);
  CHECK_EQ(told, std::vector<int>{2});
  CHECK_EQ(limits.get(), 2);
}

SCENARIO("a change that comes while somebody is told an older one is told after it") {
  told_limits<int> limits{1};
  std::vector<int> told;
  std::future<void> change;
  limits.start(
    [&](int) {
      limits.change(2, [](int) {});
      return 0;
    },
    [](int) {},
    [&](int, int now) {
      change = std::async(std::launch::async, [&] {
        limits.change(3, [&](int newer) { told.push_back(newer); });
      });
      // Were it not held back, it would be through by now.
      change.wait_for(200ms);
      told.push_back(now);
    });
  change.get();
  CHECK_EQ(told, (std::vector<int>{2, 3}));
}

} // namespace troupe::told_limits_suite
