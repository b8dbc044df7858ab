#pragma once
#include "messages/session_pool.hpp"
#include "runtime/net/upstream_port.hpp"

#include <caf/fwd.hpp>

#include <functional>
#include <memory>

namespace troupe {

/// Places are for requests and file downloads, min(max_connections, max_per_host) of them as there
/// is one upstream, and at least two. An eighth of them (at least one) is kept for files: all
/// others are the governor's credits, so a file could never get one of those. Polls have their own.
struct session_pool_config {
  std::uint32_t max_connections = 100; ///< In total, without long polls.
  std::uint32_t max_per_host = 30;     ///< To one upstream, without long polls.
  std::uint32_t max_per_bot = 10;      ///< Leases of one kind that one bot may have at once.
  std::uint32_t max_polls = 1000;      ///< Long polls at once, over all bots.
  std::uint32_t max_waiting = 10'000;  ///< Waiters of one kind; beyond, no_session at once.
  std::uint16_t lanes = 1;             ///< I/O threads.
  caf::timespan idle_timeout = std::chrono::seconds{50}; ///< Idle for longer: closed.
  caf::timespan max_age = std::chrono::seconds{600};     ///< Older: closed when it is idle.
};

struct session_pool_ports {
  std::shared_ptr<net::session_port> sessions;
  /// The governor now; empty while there is none. Asked at each use.
  std::function<rate_governor_actor()> governor;
};

/// Places for requests under a configuration: what the governor has as credits at first.
[[nodiscard]] std::uint32_t request_places(const session_pool_config& config) noexcept;

/// Places for file downloads under a configuration.
[[nodiscard]] std::uint32_t file_places(const session_pool_config& config) noexcept;

/// Spawns the pool; it closes all connections of earlier pools and tells the governor its capacity.
session_pool_actor spawn_session_pool(caf::actor_system& sys, session_pool_config config,
                                      session_pool_ports ports);

} // namespace troupe
