#define CAF_SUITE policy_budget_slices
#include "tests/policy/slice_cluster.hpp"

#include <caf/deep_to_string.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <cmath>

namespace troupe::budget_slices_suite {

using namespace std::literals;
using test::slice_cluster;

namespace {

constexpr auto tick = 5ms;
constexpr time_point start{1h};

/// What comes up at a node in one tick, so many a second on average: evenly or at random.
struct steady_demand {
  std::vector<double> per_second;
  slice_cluster& cluster;
  bool at_random = false;
  std::vector<double> left = std::vector<double>(per_second.size());

  std::uint32_t operator()(std::size_t i) {
    auto mean = per_second[i] * 0.005;
    if (at_random)
      return std::poisson_distribution<std::uint32_t>{mean}(cluster.rng());
    left[i] += mean;
    auto whole = static_cast<std::uint32_t>(left[i]);
    left[i] -= whole;
    return whole;
  }
};

/// So many clients, each of which asks anew as soon as it is served, at a node at random.
struct clients_in_turn {
  std::vector<double> weights;
  std::uint64_t clients;
  slice_cluster& cluster;
  std::uint64_t asked = 0;
  std::vector<std::uint32_t> coming = std::vector<std::uint32_t>(weights.size());

  std::uint32_t operator()(std::size_t i) {
    std::discrete_distribution<std::size_t> where(weights.begin(), weights.end());
    for (; asked < cluster.served() + clients; ++asked)
      ++coming[where(cluster.rng())];
    return std::exchange(coming[i], 0u);
  }
};

/// Requests per second that went within `length`, after `before` of settling.
template <class Demand = steady_demand>
double rate(slice_cluster& cluster, Demand demand, duration before, duration length) {
  for (duration t{0}; t < before; t += tick)
    cluster.step(tick, std::ref(demand));
  auto served = cluster.served();
  for (duration t{0}; t < length; t += tick)
    cluster.step(tick, std::ref(demand));
  return static_cast<double>(cluster.served() - served)
         / std::chrono::duration<double>(length).count();
}

/// Anything may happen to anybody for two minutes.
void live_through(slice_cluster& cluster, std::size_t nodes, std::uint32_t budget) {
  auto& rng = cluster.rng();
  auto busy = std::vector<double>(nodes, budget);
  auto one_of = [&] { return rng() % nodes; };
  bool led = true;
  for (auto end = cluster.now() + 2min; cluster.now() < end;) {
    switch (cluster.chance() < 0.008 ? rng() % 11 : 99) {
    case 0:
      cluster.cut(one_of(), true);
      break;
    case 1:
    case 2:
      for (std::size_t i = 0; i < nodes; ++i)
        cluster.cut(i, false);
      break;
    case 3:
      cluster.restart(one_of());
      break;
    case 4: // The leader's time is over; a new one comes then or later.
      cluster.depose();
      led = false;
      break;
    case 5:
    case 6:
      if (!led)
        cluster.elect(one_of());
      led = true;
      break;
    case 7:
      busy[one_of()] = rng() % 3 == 0 ? 0.0 : static_cast<double>(rng() % (2 * budget));
      break;
    case 8:
      cluster.stop(one_of());
      break;
    case 9:
    case 10:
      for (std::size_t i = 0; i < nodes; ++i)
        cluster.wake(i);
      break;
    default:
      break;
    }
    cluster.step(2 * tick, [&](std::size_t i) {
      return static_cast<std::uint32_t>(cluster.chance() < busy[i] * 0.01 ? 1 + rng() % 2 : 0);
    });
  }
}

} // namespace

SCENARIO("a holder may do nothing without a slice, and what it holds counts from its own sending") {
  slice_holder book{7, 1s, start};
  CHECK_EQ(book.limit(start), 0u);
  CHECK(book.opens(start) == time_point::max());
  CHECK(book.next_ask(start, 0) <= start);
  auto request = book.ask(start, 2);
  CHECK_EQ(request.holder, 7u);
  CHECK_EQ(request.waiting, 2u);
  CHECK_EQ(request.grant, 0u);
  book.take({request.number, 1, 1, 2, 3s}, start + 2s);
  CHECK(book.expires() == start + 3s);
  CHECK_EQ(book.limit(start + 2999ms), 2u);
  CHECK_EQ(book.limit(start + 3s), 0u);
  CHECK(book.opens(start + 2s) == start + 2s);
  book.record(start + 2s);
  book.record(start + 2s);
  // The window opens when the slice is over.
  CHECK(book.opens(start + 2100ms) == time_point::max());
  CHECK(book.remove(start + 2s));
  CHECK(book.opens(start + 2100ms) == start + 2100ms);
}

SCENARIO("answers that come late, twice, or from an earlier leader change nothing") {
  slice_holder book{7, 1s, start};
  auto first = book.ask(start, 0);
  auto second = book.ask(start + 1s, 0);
  book.take({second.number, 2, 5, 3, 3s}, start + 1s);
  book.take({first.number, 2, 4, 9, 3s}, start + 1s);
  book.take({second.number, 2, 5, 9, 3s}, start + 1s);
  CHECK_EQ(book.limit(start + 1s), 3u);
  auto third = book.ask(start + 2s, 0);
  CHECK_EQ(third.epoch, 2u);
  CHECK_EQ(third.grant, 5u);
  book.take({third.number, 1, 99, 9, 3s}, start + 2s);
  book.take({77, 2, 99, 9, 3s}, start + 2s);
  CHECK_EQ(book.limit(start + 2s), 3u);
  book.take({third.number, 3, 1, 1, 3s}, start + 2s);
  CHECK_EQ(book.limit(start + 2s), 1u);
  CHECK(book.next_ask(start + 2s, 0) == start + 2s); // Others wait for what it gave up.
  CHECK_EQ(book.ask(start + 2s, 0).grant, 1u);
  CHECK(book.next_ask(start + 2s, 0) == start + 3s);
}

SCENARIO("a share that moves rests one window after its holder said that it follows") {
  slice_leader book{{.budget = 10, .slack = 0ms}, 1, start, 0s};
  CHECK_EQ(book.grant({1, 1, 0, 0, 0, 100}, start)->count, 10u);
  CHECK_EQ(book.grant({2, 1, 0, 0, 0, 100}, start)->count, 0u);
  auto smaller = book.grant({1, 2, 1, 1, 10, 100}, start + 100ms);
  CHECK_EQ(smaller->count, 5u);
  CHECK_EQ(book.grant({2, 2, 1, 2, 0, 100}, start + 200ms)->count,
           0u); // Not known to have arrived.
  CHECK_EQ(book.grant({1, 3, 1, smaller->number, 10, 100}, start + 300ms)->count, 5u);
  CHECK_EQ(book.used(start + 300ms).resting, 5u);
  CHECK_EQ(book.grant({2, 3, 1, 2, 0, 100}, start + 1299ms)->count, 0u);
  CHECK_EQ(book.grant({2, 4, 1, 2, 0, 100}, start + 1300ms)->count, 5u);
}

SCENARIO("of a share that moves, what was idle goes at once") {
  slice_leader book{{.budget = 10, .slack = 0ms}, 1, start, 0s};
  CHECK_EQ(book.grant({1, 1, 0, 0, 0, 100}, start)->count, 10u);
  CHECK_EQ(book.grant({2, 1, 0, 0, 0, 100}, start)->count, 0u);
  CHECK_EQ(book.grant({1, 2, 1, 1, 7, 100}, start + 100ms)->count, 5u);
  CHECK_EQ(book.grant({1, 3, 1, 3, 7, 100}, start + 300ms)->count, 5u);
  CHECK_EQ(book.used(start + 300ms).resting, 2u);
  CHECK_EQ(book.grant({2, 2, 1, 2, 0, 100}, start + 301ms)->count, 3u);
  CHECK_EQ(book.grant({1, 4, 1, 4, 5, 100}, start + 400ms)->count, 5u);
  CHECK_EQ(book.used(start + 400ms).resting, 0u);
  CHECK_EQ(book.grant({2, 3, 1, 5, 3, 100}, start + 401ms)->count, 5u);
}

SCENARIO("what a holder says late, of before it used its slice, frees nothing for others") {
  slice_leader book{{.budget = 10, .slack = 0ms}, 1, start, 0s};
  CHECK_EQ(book.grant({1, 1, 0, 0, 0, 100}, start)->count, 10u);
  // Sent right after that, with nothing used yet, it arrives when the slice is over.
  CHECK_EQ(book.grant({1, 2, 1, 1, 0, 0}, start + 3001ms)->count, 5u); // It used them itself.
  CHECK_EQ(book.used(start + 3001ms).resting, 5u);
  CHECK_EQ(book.grant({2, 1, 0, 0, 0, 100}, start + 3999ms)->count, 0u);
  CHECK_EQ(book.grant({2, 2, 1, 3, 0, 100}, start + 4000ms)->count, 5u);
}

SCENARIO("what a holder says late, of before its slice was over, takes nothing from others") {
  slice_leader book{{.budget = 10, .slack = 0ms}, 1, start, 0s};
  CHECK_EQ(book.grant({1, 1, 0, 0, 0, 100}, start)->count, 10u);
  CHECK_EQ(book.grant({2, 1, 0, 0, 0, 100}, start + 4000ms)->count, 10u);
  CHECK_EQ(book.grant({1, 2, 1, 1, 10, 100}, start + 4001ms)->count, 0u);
}

SCENARIO("a smaller slice is confirmed when no more than it allows is left in the last window") {
  slice_holder book{7, 1s, start};
  book.take({book.ask(start, 9).number, 1, 1, 3, 3s}, start);
  for (auto at : {100ms, 200ms, 300ms})
    book.record(start + at);
  book.take({book.ask(start + 400ms, 0).number, 1, 2, 1, 3s}, start + 400ms);
  CHECK(book.next_ask(start + 400ms, 0) == start + 1200ms);
  CHECK_EQ(book.ask(start + 700ms, 9).used, 3u); // For what waits: it is no confirmation.
  CHECK(book.next_ask(start + 700ms, 0) == start + 1200ms);
  auto said = book.ask(start + 1200ms, 0);
  CHECK_EQ(said.grant, 2u);
  CHECK_EQ(said.used, 1u);
  CHECK(book.next_ask(start + 1200ms, 0) == start + 2200ms);
}

SCENARIO("a share whose holder is silent ends by itself, then rests one window") {
  slice_leader book{{.budget = 10, .slack = 0ms}, 1, start, 0s};
  CHECK_EQ(book.grant({1, 1, 0, 0, 0, 100}, start)->count, 10u);
  CHECK_EQ(book.grant({2, 1, 0, 0, 0, 100}, start + 3999ms)->count, 0u);
  CHECK_EQ(book.used(start + 3999ms).resting, 10u);
  CHECK_EQ(book.grant({2, 2, 0, 0, 0, 100}, start + 4s)->count, 10u);
}

SCENARIO("a new leader waits out the longest slice and one window") {
  slice_leader book{{.budget = 10, .slack = 0ms}, 2, start, 3s};
  CHECK(book.opens() == start + 4s);
  CHECK_EQ(book.grant({1, 1, 1, 5, 0, 100}, start + 3999ms)->count, 0u);
  CHECK_EQ(book.grant({1, 2, 1, 5, 0, 100}, start + 4s)->count, 10u);
}

SCENARIO("a request that comes after a newer one of its holder is not answered") {
  slice_leader book{{}, 1, start, 0s};
  CHECK(book.grant({1, 2, 0, 0, 0, 0}, start).has_value());
  CHECK(!book.grant({1, 2, 0, 0, 0, 0}, start).has_value());
  CHECK(!book.grant({1, 1, 0, 0, 0, 0}, start).has_value());
}

SCENARIO("idle holders share what is left, and the leader keeps a part for who comes") {
  slice_leader book{{.budget = 24}, 1, start, 0s};
  std::uint64_t number = 0;
  for (int i = 0; i < 3; ++i) {
    number = book.grant({1, 2u * i + 1u, 1, number, 0, 0}, start + i * 1s)->number;
    CHECK(book.grant({2, 2u * i + 1u, 0, 0, 0, 0}, start + i * 1s).has_value());
  }
  auto used = book.used(start + 2s);
  CHECK_EQ(used.held + used.resting, 20u); // The first came alone, and nobody lacks what it has.
  CHECK_EQ(book.grant({3, 1, 0, 0, 0, 9}, start + 2s)->count, 4u);
}

SCENARIO("whatever machines and network do, no window ever holds more than the budget") {
  std::size_t served = 0;
  for (std::uint32_t seed = 1; seed <= 24; ++seed) {
    std::mt19937 rng{seed};
    slice_rules rules;
    rules.budget = 1 + rng() % 40;
    std::size_t nodes = 2 + rng() % 6;
    slice_cluster cluster{rules, nodes, seed};
    cluster.between.lost = seed % 3 == 0 ? 0.2 : 0.01;
    cluster.between.doubled = 0.05;
    cluster.between.late = seed % 2 == 0 ? 0.2 : 0.01;
    cluster.elect(0, true);
    live_through(cluster, nodes, rules.budget);
    CHECK(cluster.closest() >= rules.window);
    served += cluster.served();
  }
  CHECK(served > 10'000);
}

SCENARIO("under steady demand for more than there is, at least 95 % of the budget is used") {
  struct load {
    const char* what;
    std::uint32_t budget;
    std::vector<double> demand;
    bool at_random;
  };
  auto even = [](std::size_t n, double each) { return std::vector<double>(n, each); };
  std::vector<load> loads{
    {"three nodes, all full", 25, even(3, 25), false},
    {"three nodes at random", 25, even(3, 14), true},
    {"one node alone", 25, {60, 0, 0}, false},
    {"one full, others a little", 25, {60, 3, 2, 1}, true},
    {"ten nodes, a large budget", 500, even(10, 70), true},
    {"more nodes than budget", 8, even(12, 4), false},
  };
  for (auto& one : loads) {
    slice_cluster cluster{{.budget = one.budget}, one.demand.size(), 5};
    cluster.elect(1, true);
    auto used = rate(cluster, {one.demand, cluster, one.at_random}, 10s, 180s) / one.budget;
    MESSAGE(one.what << ": " << used << ", " << cluster.messages() / 190 << " messages/s");
    CHECK(used >= 0.95);
    CHECK(used <= 1.0);
    CHECK(cluster.closest() >= 1s);
  }
}

SCENARIO("of small budgets as much is used when a node needs less than its part, by chance") {
  double least = 1;
  for (std::uint32_t budget : {6, 9, 13, 20})
    for (double little : {0.12, 0.2, 0.27})
      for (std::uint32_t seed = 1; seed <= 3; ++seed) {
        slice_cluster cluster{{.budget = budget, .length = 1s}, 3, seed};
        cluster.elect(0, true);
        steady_demand demand{{budget * 1.0, budget * 1.0, budget * little}, cluster, true};
        auto used = rate(cluster, demand, 10s, 120s) / budget;
        CHECK(used >= 0.98);
        CHECK(cluster.waiting(2) <= 2 + 4 * budget * little); // What came up in four seconds.
        CHECK(cluster.closest() >= 1s);
        least = std::min(least, used);
      }
  MESSAGE("at least " << least);
}

SCENARIO("clients that ask in turn and wait at one node: it has what the others do not use") {
  for (std::uint32_t seed = 1; seed <= 10; ++seed) {
    slice_cluster cluster{{.budget = 40, .length = 1s}, 3, seed};
    cluster.elect(0, true);
    clients_in_turn demand{{7, 3, 2}, 60, cluster};
    auto soon = rate(cluster, std::ref(demand), 3s, 5s) / 40;
    auto later = rate(cluster, std::ref(demand), 0s, 60s) / 40;
    MESSAGE(soon << " soon, " << later << " later");
    CHECK(soon >= 0.9);
    CHECK(later >= 0.95);
    CHECK(cluster.closest() >= 1s);
  }
}

SCENARIO("when there is not enough, nobody goes short for another, and small needs are met") {
  slice_cluster cluster{{.budget = 25}, 4, 6};
  cluster.elect(0, true);
  rate(cluster, {{100, 40, 3, 2}, cluster}, 0s, 120s);
  auto per_second = [&](std::size_t i) { return static_cast<double>(cluster.served(i)) / 120; };
  CHECK(per_second(2) > 2.9);
  CHECK(per_second(3) > 1.9);
  CHECK(std::abs(per_second(0) - per_second(1)) < 1);
}

SCENARIO("a node that comes to much work has its part of the budget within seconds") {
  for (double others : {40.0, 120.0}) {
    slice_cluster cluster{{.budget = 60, .length = 1s}, 3, 11};
    cluster.elect(0, true);
    steady_demand demand{{others, others, 0}, cluster};
    rate(cluster, std::ref(demand), 0s, 20s);
    demand.per_second[2] = 40;
    auto second = [&] {
      auto before = cluster.served(2);
      rate(cluster, std::ref(demand), 0s, 1s);
      return static_cast<double>(cluster.served(2) - before);
    };
    std::vector<double> seen;
    for (int i = 0; i < 6; ++i)
      seen.push_back(second());
    MESSAGE("in its first seconds: " << caf::deep_to_string(seen));
    CHECK(seen[1] + seen[2] >= 15);
    CHECK(seen[3] + seen[4] + seen[5] >= 0.9 * 3 * 20);
    CHECK(cluster.closest() >= 1s);
  }
}

SCENARIO("with fewer requests than nodes, each has its turn") {
  slice_cluster cluster{{.budget = 4, .turn = 20s}, 10, 7};
  cluster.elect(0, true);
  rate(cluster, {std::vector<double>(10, 4.0), cluster}, 0s, 400s);
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(cluster.served(i) > 100); // Of 160, if all were even.
    CHECK(cluster.served(i) < 220);
  }
}

SCENARIO("a node that is cut off stops within a slice, and the others get its part") {
  slice_cluster cluster{{.budget = 24}, 3, 8};
  cluster.elect(0, true);
  steady_demand demand{{30, 30, 30}, cluster};
  rate(cluster, demand, 0s, 10s);
  cluster.cut(2, true);
  rate(cluster, demand, 0s, 3s);
  CHECK_EQ(cluster.limit(2), 0u);
  CHECK(rate(cluster, demand, 3s, 10s) >= 0.95 * 24);
  CHECK(cluster.closest() >= 1s);
}

SCENARIO("a smaller budget holds once slices are renewed, a larger one soon") {
  slice_cluster cluster{{.budget = 24}, 3, 9};
  cluster.elect(0, true);
  steady_demand demand{{30, 30, 30}, cluster};
  rate(cluster, demand, 0s, 10s);
  cluster.leader()->set_budget(12);
  auto smaller = rate(cluster, demand, 5s, 10s);
  CHECK(smaller <= 12);
  CHECK(smaller >= 0.95 * 12);
  cluster.leader()->set_budget(24);
  CHECK(rate(cluster, demand, 3s, 10s) >= 0.95 * 24);
  CHECK(cluster.closest() >= 1s);
}

} // namespace troupe::budget_slices_suite
