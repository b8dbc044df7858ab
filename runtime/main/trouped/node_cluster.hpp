#pragma once
#include "actors/cluster/cluster.hpp"
#include "runtime/config/settings.hpp"
#include "runtime/net/lane.hpp"
#include "runtime/peers/links.hpp"

#include <caf/actor_system_config.hpp>

#include <memory>
#include <mutex>
#include <vector>

namespace troupe {

/// A node's place in its cluster: the connection to etcd, the links to other nodes, whom to trust.
/// Outlives the actors.
class node_cluster {
public:
  /// @returns null for a node by itself
  static std::unique_ptr<node_cluster> of(caf::actor_system& sys, const config::settings& settings);

  /// Before the actor system is made.
  static void prepare(caf::actor_system_config& to, const config::settings& settings);

  node_cluster(caf::actor_system& sys, const config::settings& settings);
  ~node_cluster();

  node_cluster(const node_cluster&) = delete;
  node_cluster& operator=(const node_cluster&) = delete;

  [[nodiscard]] const std::shared_ptr<cluster_view>& view() const noexcept { return view_; }

  /// This life of the node; no other has this number.
  [[nodiscard]] std::uint64_t holder() const noexcept { return holder_; }

  /// Listens for other nodes, whose requests `ports` serve. @throws std::runtime_error
  void open(desk_ports ports);

  /// Spawns the actor of the node's membership; again after each of its deaths.
  [[nodiscard]] cluster_actor join(caf::actor_system& sys,
                                   std::vector<std::function<caf::actor()>> rooms);

  /// The certificate's file was read again: if it is another one, it is registered.
  void renew_certificate();

  /// Gives the node's shards to others, as long as there are any and `deadline` is not over.
  void leave(std::chrono::steady_clock::time_point deadline,
             const std::function<bool()>& cut_short);

  /// No request to etcd is answered any more. After the actors have ended.
  void stop();

private:
  bool trust(const std::vector<registered_node>& nodes);

  caf::actor_system& sys_;
  config::cluster_settings settings_;
  cluster_config config_;
  std::string trust_file_;
  std::shared_ptr<cluster_view> view_ = std::make_shared<cluster_view>();
  net::lane lane_;
  std::shared_ptr<etcd::port> etcd_;
  std::shared_ptr<peers::links> links_;
  caf::actor desk_;
  std::uint64_t holder_ = 0;
  std::mutex mutex_;
  std::string trusted_;  ///< What is in the file.
  bool failing_ = false; ///< That could not be written, and the log says so.
  std::vector<std::string> refused_;
};

} // namespace troupe
