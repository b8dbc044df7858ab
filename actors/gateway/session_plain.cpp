#include "actors/gateway/session.hpp"

namespace troupe::gateway {

void run_plain(std::shared_ptr<context> ctx, net::tcp_socket socket) {
  auto self = std::make_shared<session<net::tcp_socket>>(std::move(ctx), std::move(socket));
  net::spawn(session<net::tcp_socket>::run(std::move(self)), ended);
}

} // namespace troupe::gateway
