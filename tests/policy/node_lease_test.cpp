#define CAF_SUITE policy_node_lease
#include "runtime/policy/node_lease.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <map>
#include <random>

namespace troupe::node_lease_suite {

using namespace std::literals;

namespace {

constexpr time_point start{1h};
constexpr auto ttl = 5s;
constexpr auto margin = 1s;

} // namespace

SCENARIO("a lease counts from when its keep-alive was sent, less the margin") {
  node_lease lease{margin};
  CHECK(!lease.holds(start));
  lease.asked(start);
  lease.kept(start, ttl, start + 900ms);
  CHECK(lease.next_ask() == start + 1250ms);
  CHECK(lease.holds(start + 3999ms));
  CHECK(!lease.holds(start + 4s));
  lease.kept(start + 2s, ttl, start + 2100ms);
  CHECK(lease.ends() == start + 6s);
  lease.kept(start + 1s, ttl, start + 2200ms); // An earlier one, answered late.
  CHECK(lease.ends() == start + 6s);
}

SCENARIO("what is over stays over") {
  GIVEN("a holder that was paused, and reads an answer when it wakes up") {
    node_lease lease{margin};
    lease.kept(start, ttl, start);
    lease.kept(start + 3900ms, ttl, start + 4s);
    CHECK(!lease.holds(start + 4s));
  }
  GIVEN("a granter that knows no such lease any more") {
    node_lease lease{margin};
    lease.kept(start, ttl, start);
    lease.kept(start + 1s, 0s, start + 1s);
    CHECK(!lease.holds(start + 1s));
    lease.kept(start + 1100ms, ttl, start + 1200ms);
    CHECK(!lease.holds(start + 1200ms));
  }
}

SCENARIO(
  "whatever is late, lost or paused, the holder stops a margin before the granter forgets it") {
  std::mt19937 rng{17};
  auto chance = [&](unsigned percent) { return rng() % 100 < percent; };
  int stopped_in_time = 0;
  for (int round = 0; round < 200; ++round) {
    auto now = start;
    duration offset = std::chrono::milliseconds{rng() % 100'000'000};
    auto clock = [&] { return now + offset; };
    node_lease lease{margin};
    lease.asked(clock());
    lease.kept(clock(), ttl, clock());
    auto forgotten = now + ttl; // When the granter gives it to another.
    std::multimap<time_point, time_point> to_granter, to_holder; // Arrival: sent, by its clock.
    auto late = [&] { return std::chrono::milliseconds{chance(10) ? rng() % 6000 : rng() % 50}; };
    auto paused_until = now;
    bool held = true;
    bool sound = true;
    for (int step = 0; step < 6000 && held; ++step) {
      now += 10ms;
      for (; !to_granter.empty() && to_granter.begin()->first <= now;
           to_granter.erase(to_granter.begin()))
        if (auto at = to_granter.begin()->first; at < forgotten) {
          forgotten = at + ttl;
          if (!chance(10))
            to_holder.emplace(at + late(), to_granter.begin()->second);
        }
      if (chance(1) && chance(20))
        paused_until = now + std::chrono::milliseconds{rng() % 8000};
      if (now < paused_until)
        continue;
      // It is asked before it reads its mail, as a call may be that was under way.
      held = lease.holds(clock());
      sound = sound && (!held || now < forgotten - margin);
      for (; !to_holder.empty() && to_holder.begin()->first <= now;
           to_holder.erase(to_holder.begin()))
        lease.kept(to_holder.begin()->second, ttl, clock());
      held = held && lease.holds(clock());
      if (lease.next_ask() <= clock()) {
        lease.asked(clock());
        if (!chance(30))
          to_granter.emplace(now + late(), clock());
      }
    }
    CHECK(sound);
    stopped_in_time += held ? 0 : 1;
  }
  CHECK(stopped_in_time > 20);
  CHECK(stopped_in_time < 200);
}

} // namespace troupe::node_lease_suite
