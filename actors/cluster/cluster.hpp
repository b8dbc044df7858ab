#pragma once
#include "messages/cluster.hpp"
#include "runtime/etcd/port.hpp"
#include "runtime/registry/cluster_view.hpp"

#include <caf/fwd.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

struct cluster_config {
  std::string name = "troupe"; ///< Of the cluster: all keys in etcd begin with /NAME/.
  std::string node;            ///< This node's name; no other node of the cluster has it.
  std::string address;         ///< Where other nodes reach it: host:port. Empty: nowhere.
  std::string certificate; ///< PEM, without a key: by it other nodes know this one. May be empty.
  std::string version;
  std::uint32_t capacity = 1;  ///< Relative to other nodes'.
  std::chrono::seconds ttl{3}; ///< Of the lease; etcd may make it longer.
  /// The node stops by itself so long before others may take over.
  caf::timespan margin = std::chrono::milliseconds{750};
  std::size_t max_moves = 64; ///< Shards on their way between two living nodes at once.
  caf::timespan retry =
    std::chrono::milliseconds{250}; ///< After etcd or a node could not be asked.
  std::uint32_t global_rps = 25;    ///< Of the whole cluster; 0: no limit.
};

/// Who is registered in etcd, for those who decide whom to trust.
struct registered_node {
  std::string name;
  std::string certificate; ///< PEM.
};

struct cluster_ports {
  std::shared_ptr<etcd::port> etcd;
  std::shared_ptr<cluster_view> view;
  caf::actor desk; ///< This node's.
  /// Who is told of shards that come (shards_gained), in this order, and of those that go
  /// (shards_lost), in the reverse one. Asked at each use; may be empty while it is being
  /// restarted.
  std::vector<std::function<caf::actor()>> rooms;
  /// Connects to another node's desk; `then` is called once, on any thread, with an empty handle
  /// when that failed. May be empty.
  std::function<void(const std::string& address, std::function<void(caf::actor)> then)> dial;
  /// Told whenever it changes who is registered; false: that could not be noted, and it is told
  /// again. May be empty.
  std::function<bool(const std::vector<registered_node>&)> trusted;
};

/// What the desk passes requests of other nodes on to. All may be empty.
struct desk_ports {
  std::shared_ptr<cluster_view> view;
  std::function<caf::actor(peer_part)>
    part; ///< Asked at each use; empty while it is being restarted.
  /// Finds bots of this node: sees to it that the request is answered.
  std::function<caf::result<bot_found>(caf::event_based_actor*, const bot_find&)> find;
  /// Spawns who answers one method_call with what `bot_steer` asks for.
  std::function<caf::actor(const bot_steer&)> steer;
};

/// Spawns the desk: where other nodes' requests come in, one for a node's whole life. Takes
/// `peer_hello` from anybody, and from nodes that said it and were believed `peer_request`,
/// `bot_find`, `bot_steer`, `bot_changed` and `box_filled`. Others are answered ec::draining, ask
/// again: they may be nodes that this one knows again soon, and to whoever else it says nothing.
caf::actor spawn_desk(caf::actor_system& sys, desk_ports ports);

/// Spawns the actor of this node's membership; it joins at once, and again whenever its lease is
/// lost. Asked to end (user_shutdown) it gives its lease back first, which ends its ownership of
/// all shards. See messages/cluster.hpp.
cluster_actor spawn_cluster(caf::actor_system& sys, cluster_config config, cluster_ports ports);

} // namespace troupe
