#include "runtime/net/awaited.hpp"

#include <cerrno>

#include <sys/socket.h>
#include <sys/uio.h>

namespace troupe::net {

std::size_t send_now(tcp_socket& socket, std::string_view first, std::string_view second,
                     boost::system::error_code& ec) noexcept {
  std::array<iovec, 2> parts{{{const_cast<char*>(first.data()), first.size()},
                              {const_cast<char*>(second.data()), second.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  auto sent = ::sendmsg(socket.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0)
    return static_cast<std::size_t>(sent);
  if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
    ec.assign(errno, boost::system::system_category());
  return 0;
}

} // namespace troupe::net
