#pragma once
#include "runtime/net/lane.hpp"

namespace troupe::net {

/// A fresh socket in place of `socket`, to be connected to `peer`: what was sent goes at once.
/// @returns why it cannot be opened, such as IPv6 where there is none
[[nodiscard]] boost::system::error_code reopen(tcp_socket& socket,
                                               const asio::ip::tcp::endpoint& peer) noexcept;

} // namespace troupe::net
