#pragma once
#include "tests/simulation/dice.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

/// Three nodes as one, in one order of messages that a seed decides.
namespace troupe::simulation::clustered {

inline constexpr std::size_t node_count = 3;

enum class trouble : std::uint8_t {
  node_killed,
  node_paused,      ///< It goes on with what it knew.
  etcd_unreachable, ///< From one node; nothing is refused, nothing comes.
  etcd_slow,        ///< For one node.
  etcd_away,        ///< For all; leases are whole again afterwards.
  etcd_compacted,
  link_cut,   ///< At once, on both sides.
  link_black, ///< What is sent waits; after three seconds both give up.
  link_one_way,
  link_slow,
  governor_killed,
  cluster_killed,
  node_drained,
  store_slow,
  leader_unreachable, ///< etcd is, from whoever leads then.
  node_isolated,      ///< Slow ways, and a moment later none: to nobody, and not to etcd.
};
inline constexpr std::array trouble_names{
  "node killed",  "node paused",     "etcd unreachable",
  "etcd slow",    "etcd away",       "etcd compacted",
  "link cut",     "link black",      "link one way",
  "link slow",    "governor killed", "cluster actor killed",
  "node drained", "store slow",      "leader cut off from etcd",
  "node isolated"};

struct fault {
  trouble what{};
  std::int64_t at_ms = 0;
  std::int64_t length_ms = 0;
  std::size_t node = 0;
  std::size_t other = 1;
};

struct clock_plan {
  std::int64_t offset_ns = 0;
  std::int64_t drift_ppm = 0; ///< Within what the product assumes: see `window_tolerance_ppm`.
};

struct call_plan {
  std::int64_t at_ms = 0;
  std::size_t entry = 0; ///< The node that it comes to.
  std::size_t bot = 0;
  std::int64_t chat = 0; ///< 0: none; below: a group.
  std::int64_t patience_ms = 0;
};

struct plan {
  std::uint64_t seed = 0;
  std::array<clock_plan, node_count> clocks{};
  std::uint32_t budget = 0; ///< Of the cluster; 0: none.
  std::uint32_t bot_rps = 0;
  std::vector<std::int64_t> bots;
  std::vector<call_plan> calls;
  std::vector<fault> faults;
  std::int64_t net_us = 0;     ///< The longest way of a message, in fair weather.
  std::int64_t trouble_ms = 0; ///< No fault begins after it; those there are end.
  std::int64_t length_ms = 0;  ///< Of the load.
};

/// Once faults have ended all is to be at rest, and from then on the budget to be used.
inline constexpr std::int64_t settle_ms = 30'000;
inline constexpr std::int64_t measured_ms = 20'000;

/// Ways of a node that is about to be isolated are slow for so long.
inline constexpr std::int64_t failing_ms = 400;

[[nodiscard]] plan make_plan(std::uint64_t seed);
[[nodiscard]] std::string describe(const fault& x);

} // namespace troupe::simulation::clustered
