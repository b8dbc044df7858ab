#pragma once
#include "messages/api_peer.hpp"
#include "messages/cluster.hpp"
#include "runtime/policy/shard_map.hpp"
#include "runtime/registry/slot.hpp"

#include <caf/actor.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

namespace troupe {

/// Which shards of bots this node has and who has the others: written by the `cluster` actor, asked
/// by everybody at each use. Thread-safe; never blocks for long. A node by itself has none of this
/// (`services::cluster` is null): all bots are its own.
class cluster_view {
public:
  using time_point = std::chrono::steady_clock::time_point;

  // -- asked

  /// Whether the node may act for the bot at `now` (its actor's clock): it owns the shard, and its
  /// lease holds. To be asked at each act: a process that was paused notices nothing else.
  [[nodiscard]] bool serves(bot_id bot, time_point now) const noexcept {
    return holds(now) && owns(bot);
  }
  /// The lease alone.
  [[nodiscard]] bool holds(time_point now) const noexcept {
    return now.time_since_epoch().count() < lease_ends_.load(std::memory_order_acquire);
  }
  /// The life in which something may begin at `now`; 0: nothing may. Asked right before a request
  /// goes out, and again behind it: another answer means that it went out late.
  [[nodiscard]] std::int64_t may_begin(time_point now) const noexcept {
    return holds(now) ? life() : 0;
  }
  /// Whether the bot's shard is this node's, lease or not: who deals with it.
  [[nodiscard]] bool owns(bot_id bot) const noexcept { return fence_of(shard_of(bot)) != 0; }
  /// The fencing token of what is written for the shard; 0: it is not ours.
  [[nodiscard]] std::int64_t fence_of(shard_id shard) const noexcept {
    return fences_[shard].load(std::memory_order_acquire);
  }
  /// Whether the shard's bots are known here: until then, and from when it is given up, whoever
  /// asks for one waits.
  [[nodiscard]] bool is_ready(shard_id shard) const noexcept {
    return ready_[shard].load(std::memory_order_acquire);
  }
  /// This life of the node: a number that no other life of a node of this cluster has (the revision
  /// at which it joined). 0: it has not joined.
  [[nodiscard]] std::int64_t life() const noexcept { return life_.load(std::memory_order_acquire); }
  /// Since when the shard is ours.
  [[nodiscard]] time_point since(shard_id shard) const noexcept {
    return time_point{time_point::duration{since_[shard].load(std::memory_order_acquire)}};
  }
  /// Counts what other nodes said of changes among the shard's bots: what was learnt of one under
  /// another count may be true no more.
  [[nodiscard]] std::uint32_t changes(shard_id shard) const noexcept {
    return changes_[shard].load(std::memory_order_acquire);
  }
  /// All that the node owns.
  [[nodiscard]] std::vector<shard_hold> owned() const {
    std::vector<shard_hold> result;
    for (shard_id i = 0; i < shard_count; ++i)
      if (auto revision = fence_of(i))
        result.push_back({i, revision});
    return result;
  }

  /// Where requests for a bot of another node's go to: an actor that takes `peer_request`,
  /// `bot_find` and `box_filled`. Empty: it is ours, or nobody's just now, or cannot be reached.
  [[nodiscard]] caf::actor desk_of(bot_id bot) const {
    std::shared_lock lock{mutex_};
    auto owner = owners_[shard_of(bot)];
    return owner < desks_.size() ? desks_[owner].second : caf::actor{};
  }
  /// The desks of all other nodes that can be reached, by node.
  [[nodiscard]] std::vector<std::pair<std::string, caf::actor>> desks() const {
    std::shared_lock lock{mutex_};
    std::vector<std::pair<std::string, caf::actor>> result;
    for (const auto& one : desks_)
      if (one.second)
        result.push_back(one);
    return result;
  }

  /// How many nodes there are, this one included.
  [[nodiscard]] std::uint32_t nodes() const noexcept {
    return nodes_.load(std::memory_order_relaxed);
  }

  /// Whether it is another node of this cluster that said who it is.
  [[nodiscard]] bool knows(const caf::node_id& node) const {
    std::shared_lock lock{mutex_};
    return std::ranges::any_of(desks_,
                               [&](const auto& x) { return x.second && x.second.node() == node; });
  }

  /// The node's own.
  service_slot<cluster_actor> actor;
  /// The node's own: what other nodes ask of its control API.
  service_slot<api_peer_actor> api;

  // -- told

  void hold_until(time_point ends) noexcept {
    lease_ends_.store(ends.time_since_epoch().count(), std::memory_order_release);
  }
  /// @param revision 0: it is not ours any more
  void set_fence(shard_id shard, std::int64_t revision, time_point now = {}) noexcept {
    since_[shard].store(now.time_since_epoch().count(), std::memory_order_release);
    fences_[shard].store(revision, std::memory_order_release);
  }
  void set_ready(shard_id shard, bool ready) noexcept {
    ready_[shard].store(ready, std::memory_order_release);
  }
  void note_change(shard_id shard) noexcept {
    changes_[shard].fetch_add(1, std::memory_order_release);
  }
  void set_life(std::int64_t life) noexcept { life_.store(life, std::memory_order_release); }
  /// The lease in etcd, for an actor that takes over from one that died. 0: none.
  std::atomic<std::int64_t> lease{0};

  /// Requests to the upstream that went out, or may have, behind the end of the lease under which
  /// they began: the node stood still in between. Nothing refuses those; so they are counted.
  std::atomic<std::uint64_t> late_calls{0};

  /// @param owners indices into `desks`; `no_node` for none and for ourselves
  void set_others(std::vector<std::pair<std::string, caf::actor>> desks,
                  const shard_owners& owners) {
    nodes_.store(static_cast<std::uint32_t>(desks.size()) + 1, std::memory_order_relaxed);
    std::unique_lock lock{mutex_};
    desks_.swap(desks); // The old ones are let go behind the lock.
    owners_ = owners;
    lock.unlock();
  }

private:
  std::array<std::atomic<std::int64_t>, shard_count> fences_{};
  std::array<std::atomic<bool>, shard_count> ready_{};
  std::array<std::atomic<std::int64_t>, shard_count> since_{};
  std::array<std::atomic<std::uint32_t>, shard_count> changes_{};
  std::atomic<std::int64_t> life_{0};
  std::atomic<std::int64_t> lease_ends_{
    std::chrono::steady_clock::time_point::min().time_since_epoch().count()};
  std::atomic<std::uint32_t> nodes_{1};
  mutable std::shared_mutex mutex_;
  std::vector<std::pair<std::string, caf::actor>> desks_;
  shard_owners owners_ = unowned_shards();
};

} // namespace troupe
