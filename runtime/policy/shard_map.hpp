#pragma once
#include <array>
#include <cstdint>
#include <vector>

/// Which node of the cluster has which bots: a bot belongs to one of 1,024 shards for ever, a shard
/// to one node at a time.
namespace troupe {

using shard_id = std::uint16_t;
inline constexpr std::size_t shard_count = 1024;

/// The shard of a bot: a pure function that never changes, for what is stored is fenced by it.
[[nodiscard]] shard_id shard_of(std::int64_t bot) noexcept;

/// A node as the assignment sees it. Whoever keeps nodes in one order (by id) gets one assignment
/// wherever it is computed.
struct shard_node {
  std::uint32_t capacity = 1; ///< Relative: twice as much, twice the shards. 0: gets none.
  bool draining = false;      ///< Gets nothing new and gives all away.
};

inline constexpr std::uint32_t no_node = 0xffffffffu;

/// Who owns each shard: an index into the nodes, or `no_node`.
using shard_owners = std::array<std::uint32_t, shard_count>;

/// A map in which nobody owns anything.
[[nodiscard]] constexpr shard_owners unowned_shards() noexcept {
  shard_owners result{};
  for (auto& owner : result)
    owner = no_node;
  return result;
}

/// How many shards each node is due: the numbers whose largest ratio to a node's capacity is as
/// small as whole shards allow (the rule of Jefferson and D'Hondt, by which a node that joins only
/// takes and one that leaves only gives). Of equal claims, that of a node that has the shard
/// already goes first, then the earlier node's.
/// @returns one number per node; all 0 if nobody takes shards
[[nodiscard]] std::vector<std::uint32_t> shard_shares(const std::vector<shard_node>& nodes,
                                                      const shard_owners& owners);

/// A shard changes hands.
struct shard_move {
  shard_id shard = 0;
  std::uint32_t from = no_node; ///< `no_node`: nobody had it.
  std::uint32_t to = no_node;
  friend bool operator==(const shard_move&, const shard_move&) = default;
};

/// The next step towards the shares: shards that nobody has, all of them, and at most `max_moves`
/// that somebody serves, first those of draining nodes, then from whoever has most above its share.
/// No shard moves twice on the way, and none that need not. Empty: all is as it should be, or
/// nobody takes shards.
/// @param owners every index is `no_node` or one of `nodes`
[[nodiscard]] std::vector<shard_move> plan_shard_moves(const std::vector<shard_node>& nodes,
                                                       const shard_owners& owners,
                                                       std::size_t max_moves);

/// How even `owners` is: the largest number of shards per capacity over the mean, 1 at best.
/// Draining nodes and those without capacity are left out. 0 if nobody takes shards.
[[nodiscard]] double shard_imbalance(const std::vector<shard_node>& nodes,
                                     const shard_owners& owners);

} // namespace troupe
