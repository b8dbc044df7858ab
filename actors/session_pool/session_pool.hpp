#pragma once
#include "messages/session_pool.hpp"
#include "runtime/net/upstream_port.hpp"

#include <caf/fwd.hpp>

#include <functional>
#include <memory>

namespace troupe {

/// Places are for requests and file downloads, min(max_connections, max_per_host) of them as there
/// is one upstream. Files have max_downloads of them at most, and leave requests one at least. An
/// eighth of the places (at least one, at most max_downloads) is kept for files; all others are the
/// governor's credits, and when files have more than that eighth, fewer. One bot has at most half of
/// the places for files (at least one). If there is but one place, requests and files have it in
/// turn. Polls have their own. The limits change live by a message of that type.
struct session_pool_config : pool_limits {
  std::uint32_t max_waiting = 10'000; ///< Waiters of one kind; beyond, no_session at once.
  std::uint16_t lanes = 1;            ///< I/O threads.
};

struct session_pool_ports {
  std::shared_ptr<net::session_port> sessions;
  /// The governor now; empty while there is none. Asked at each use.
  std::function<rate_governor_actor()> governor;
};

/// Places for requests under these limits: what the governor has as credits at first.
[[nodiscard]] std::uint32_t request_places(const pool_limits& limits) noexcept;

/// Places that file downloads may have under these limits.
[[nodiscard]] std::uint32_t file_places(const pool_limits& limits) noexcept;

/// Spawns the pool; it closes all connections of earlier pools and tells the governor its capacity.
session_pool_actor spawn_session_pool(caf::actor_system& sys, session_pool_config config,
                                      session_pool_ports ports);

} // namespace troupe
