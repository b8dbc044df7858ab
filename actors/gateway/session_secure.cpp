#include "actors/gateway/session.hpp"

#include <boost/asio/ssl/stream.hpp>

namespace troupe::gateway {

void run_secure(std::shared_ptr<context> ctx, net::tcp_socket socket) {
  using stream = net::asio::ssl::stream<net::tcp_socket>;
  auto tls = ctx->ports.tls;
  auto self = std::make_shared<session<stream>>(std::move(ctx), stream{std::move(socket), *tls});
  net::spawn(session<stream>::run(std::move(self)), ended);
}

} // namespace troupe::gateway
