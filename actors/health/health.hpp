#pragma once
#include "messages/health.hpp"
#include "messages/store.hpp"
#include "runtime/policy/time.hpp"
#include "runtime/registry/wall_clock.hpp"

#include <caf/fwd.hpp>

#include <functional>

namespace troupe {

/// The limits change live by a message of that type.
struct health_config : health_limits {
  /// The upstream's breaker waits so long for successes that are still in their batches.
  duration settle = std::chrono::milliseconds{250};
};

struct health_ports {
  std::function<rate_governor_actor()> governor; ///< Asked at each use; may be empty.
  /// A bot that is in memory, to be told of its breaker as it was stored; may be null.
  std::function<bot_actor(bot_id)> bot = {};
  wall_clock wall = wall_now; ///< Of what is stored.
};

/// What the recorder asks of health beyond its interface: what it knows of each bot that was heard
/// of within a timespan; to take over what is stored of bots of which it has heard nothing yet; and
/// to forget the bots of shards, and say what it knew.
using health_memory =
  health_actor::extend<caf::result<page<health_row>>(caf::timespan), caf::result<void>(health_save),
                       caf::result<page<health_row>>(shards_lost)>;

/// Spawns health. It tells the governor that the upstream's breaker is closed: an earlier health
/// may have left it open.
health_actor spawn_health(caf::actor_system& sys, health_config cfg, health_ports ports);

} // namespace troupe
