#pragma once
#include "actors/tree/tree.hpp"
#include "runtime/config/settings.hpp"

namespace troupe {

/// What the config files mean to the actors. The gateway's port is left to its listener.
tree_config actor_settings(const config::settings& s);

/// @throws std::runtime_error when session-pool.api-root is no URL
net::upstream_options upstream_settings(const config::session_pool_settings& s);

net::dns_options dns_settings(const config::session_pool_settings& s);

} // namespace troupe
