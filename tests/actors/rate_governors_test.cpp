#define CAF_SUITE actors_rate_governors
#include "tests/actors/rate_governors_fixture.hpp"

namespace troupe::rate_governors_suite {

using namespace std::literals;
using fixture = governor_tests::many_nodes;
using governor_tests::count;

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("over all nodes no window holds more than the budget, whatever happens to them") {
  std::size_t granted = 0;
  for (std::uint32_t seed = 1; seed <= 100; ++seed) {
    start_all(seed);
    auto& rng = between->rng;
    between->lost = seed % 3 == 0 ? 0.2 : 0.01;
    between->late = seed % 2 == 0 ? 0.2 : 0.02;
    for (int step = 0; step < 400; ++step) {
      auto i = rng() % count;
      elect(step);
      switch (between->chance(0.08) ? rng() % 7 : 99) {
      case 0:
        between->cut[i] = true;
        break;
      case 1:
        between->cut = {};
        break;
      case 2:
        crash(i, true);
        break;
      case 3:
        crash(i, false);
        break;
      case 4:
        depose(step);
        break;
      case 5:
        between->revision[i] = between->revision[i] == 0 ? step : 0;
        break;
      default:
        break;
      }
      for (std::size_t n = 0; n < count; ++n)
        for (auto more = rng() % 4; more > 0; --more)
          demand(n);
      run_for(50ms);
    }
    auto at = permits();
    granted += at.size();
    CHECK(closest(at) >= 1s);
  }
  CHECK(granted > 6000);
}

SCENARIO("under steady demand 95 % of the budget is used, and messages do not grow with calls") {
  start_all(1);
  for (int step = 0; step < 1400; ++step) {
    if (step == 200) {
      between->asked = 0;
      for (auto& n : nodes)
        n.pool->leases.clear();
    }
    for (std::size_t n = 0; n < count; ++n)
      demand(n);
    run_for(50ms);
  }
  auto used = static_cast<double>(permits().size()) / (60 * 20);
  MESSAGE("used: " << used << ", questions: " << between->asked);
  CHECK(used >= 0.95);
  CHECK(closest(permits()) >= 1s);
  CHECK(between->asked <= 60 * 5 * count);
}

END_FIXTURE_SCOPE()

} // namespace troupe::rate_governors_suite
