#pragma once
#include "runtime/etcd/dialer.hpp"

#include <functional>
#include <string_view>

namespace troupe::etcd {

/// How a POST went.
struct answer {
  unsigned status = 0; ///< Of HTTP; 0: none came.
  std::string body;    ///< What no line was made of.
  bool whole = false;  ///< The answer is complete.
  bool reusable = false;
  std::string reason; ///< When it is not whole.
};

/// Takes a line of a streamed answer; false: that is enough.
using line_taker = std::function<bool(std::string_view)>;

/// The request, head and body.
[[nodiscard]] std::string request_text(const std::string& host, std::string_view path,
                                       std::string_view body);

/// Sends a request and reads its answer. With `each`, an answer of status 200 is a stream of lines,
/// told as they come.
step<void> talk(net::client_connection& on, const std::string& request, const line_taker& each,
                answer& how);

} // namespace troupe::etcd
