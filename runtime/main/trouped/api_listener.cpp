#include "runtime/main/trouped/api_listener.hpp"

#include "runtime/api/server.hpp"
#include "runtime/main/trouped/held_server.hpp"

namespace troupe {
namespace {

struct api_listener_name {
  static constexpr const char* text = "troupe.api";
};

} // namespace

caf::actor spawn_api_listener(caf::actor_system& sys, net::http_server_config config,
                              api::ports ports) {
  api::configure(config);
  return spawn_held_server<api_listener_name>(sys, std::move(config),
                                          api::make_handler(std::move(ports)));
}

} // namespace troupe
