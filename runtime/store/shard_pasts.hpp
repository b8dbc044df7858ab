#pragma once
#include "messages/cluster.hpp"
#include "runtime/store/database.hpp"

/// What owners that gave a shard up left for the next one. One row for each shard, of its newest
/// owner that left something; it counts for the owner right after that one alone.
namespace troupe::store {

/// `of` names no shard twice. What a later owner left stays.
void keep_pasts(unit& u, std::span<const past_of_shard> of);

/// Of these shards, as far as they are owned under these revisions: what the owner right before
/// left. Nobody ever owned a shard: nothing is missing, and there is nothing. Shards that had an
/// owner who left nothing are not in the result.
[[nodiscard]] std::vector<past_of_shard> find_pasts(unit& u, std::span<const shard_hold> of);

} // namespace troupe::store
