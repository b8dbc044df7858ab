#include "actors/cluster/state.hpp"
#include "runtime/log/log.hpp"

#include <algorithm>

/// Shards come and go as the plan says.
namespace troupe::clustering {
namespace {

constexpr std::chrono::milliseconds claim_limit{2'000};
/// Keys in one transaction: etcd takes 128 operations unless it is told otherwise.
constexpr std::size_t most_at_once = 100;

} // namespace

/// The world changed: everything that follows from it is begun.
void cluster_state::reconcile() {
  if (!in)
    return;
  if (!keeper->holds(now()))
    return lose("the lease was not kept in time");
  auto me = seen.nodes.find(cfg.node);
  if (me == seen.nodes.end() || me->second.lease != lease)
    return lose("the node's key is gone");
  if (!keeps_shards())
    return lose("a shard's key is gone");
  keep_record(me->second.what);
  campaign();
  lead();
  own();
  meet();
  publish();
  check_left();
}

/// What is served here is ours in etcd as well. Only somebody's hand takes a key away from under a
/// lease that holds; then anybody may have the shard.
bool cluster_state::keeps_shards() const {
  for (shard_id i = 0; i < shard_count; ++i) {
    bool mine = seen.shards[i].node == cfg.node && seen.shards[i].lease == lease;
    if (!mine && (held[i] == holding::gaining || held[i] == holding::serving))
      return false;
  }
  return true;
}

void cluster_state::own() {
  std::vector<shard_id> wanted;
  std::vector<shard_id> unwanted;
  std::vector<shard_hold> ours;
  for (shard_id i = 0; i < shard_count; ++i) {
    const auto& owner = seen.shards[i];
    const auto& target = seen.target(i);
    bool mine = owner.node == cfg.node && owner.lease == lease;
    if (mine && held[i] == holding::none) {
      held[i] = holding::gaining;
      fences[i] = owner.fence;
      ours.push_back({i, owner.fence});
    } else if (mine && held[i] == holding::serving && !target.empty() && target != cfg.node) {
      unwanted.push_back(i);
    } else if (owner.node.empty() && held[i] == holding::none && target == cfg.node) {
      wanted.push_back(i);
    }
  }
  if (!ours.empty()) {
    for (const auto& one : ours)
      ports.view->set_fence(one.shard, one.revision, now());
    gained(std::move(ours), 0);
  }
  if (!unwanted.empty())
    release(std::move(unwanted));
  if (!wanted.empty() && claiming == 0)
    claim(std::move(wanted));
}

/// Puts our name on shards that nobody has. The watch tells which of them are ours by then.
void cluster_state::claim(std::vector<shard_id> wanted) {
  for (std::size_t from = 0; from < wanted.size(); from += most_at_once) {
    etcd::txn what;
    what.when.push_back({.key = keys.node(cfg.node),
                         .of = etcd::compare::part::created,
                         .number = seen.nodes.at(cfg.node).joined});
    for (auto i = from; i < std::min(from + most_at_once, wanted.size()); ++i) {
      auto key = keys.shard(wanted[i]);
      what.when.push_back({.key = key, .of = etcd::compare::part::created, .number = 0});
      what.then.emplace_back(etcd::put{key, cfg.node, lease});
    }
    ++claiming;
    ask(std::move(what), claim_limit, [this](const etcd::result& said) {
      --claiming;
      // Taken by another in between, or not heard: what the watch tells decides what is tried next.
      if (said.what != etcd::status::done || !said.value.succeeded)
        later(cfg.retry, [this] { reconcile(); });
      else if (claiming == 0)
        reconcile();
    });
  }
}

/// Tells one room after the other; one that is being restarted is told again.
void cluster_state::gained(std::vector<shard_hold> what, std::size_t room) {
  std::erase_if(what, [this](const auto& x) {
    return held[x.shard] != holding::gaining || fences[x.shard] != x.revision;
  });
  if (what.empty())
    return;
  if (room == ports.rooms.size()) {
    for (const auto& one : what) {
      held[one.shard] = holding::serving;
      ports.view->set_ready(one.shard, true);
    }
    log::event(log::level::info, "shard.acquired", name,
               {{"shards", static_cast<std::int64_t>(what.size())},
                {"first", static_cast<std::int64_t>(what.front().shard)}});
    return reconcile(); // They may be another's by now.
  }
  auto again = [this, what, room] { later(cfg.retry, [this, what, room] { gained(what, room); }); };
  auto who = ports.rooms[room]();
  if (!who)
    return again();
  self->request(who, caf::infinite, shards_gained{what})
    .then(
      [this, what, room, life = era](const done&) {
        if (life == era)
          gained(what, room + 1);
      },
      [again, life = era, this](const caf::error&) {
        if (life == era)
          again();
      });
}

/// The rooms give them up, the last first; then our name is taken off.
void cluster_state::release(std::vector<shard_id> what) {
  for (auto i : what) {
    held[i] = holding::leaving;
    ports.view->set_ready(i, false);
  }
  released(std::move(what), ports.rooms.size());
}

void cluster_state::released(std::vector<shard_id> what, std::size_t room) {
  if (room == 0) {
    for (auto i : what)
      ports.view->set_fence(i, 0);
    log::event(log::level::info, "shard.released", name,
               {{"shards", static_cast<std::int64_t>(what.size())},
                {"first", static_cast<std::int64_t>(what.front())}});
    return give_back(std::move(what));
  }
  auto again = [this, what, room] {
    later(cfg.retry, [this, what, room] { released(what, room); });
  };
  auto who = ports.rooms[room - 1]();
  if (!who)
    return again();
  self->request(who, caf::infinite, shards_lost{what, true})
    .then(
      [this, what, room, life = era](const done&) {
        if (life == era)
          released(what, room - 1);
      },
      [again, life = era, this](const caf::error&) {
        if (life == era)
          again();
      });
}

void cluster_state::give_back(std::vector<shard_id> what) {
  for (std::size_t from = 0; from < what.size(); from += most_at_once) {
    etcd::txn change;
    std::vector<shard_id> part;
    for (auto i = from; i < std::min(from + most_at_once, what.size()); ++i) {
      part.push_back(what[i]);
      auto key = keys.shard(what[i]);
      change.when.push_back(
        {.key = key, .of = etcd::compare::part::created, .number = fences[what[i]]});
      change.then.emplace_back(etcd::erase{.key = key});
    }
    ask(std::move(change), claim_limit, [this, part](const etcd::result& said) {
      if (said.what == etcd::status::unavailable || said.what == etcd::status::unknown)
        return later(cfg.retry, [this, part] { give_back(part); });
      for (auto i : part) {
        held[i] = holding::none;
        // Until the watch tells of it.
        if (seen.shards[i].fence == fences[i])
          seen.shards[i] = {};
        fences[i] = 0;
      }
      reconcile();
    });
  }
}

} // namespace troupe::clustering
