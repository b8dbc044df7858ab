#include "runtime/main/trouped/api_listener.hpp"

#include "runtime/api/server.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>

namespace troupe {
namespace {

struct api_listener_state {
  static inline const char* name = "troupe.api";

  api_listener_state(caf::event_based_actor* self, std::shared_ptr<net::http_server> server)
    : self(self), server(std::move(server)) {}

  caf::behavior make_behavior() {
    return {[](caf::ok_atom) {}}; // It does nothing but hold the server.
  }

  caf::event_based_actor* self;
  std::shared_ptr<net::http_server> server;
};

} // namespace

caf::actor spawn_api_listener(caf::actor_system& sys, net::http_server_config config,
                              api::ports ports) {
  api::configure(config);
  auto server =
    std::make_shared<net::http_server>(std::move(config), api::make_handler(std::move(ports)));
  server->start();
  return sys.spawn<caf::stateful_actor<api_listener_state>>(std::move(server));
}

} // namespace troupe
