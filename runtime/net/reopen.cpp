#include "runtime/net/reopen.hpp"

namespace troupe::net {

boost::system::error_code reopen(tcp_socket& socket, const asio::ip::tcp::endpoint& peer) noexcept {
  boost::system::error_code ec, ignored;
  socket.close(ignored);
  socket.open(peer.protocol(), ec);
  if (!ec)
    socket.set_option(asio::ip::tcp::no_delay{true}, ignored);
  return ec;
}

} // namespace troupe::net
