#pragma once
#include "messages/cluster.hpp"
#include "messages/journal.hpp"
#include "messages/rate_governor.hpp"
#include "runtime/policy/grant_engine.hpp"

#include <caf/fwd.hpp>

#include <functional>
#include <memory>

namespace troupe {

/// Settings of the governor; its limits change live by a message of that type.
struct rate_governor_config : rate_limits {
  std::size_t max_waiting = 200'000; ///< Requests in the queue; more are refused.
  /// A request let through a half-open upstream that is not heard of for so long is lost.
  duration probe_timeout = std::chrono::seconds{65};
};

/// What the governor sees of the rest of the node.
struct rate_governor_ports {
  std::function<session_pool_actor()> pool; ///< Asked at each use; may return an empty handle.
  unseen_past past = unseen_past::none();   ///< For the first governor that uses `memory`.
  /// What outlives a governor; each governor of a node gets the same, one at a time. Without it,
  /// each one starts with `past`.
  std::shared_ptr<grant_memory> memory;

  // -- of one node of many; without `holder` a node is by itself

  std::uint64_t holder = 0; ///< This life of the node; none ever had it before.
  /// Who passes questions on to the leader; asked at each use, may return an empty handle.
  std::function<cluster_actor()> cluster;
  /// How many nodes share the budgets, this one included; for estimates. Empty: not known.
  std::function<std::uint32_t()> nodes;
  /// The revision under which the node owns the bot's shard, if it serves it at that time: its
  /// lease holds. 0: it must grant nothing to it. Asked before each permit.
  std::function<std::int64_t(bot_id, time_point)> serves;
  /// Since when the node has a shard: others may have filled its bots' windows until then. Empty:
  /// until it is asked.
  std::function<time_point(shard_id)> since;
  /// Keeps what may count yet in the windows of shards that go, for who has them next; asked at
  /// each use, may be empty.
  std::function<journal_actor()> journal;
};

/// Spawns a governor. It asks the pool for its capacity, and until it has it grants nothing.
rate_governor_actor spawn_rate_governor(caf::actor_system& sys, rate_governor_config cfg,
                                        rate_governor_ports ports);

} // namespace troupe
