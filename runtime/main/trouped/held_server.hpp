#pragma once
#include "runtime/net/http_server.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>

#include <memory>

namespace troupe {

/// A listener as a child of a supervisor: an actor named `Name::text` that does nothing but hold its
/// server, which ends with it.
template <class Name>
struct held_server {
  static inline const char* name = Name::text;

  held_server(caf::event_based_actor*, std::shared_ptr<net::http_server> server)
    : server(std::move(server)) {}

  caf::behavior make_behavior() {
    return {[](caf::ok_atom) {}};
  }

  std::shared_ptr<net::http_server> server;
};

/// Starts the server and spawns its actor.
/// @throws std::runtime_error with a sentence for people when the address cannot be bound
template <class Name>
caf::actor spawn_held_server(caf::actor_system& sys, net::http_server_config config,
                             net::http_handler handler) {
  auto server = std::make_shared<net::http_server>(std::move(config), std::move(handler));
  server->start();
  return sys.spawn<caf::stateful_actor<held_server<Name>>>(std::move(server));
}

} // namespace troupe
