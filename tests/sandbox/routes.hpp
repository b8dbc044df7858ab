#pragma once
#include "tests/sandbox/world.hpp"

namespace troupe::sandbox {

class load_generator;

/// `/bot<token>/<method>`
net::http_pending serve_api(world& w, const net::http_request& request, net::http_response& out);

/// `/file/bot<token>/<path>`
void serve_file(world& w, const net::http_request& request, net::http_response& out);

/// What the control API needs besides the world.
struct control_context {
  world& w;
  load_generator& load;
  std::function<net::http_server_counts()> connections;
};

/// `/sandbox/…`
void serve_control(const control_context& context, const net::http_request& request,
                   net::http_response& out);

} // namespace troupe::sandbox
