#pragma once
#include "runtime/relay/lane.hpp"

namespace troupe::relay {

/// How the exchange on one connection went.
struct talked {
  bool reusable = false;
  bool untouched = false; ///< It ended before a byte of an answer came.
};

/// The request's head.
[[nodiscard]] std::string head_of(const post& what, std::int64_t wall_seconds);

/// Sends the POST and reads the answer into `x.result`: answered, or broken.
asio::awaitable<void, net::io_executor> talk(connection& on, exchange& x, talked& how);

} // namespace troupe::relay
