#pragma once
#include "messages/handles.hpp"
#include "runtime/policy/grant_engine.hpp"

#include <caf/fwd.hpp>

#include <functional>
#include <memory>

namespace troupe {

/// Settings of the governor; rates are requests in any window of the named length, 0 = no limit.
struct rate_governor_config {
  std::uint32_t global_rps = 25;           ///< All bots together.
  std::uint32_t tenant_rps = 0;            ///< The bots of one tenant.
  std::uint32_t bot_rps = 30;              ///< One bot, unless it has a rate of its own.
  std::uint32_t chat_rps = 3;              ///< Messages to one private chat, ...
  std::uint32_t chat_per_20s = 20;         ///< ... and in 20 s.
  std::uint32_t group_rpm = 20;            ///< Messages to one group, in 60 s.
  std::uint32_t paid_broadcast_rps = 1000; ///< One bot, requests that pay for it included.
  std::size_t max_windows = 1'000'000;     ///< Of bots, chats, groups each.
  std::size_t max_waiting = 200'000;       ///< Requests in the queue; more are refused.
  /// A request let through a half-open upstream that is not heard of for so long is lost.
  duration probe_timeout = std::chrono::seconds{65};
};

/// What the governor sees of the rest of the node.
struct rate_governor_ports {
  std::function<session_pool_actor()> pool; ///< Asked at each use; may return an empty handle.
  unseen_past past = unseen_past::none();   ///< For the first governor that uses `memory`.
  /// What outlives a governor; each governor of a node gets the same, one at a time. Without it,
  /// each one starts with `past`.
  std::shared_ptr<grant_memory> memory;
};

/// Spawns a governor. It asks the pool for its capacity, and until it has it grants nothing.
rate_governor_actor spawn_rate_governor(caf::actor_system& sys, rate_governor_config cfg,
                                        rate_governor_ports ports);

} // namespace troupe
