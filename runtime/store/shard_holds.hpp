#pragma once
#include "messages/cluster.hpp"
#include "runtime/store/database.hpp"

/// What 429s forbid the bots of each shard yet, for whoever owns it next, however the owner ends.
/// Time is the database's, which is the same for all nodes.
namespace troupe::store {

/// Each under the fence of its bot's shard: what an earlier owner says is dropped. Of two that say
/// the same the longer one counts. What is over is forgotten.
void keep_holds(unit& u, std::span<const past_hold> of);

/// What is in force of these shards' bots, as far as the shards are owned under these revisions.
[[nodiscard]] std::vector<past_hold> find_holds(unit& u, std::span<const shard_hold> of);

/// Of a bot that is removed.
void forget_holds(unit& u, bot_id bot);

} // namespace troupe::store
