#pragma once
#include "actors/recorder/usage_book.hpp"
#include "messages/store.hpp"
#include "runtime/registry/cluster_view.hpp"

#include <caf/fwd.hpp>

#include <functional>
#include <memory>

namespace troupe {

struct recorder_config {
  caf::timespan health_every = std::chrono::seconds{300};
  caf::timespan usage_every = std::chrono::seconds{60};
  std::size_t rows = 1000; ///< In one request to the store at most.
};

struct recorder_ports {
  std::function<store_actor()> store;   ///< Asked at each use; may be empty, as the next.
  std::function<health_actor()> health; ///< One that spawn_health made.
  std::shared_ptr<usage_book> usage;
  std::shared_ptr<const cluster_view> cluster; ///< Null: the node has all bots.
};

/// RECORDER: keeps health and usage in the store. Owns: nothing but what is on its way there.
/// Blocks: never. Calls: store, health. Fails: a restart gives health back what was stored, where
/// that has heard nothing newer; usage that was on its way is lost, at most a minute's.
///
///   ok_atom → done, once everything is stored, or could not be.
///   shards_gained, shards_lost: see messages/cluster.hpp. Health of a shard's bots comes from the
///                   store and goes there with the shard.
///
/// Asked to end, it stores everything first.
using recorder_actor =
  caf::typed_actor<caf::result<done>(caf::ok_atom), caf::result<done>(shards_gained),
                   caf::result<done>(shards_lost)>;

recorder_actor spawn_recorder(caf::actor_system& sys, recorder_config config, recorder_ports ports);

} // namespace troupe
