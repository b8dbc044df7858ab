#pragma once
#include "actors/cluster/keys.hpp"
#include "runtime/etcd/requests.hpp"

#include <array>
#include <map>
#include <set>

namespace troupe::clustering {

/// What etcd holds of a cluster, as read once and followed since. A value: no actor, no clock.
struct world {
  struct node {
    node_record what;
    etcd::lease_id lease = 0; ///< One life of the node.
    etcd::revision joined = 0;
  };
  struct ownership {
    std::string node; ///< Empty: nobody.
    etcd::lease_id lease = 0;
    etcd::revision fence = 0;
  };

  std::map<std::string, node> nodes;
  std::set<std::string> draining;
  ownership leader;
  shard_plan plan;
  std::array<ownership, shard_count> shards;
  etcd::revision at = 0; ///< The last change.

  /// A key was read, written or, with an entry without creation, deleted.
  void apply(const key_space& keys, const etcd::entry& x);

  /// Whether it is to have no shard.
  [[nodiscard]] bool is_draining(const std::string& node) const;
  /// Nodes in the order of their names, as the assignment sees them.
  [[nodiscard]] std::vector<std::string> names() const;
  /// Whose the shard is to be: empty if nobody's who is there.
  [[nodiscard]] const std::string& target(shard_id shard) const;

  /// The plan with the next step in it; nothing if it is as it should be, or enough is on its way.
  /// @param max_moves between two living nodes at once
  [[nodiscard]] std::optional<shard_plan> next_plan(std::size_t max_moves) const;
};

} // namespace troupe::clustering
