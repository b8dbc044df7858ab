#include "actors/gateway/session.hpp"

#include <boost/asio/co_spawn.hpp>

namespace troupe::gateway {

void run_plain(std::shared_ptr<context> ctx, net::tcp_socket socket) {
  auto executor = ctx->lane().executor();
  auto self = std::make_shared<session<net::tcp_socket>>(std::move(ctx), std::move(socket));
  net::asio::co_spawn(executor, session<net::tcp_socket>::run(std::move(self)), ended);
}

} // namespace troupe::gateway
