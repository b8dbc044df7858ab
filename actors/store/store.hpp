#pragma once
#include "actors/store/context.hpp"
#include "actors/store/work.hpp"
#include "messages/store.hpp"
#include "runtime/registry/cluster_view.hpp"

#include <caf/fwd.hpp>

namespace troupe {

struct store_config {
  std::size_t max_waiting = 10'000; ///< Requests that wait or run; more are refused at once.
  caf::timespan patience = std::chrono::seconds{20}; ///< One not begun by then is refused.
  std::size_t lookup_chunk = 1000;                   ///< Ids of a batch that are read at once.
  std::size_t lookup_retries = 4;                    ///< Of a chunk that found no database.
  caf::timespan lookup_pause = std::chrono::milliseconds{50}; ///< Before the first; doubles.
  /// A key's identity is taken from memory for so long: what another node changed is seen then.
  caf::timespan identity_lifetime = std::chrono::seconds{10};
  std::size_t max_identities = 20'000;
  /// A waiting request with an Idempotency-Key looks again so often: the other may run elsewhere.
  caf::timespan look_again = std::chrono::milliseconds{250};
  /// How often answers whose time is over, and usage that is too old, are looked for.
  caf::timespan upkeep_every = std::chrono::minutes{10};
  caf::timespan usage_upkeep_every = std::chrono::hours{6};
  std::size_t upkeep_rows = 500; ///< In one write, so that others wait for no more.
  caf::timespan upkeep_pause = std::chrono::milliseconds{100}; ///< Between two of them.
  std::string where; ///< What may be shown of the database's place.
};

struct store_ports {
  std::shared_ptr<storage::sql_port> sql; ///< Outlives the actor.
  std::shared_ptr<const storage::context> context;
  /// Null: a node by itself. Else what is written of a bot's life is refused (`fenced`) unless the
  /// node owns the bot's shard, and nobody owns it since.
  std::shared_ptr<const cluster_view> cluster{};
};

/// Spawns the store. Asked to end, it answers what waits first.
store_actor spawn_store(caf::actor_system& sys, store_config config, store_ports ports);

} // namespace troupe
