#pragma once
#include "tests/simulation/dice.hpp"
#include "tests/simulation/disk.hpp"
#include "tests/simulation/run.hpp"
#include "tests/simulation/telegram.hpp"
#include "tests/simulation/tenants.hpp"
#include "tests/simulation/upstream.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>

namespace troupe::simulation {

/// What is wrong with the world now, by the plan's spells.
struct weather {
  bool store_fails = false;
  bool store_slow = false;
  bool store_full = false; ///< While it fails: nothing can be written.
  bool upstream_fails = false;
  std::uint64_t failing = 600; ///< So many of a thousand requests then.
  bool upstream_floods = false;
  bool upstream_breaks = false;
  bool upstream_hangs = false;
  bool tenants_fail = false;
};

/// How a client's call stands.
struct call_state {
  bool begun = false;
  int answers = 0;
  std::string how;
};

/// Of an actor of the tree, for tallies.
[[nodiscard]] inline std::string name_of(const std::string& supervisor, const std::string& name) {
  bool bot = supervisor == "troupe.bots" && name != "troupe.bots";
  return bot ? "a bot" : name;
}

/// All that is not the node, and outlives it.
struct outside {
  explicit outside(const plan& what, const run_options& how = {})
    : what(what), how(how), budgets(what.budgets), pool(what.pool), passivation(what.passivation), luck(what.seed ^ 0x6C75636Bu),
      verdict(what), calls(what.calls.size()), telegram(*this),
      upstream(std::make_shared<simulation::upstream>(*this)),
      tenants(std::make_shared<simulation::tenants>(*this)),
      disk(std::make_shared<simulation::disk>(*this)) {}

  [[nodiscard]] std::int64_t wall() const {
    using namespace std::chrono;
    return 1'700'000'000'000 + wall_offset
           + duration_cast<milliseconds>(now.time_since_epoch()).count();
  }
  void later(duration how_long, std::function<void()> act) {
    plans.at(now + how_long, std::move(act));
  }
  /// Nobody's messages move for so long.
  void delay(duration how_long) {
    slack += how_long;
    delays.emplace_back(now + how_long, how_long);
  }
  /// What messages were delayed by that were sent since then.
  [[nodiscard]] duration slack_since(time_point from) const {
    duration sum{0};
    for (const auto& [until, length] : delays)
      if (until >= from)
        sum += length;
    return sum;
  }
  /// Evenly between the two, both in microseconds.
  [[nodiscard]] duration some(std::int64_t from_us, std::int64_t to_us) {
    return std::chrono::microseconds{luck.between(from_us, to_us)};
  }

  const plan& what;
  run_options how;
  rate_limits budgets; ///< As they are now; the plan's, until settings change.
  pool_limits pool;
  passivation_limits passivation;
  dice luck;
  agenda plans;
  judge verdict;
  weather sky;
  time_point now = beginning;
  std::int64_t wall_offset = 0; ///< Milliseconds.
  std::uint64_t gateways = 0;   ///< There were so many.
  duration slack{0};            ///< What messages were delayed by, in all.
  /// When such delays ended, and how long they were.
  std::vector<std::pair<time_point, duration>> delays;
  std::vector<call_state> calls;
  std::map<std::string, std::uint64_t> happened; ///< Faults, by their kind.
  std::set<std::string> started;                 ///< Actors, as `name_of` has them.
  simulation::telegram telegram;
  std::shared_ptr<simulation::upstream> upstream;
  std::shared_ptr<simulation::tenants> tenants;
  std::shared_ptr<simulation::disk> disk;
  /// Told what happens; may be empty.
  std::function<void(const std::string&)> tell;
  /// Reads what was logged.
  std::function<void()> hear;
  /// Brings an update to the node's webhook; false: nobody listens.
  std::function<bool(std::size_t bot, std::size_t update)> post;
};

} // namespace troupe::simulation
