#include "runtime/net/reserved_port.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <cstring>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::net {

reserved_port::reserved_port(const std::string& setting, const std::string& address,
                             std::uint16_t port) {
  using boost::asio::ip::tcp;
  auto fail = [&](const std::string& why) {
    if (socket_ >= 0)
      ::close(socket_);
    throw std::runtime_error{setting + ": cannot listen on " + address + ":" + std::to_string(port)
                             + ": " + why};
  };
  boost::system::error_code ec;
  auto parsed = boost::asio::ip::make_address(address, ec);
  if (ec)
    fail("not an IP address");
  tcp::endpoint where{parsed, port};
  socket_ = ::socket(where.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  if (socket_ < 0 || ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
    fail(std::strerror(errno));
  // Without SO_REUSEPORT first: a port that another program listens on must be an error here,
  // even if that program shares it.
  if (port != 0) {
    if (::bind(socket_, where.data(), static_cast<socklen_t>(where.size())) != 0)
      fail(std::strerror(errno));
    ::close(socket_);
    socket_ = ::socket(where.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  if (::setsockopt(socket_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0
      || ::bind(socket_, where.data(), static_cast<socklen_t>(where.size())) != 0)
    fail(std::strerror(errno));
  socklen_t size = static_cast<socklen_t>(where.capacity());
  if (::getsockname(socket_, where.data(), &size) != 0)
    fail(std::strerror(errno));
  where.resize(size);
  number_ = where.port();
}

reserved_port::~reserved_port() {
  ::close(socket_);
}

} // namespace troupe::net
