#pragma once
#include "messages/handles.hpp"
#include "runtime/registry/slot.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace troupe {

struct update_services; // update_services.hpp
class cluster_view;     // cluster_view.hpp

/// The node's services, as everybody finds them. Passed around as std::shared_ptr<services>.
struct services {
  /// @param shards How many supervisors of bots there are, at least 1.
  explicit services(std::size_t shards = 1) : bots(shards == 0 ? 1 : shards) {}

  service_slot<health_actor> health;
  service_slot<rate_governor_actor> rate_governor;
  service_slot<session_pool_actor> session_pool;
  std::vector<service_slot<bots_actor>> bots; ///< One per shard of bots; its size never changes.
  /// What deals with updates; null where nothing is stored.
  std::shared_ptr<update_services> updates;
  /// This node among others; null for a node by itself. Set before anything runs.
  std::shared_ptr<cluster_view> cluster;

  /// Which shard a bot belongs to.
  [[nodiscard]] std::size_t shard_of(bot_id bot) const noexcept {
    // Fibonacci hashing: Telegram's bot numbers are not evenly spread.
    auto mixed = static_cast<std::uint64_t>(bot) * 0x9E3779B97F4A7C15u;
    return static_cast<std::size_t>((mixed >> 32) % bots.size());
  }

  /// The supervisor of a bot's shard; may be empty.
  [[nodiscard]] bots_actor bots_of(bot_id bot) const { return bots[shard_of(bot)].get(); }
};

} // namespace troupe
