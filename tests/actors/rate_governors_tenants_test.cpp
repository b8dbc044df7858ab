#define CAF_SUITE actors_rate_governors_tenants
#include "tests/actors/rate_governors_fixture.hpp"

namespace troupe::rate_governors_tenants_suite {

using namespace std::literals;
using governor_tests::count;

namespace {

struct fixture : governor_tests::many_nodes {
  fixture() { config.global_rps = 0; }

  void limit(std::size_t i, std::uint32_t first, std::uint32_t second) {
    tenant_limits what;
    what.rates = {{1, first}, {2, second}};
    caf::anon_send(*nodes[i].governor, what);
    sched.run();
  }

  void limit_all(std::uint32_t first, std::uint32_t second) {
    for (std::size_t i = 0; i < count; ++i)
      limit(i, first, second);
    run_for(2s);
    forget();
  }

  void forget() {
    between->asked = 0;
    for (auto& n : nodes)
      n.pool->leases.clear();
  }

  /// So many calls of a tenant at each node in each step of 50 ms.
  void run(int steps, const std::array<int, count>& calls, tenant_id tenant = 1) {
    for (int step = 0; step < steps; ++step) {
      for (std::size_t n = 0; n < count; ++n)
        for (int i = 0; i < calls[n]; ++i)
          demand(n, tenant);
      run_for(50ms);
    }
  }

  double used(tenant_id tenant, std::uint32_t rate, double seconds) const {
    auto result = static_cast<double>(permits(tenant).size()) / (rate * seconds);
    MESSAGE("used: " << result << ", questions: " << between->asked);
    return result;
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO(
  "over all nodes no window holds more of a tenant than its rate, whatever happens to them") {
  std::size_t granted = 0;
  for (std::uint32_t seed = 1; seed <= 100; ++seed) {
    config.global_rps = seed % 2 == 0 ? 0 : 20;
    start_all(seed);
    limit_all(9, 2);
    auto& rng = between->rng;
    between->lost = seed % 3 == 0 ? 0.2 : 0.01;
    between->late = seed % 2 == 0 ? 0.2 : 0.02;
    for (int step = 0; step < 400; ++step) {
      auto i = rng() % count;
      elect(step);
      switch (between->chance(0.08) ? rng() % 6 : 99) {
      case 0:
        between->cut[i] = true;
        break;
      case 1:
        between->cut = {};
        break;
      case 2:
        crash(i, true);
        limit(i, 9, 2);
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
        for (auto more = rng() % 4; more > 0 && step / 100 != static_cast<int>(n); --more)
          demand(n, 1 + rng() % 3);
      run_for(50ms);
    }
    granted += permits(1).size() + permits(2).size();
    CHECK(closest(permits(1), 9) >= 1s);
    CHECK(closest(permits(2), 2) >= 1s);
  }
  MESSAGE("granted: " << granted);
  CHECK(granted > 6000);
}

SCENARIO("a tenant that is on one node alone has its whole rate there") {
  start_all(1);
  limit_all(10, 10);
  run(200, {1, 0, 0, 0});
  forget();
  run(1200, {1, 0, 0, 0});
  CHECK(used(1, 10, 60) >= 0.95);
  CHECK(closest(permits(1), 10) >= 1s);
  CHECK(between->asked <= 60 * 5);
}

SCENARIO("of a tenant's rate 95 % is used when it is spread unevenly, by few messages") {
  start_all(1);
  limit_all(20, 20);
  const std::array<int, count> calls{6, 1, 1, 0};
  run(200, calls);
  forget();
  run(1200, calls);
  CHECK(used(1, 20, 60) >= 0.95);
  CHECK(closest(permits(1), 20) >= 1s);
  CHECK(between->asked <= 60 * 5 * 3);
}

SCENARIO("questions for many tenants and for the global budget travel together") {
  config.global_rps = 100'000;
  start_all(1);
  between->book.set_budget(config.global_rps);
  tenant_limits what;
  for (tenant_id tenant = 1; tenant <= 40; ++tenant)
    what.rates.emplace_back(tenant, 2);
  for (auto& n : nodes)
    caf::anon_send(*n.governor, what);
  for (int step = 0; step < 200; ++step) {
    if (step == 100)
      forget();
    for (tenant_id tenant = 1; tenant <= 40; ++tenant)
      demand(0, tenant);
    run_for(50ms);
  }
  MESSAGE("permits: " << permits().size() << ", questions: " << between->asked);
  CHECK(permits().size() > 40 * 2 * 5 * 9 / 10);
  CHECK(between->asked <= 5 * (8 + 3 * (count - 1)) + 5);
}

SCENARIO("a rate that changes live holds over all nodes, from when the last node knows it") {
  start_all(1);
  limit_all(12, 12);
  const std::array<int, count> calls{2, 1, 1, 1};
  run(100, calls);
  for (std::size_t i = 0; i < count; ++i) { // The news take a while.
    limit(i, 5, 12);
    run(4, calls);
  }
  CHECK(closest(permits(1), 12) >= 1s);
  run(40, calls);
  forget();
  run(400, calls);
  CHECK(closest(permits(1), 5) >= 1s);
  CHECK(used(1, 5, 20) >= 0.9);
  for (std::size_t i = 0; i < count; ++i)
    limit(i, 16, 12);
  run(60, calls);
  forget();
  run(400, calls);
  CHECK(closest(permits(1), 16) >= 1s);
  CHECK(used(1, 16, 20) >= 0.95);
}

SCENARIO("a rate for a tenant that had none holds over all nodes") {
  start_all(1);
  run(40, {3, 3, 3, 3});
  for (std::size_t i = 0; i < count; ++i)
    limit(i, 4, 4);
  forget();
  run(200, {3, 3, 3, 3});
  CHECK(closest(permits(1), 4) >= 1s);
  CHECK(permits(1).size() > 4 * 7);
}

SCENARIO("what a lost node may still use is not given to others") {
  start_all(1);
  limit_all(8, 8);
  run(100, {2, 2, 0, 0});
  between->cut[0] = true;
  run(200, {2, 2, 0, 0});
  CHECK(closest(permits(1), 8) >= 1s);
  forget();
  run(200, {2, 2, 0, 0});
  CHECK(used(1, 8, 10) >= 0.95); // The other has it all.
}

SCENARIO("a tenant that is quiet is forgotten, by its node and by the leader") {
  start_all(1);
  limit_all(8, 8);
  run(20, {1, 1, 0, 0});
  CHECK_EQ(between->book.tenants(), 1u);
  run_for(15s);
  auto asked = between->asked;
  run_for(10s);
  CHECK_EQ(between->asked, asked); // Nobody asks for it any more.
  run(20, {1, 0, 0, 0}, 2);
  CHECK_EQ(nodes[0].memory->tenant_shares->size(), 1u);
  CHECK_EQ(between->book.tenants(), 1u);
  run(40, {1, 1, 0, 0});
  CHECK(closest(permits(1), 8) >= 1s);
  CHECK(permits(1).size() > 16);
}

END_FIXTURE_SCOPE()

} // namespace troupe::rate_governors_tenants_suite
