#pragma once
#include "runtime/api/ports.hpp"
#include "runtime/net/http_server.hpp"

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

namespace troupe {

/// Spawns the actor that owns the control API's listener: as long as it lives, the API is served.
/// @throws std::runtime_error with a sentence for people when the address cannot be bound
caf::actor spawn_api_listener(caf::actor_system& sys, net::http_server_config config,
                              api::ports ports);

} // namespace troupe
