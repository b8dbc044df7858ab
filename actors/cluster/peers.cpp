#include "actors/cluster/state.hpp"
#include "runtime/log/log.hpp"

#include <algorithm>

/// Connections to the other nodes: one between two, made by the one whose name comes first. (Of two
/// that are made at once CAF closes one, and what was learnt over it is lost.)
namespace troupe::clustering {
namespace {

constexpr std::chrono::seconds trust_pause{1};

} // namespace

/// Each node that is registered is connected to; one that left is forgotten.
void cluster_state::meet() {
  std::vector<std::string> gone;
  for (const auto& [node, x] : peers) {
    auto found = seen.nodes.find(node);
    if (found == seen.nodes.end() || found->second.lease != x.life)
      gone.push_back(node);
  }
  for (const auto& node : gone)
    forget_peer(node);
  tell_trusted();
  for (const auto& [node, x] : seen.nodes)
    if (node != cfg.node && !peers.contains(node)) {
      peers[node].life = x.lease;
      if (dials(node))
        dial(node);
    }
}

void cluster_state::tell_trusted() {
  if (!ports.trusted)
    return;
  std::vector<registered_node> all;
  for (const auto& [node, x] : seen.nodes)
    all.push_back({node, x.what.certificate});
  // A full disk: whoever came since is no peer until there is space.
  if (!ports.trusted(all) && !std::exchange(trusting_later, true))
    later(trust_pause, [this] {
      trusting_later = false;
      tell_trusted();
    });
}

void cluster_state::dial(const std::string& node) {
  auto& to = peers.at(node);
  if (!ports.dial || seen.nodes.at(node).what.address.empty())
    return;
  ports.dial(seen.nodes.at(node).what.address,
             [this, to = outside, node, at = era, life = to.life](caf::actor desk) {
               to->add([this, node, at, life, desk = std::move(desk)] {
                 if (at == era)
                   dialed(node, life, desk);
               });
             });
}

void cluster_state::dial_later(const std::string& node, etcd::lease_id life) {
  if (!dials(node))
    return;
  later(cfg.retry, [this, node, life] {
    auto found = peers.find(node);
    if (found != peers.end() && found->second.life == life && !found->second.desk
        && seen.nodes.contains(node))
      dial(node);
  });
}

/// Whoever answers there says who it is: an address may be another node's by now.
void cluster_state::dialed(const std::string& node, etcd::lease_id life, caf::actor desk) {
  auto found = peers.find(node);
  if (found == peers.end() || found->second.life != life)
    return;
  if (!desk)
    return dial_later(node, life);
  found->second.desk = desk;
  self->monitor(desk);
  auto mine = [this, node, life, desk, at = era] {
    auto found = at == era ? peers.find(node) : peers.end();
    return found != peers.end() && found->second.life == life && found->second.desk == desk
             ? &found->second
             : nullptr;
  };
  auto refused = [this, node, life, mine] {
    if (auto* x = mine()) {
      self->demonitor(x->desk);
      x->desk = nullptr;
      dial_later(node, life);
    }
  };
  self
    ->request(desk, std::chrono::seconds{2},
              peer_hello{cfg.node, lease, caf::actor_cast<caf::strong_actor_ptr>(ports.desk)})
    .then(
      [this, node, life, mine, refused](const peer_welcome& said) {
        auto* x = mine();
        if (x == nullptr)
          return;
        if (said.node != node || said.life != life)
          return refused();
        reached(node, *x);
      },
      [refused](const caf::error&) { refused(); });
}

void cluster_state::reached(const std::string& node, peer& x) {
  x.known = true;
  log::event(log::level::info, "node.reached", name, {{"peer", node}});
  publish();
}

void cluster_state::forget_peer(const std::string& node) {
  auto found = peers.find(node);
  if (found->second.desk)
    self->demonitor(found->second.desk);
  peers.erase(found);
}

/// It ended, or its node cannot be reached any more.
void cluster_state::lost_desk(const caf::actor_addr& who) {
  for (auto& [node, x] : peers)
    if (x.desk && x.desk.address() == who) {
      x.desk = nullptr;
      if (std::exchange(x.known, false))
        log::event(log::level::warning, "node.unreachable", name, {{"peer", node}},
                   "The connection to another node broke; it is tried again as long as the node is "
                   "registered.");
      dial_later(node, x.life);
    }
  publish();
}

caf::actor cluster_state::desk_of(const std::string& node) const {
  auto found = peers.find(node);
  return found == peers.end() || !found->second.known ? caf::actor{} : found->second.desk;
}

/// Everybody on this node sees who has what.
void cluster_state::publish() {
  std::vector<std::pair<std::string, caf::actor>> desks;
  std::map<std::string, std::uint32_t> index;
  for (const auto& [node, x] : peers) {
    index[node] = static_cast<std::uint32_t>(desks.size());
    desks.emplace_back(node, x.known ? x.desk : caf::actor{});
  }
  auto owners = unowned_shards();
  for (shard_id i = 0; i < shard_count; ++i)
    if (auto found = index.find(seen.shards[i].node); found != index.end())
      owners[i] = found->second;
  ports.view->set_others(std::move(desks), owners);
}

/// Another node says who it is: believed if it is registered so.
caf::result<peer_welcome> cluster_state::welcome(const peer_hello& x) {
  auto found = seen.nodes.find(x.node);
  if (!in || found == seen.nodes.end() || found->second.lease != x.life)
    return caf::make_error(ec::draining);
  auto& to = peers[x.node];
  auto desk = caf::actor_cast<caf::actor>(x.desk);
  if (!desk || dials(x.node))
    return caf::make_error(ec::unauthorized);
  if (to.desk != desk) {
    if (to.desk)
      self->demonitor(to.desk);
    to = {x.life, false, desk};
    self->monitor(desk);
  }
  if (!to.known)
    reached(x.node, to);
  return peer_welcome{cfg.node, lease};
}

} // namespace troupe::clustering
