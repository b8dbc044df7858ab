#pragma once
#include "runtime/api/ports.hpp"
#include "runtime/net/http_server.hpp"

namespace troupe::api {

/// The handler of a net::http_server that serves the control API.
///
///     net::http_server listener{{.address = …, .port = …, .threads = 1},
///     api::make_handler(ports)}; listener.start();
///
/// The listener must stop before the actor system ends.
[[nodiscard]] net::http_handler make_handler(ports from);

} // namespace troupe::api
