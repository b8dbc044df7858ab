#include "actors/cluster/cluster.hpp"

#include "actors/cluster/state.hpp"

#include <caf/stateful_actor.hpp>

#include <algorithm>

namespace troupe::clustering {

cluster_state::cluster_state(cluster_impl::pointer self, cluster_config config, cluster_ports given)
  : self(self), cfg(std::move(config)), ports(std::move(given)), keys(cfg.name),
    book(slice_rules{.budget = std::max(cfg.global_rps, 1u), .length = slice_length}) {
  // Weak: what still runs keeps no dead actor.
  outside = std::make_shared<inlet>([me = caf::weak_actor_ptr{self->ctrl()}] {
    if (auto strong = me.lock())
      caf::anon_send(caf::actor_cast<cluster_impl>(strong), caf::ok_atom_v);
  });
}

cluster_impl::behavior_type cluster_state::make_behavior() {
  self->set_exit_handler([this](const caf::exit_msg& ask) {
    if (ask.reason == caf::exit_reason::user_shutdown)
      return stop();
    if (ask.reason)
      self->quit(ask.reason);
  });
  self->set_down_handler([this](const caf::down_msg& x) { lost_desk(x.source); });
  begin();
  return {
    [this](get_report) { return report(); },
    [this](const cluster_drain& x) { return drain(x); },
    [this](cluster_leave) { return leave(); },
    [this](const cluster_renew& x) { return renew(x); },
    [this](const cluster_budget& x) {
      cfg.global_rps = x.rps;
      book.set_budget(std::max(x.rps, 1u));
    },
    [this](const slice_ask& x) { return give_slice(x); },
    [this](const slices_ask& x) { return give_slices(x); },
    [this](caf::ok_atom) { run_inlet(); },
    [this](const peer_hello& x) { return welcome(x); },
  };
}

void cluster_state::run_inlet() {
  for (auto& one : outside->take())
    one();
}

void cluster_state::ask(etcd::request what, std::chrono::milliseconds limit,
                        std::function<void(const etcd::result&)> then) {
  ask_always(std::move(what), limit, [this, life = era, then = std::move(then)](const auto& said) {
    if (life == era)
      then(said);
  });
}

void cluster_state::ask_always(etcd::request what, std::chrono::milliseconds limit,
                               std::function<void(const etcd::result&)> then) {
  auto id = ++last_awaited;
  awaited.emplace(id, std::move(then));
  ports.etcd->perform(std::move(what), limit, [this, to = outside, id](etcd::result said) {
    to->add([this, id, said = std::move(said)] {
      auto found = awaited.extract(id);
      found.mapped()(said);
    });
  });
}

void cluster_state::later(caf::timespan pause, std::function<void()> what) {
  self->run_delayed(pause, [this, life = era, what = std::move(what)] {
    if (life == era)
      what();
  });
}

cluster_report cluster_state::report() const {
  cluster_report result;
  result.clustered = true;
  result.self = cfg.node;
  result.member = member();
  result.leader = seen.leader.node;
  result.limited = cfg.global_rps != 0;
  result.budget = slice;
  std::map<std::string, std::uint32_t> owned;
  for (shard_id i = 0; i < shard_count; ++i) {
    const auto& owner = seen.shards[i].node;
    if (owner.empty())
      ++result.unowned;
    else
      ++owned[owner];
    bool leaves = !owner.empty() && !seen.target(i).empty() && owner != seen.target(i);
    if (leaves || held[i] == holding::gaining)
      ++result.moving;
  }
  for (const auto& [node, x] : seen.nodes) {
    auto& row = result.nodes.emplace_back();
    row.name = node;
    row.version = x.what.version;
    row.address = x.what.address;
    row.capacity = x.what.capacity;
    row.shards = owned[node];
    row.draining = seen.is_draining(node);
    row.leader = node == seen.leader.node;
    auto known = peers.find(node);
    row.reachable = node == cfg.node || (known != peers.end() && known->second.known);
    row.joined = x.joined;
  }
  return result;
}

} // namespace troupe::clustering

namespace troupe {

cluster_actor spawn_cluster(caf::actor_system& sys, cluster_config config, cluster_ports ports) {
  using impl = clustering::cluster_impl::stateful_impl<clustering::cluster_state>;
  return sys.spawn<impl>(std::move(config), std::move(ports));
}

} // namespace troupe
