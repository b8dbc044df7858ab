#pragma once
#include "messages/api_peer.hpp"

#include <caf/fwd.hpp>

#include <memory>

/// What other nodes' control APIs ask of this one. Private to this folder.
namespace troupe::api {

struct context;

[[nodiscard]] api_peer_actor spawn_peer(caf::actor_system& sys, std::weak_ptr<context> ctx);

} // namespace troupe::api
