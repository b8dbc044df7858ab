#pragma once
#include "runtime/api/ports.hpp"
#include "runtime/net/http_server.hpp"

namespace troupe::api {

/// The handler of a net::http_server that serves the control API.
///
///     net::http_server_config config{.address = …, .port = …, .threads = 1};
///     api::configure(config);
///     net::http_server listener{std::move(config), api::make_handler(ports)};
///     listener.start();
///
/// The listener must stop before the actor system ends.
[[nodiscard]] net::http_handler make_handler(ports from);

/// Sets what the control API needs of its server: the largest body, and problem documents for what
/// never reaches the handler.
void configure(net::http_server_config& to);

} // namespace troupe::api
