#pragma once
#include "runtime/net/call_port.hpp"
#include "runtime/net/upstream.hpp"

namespace troupe::net {

/// Requests on the lanes' connections: element i belongs to lane i. The lanes outlive it.
[[nodiscard]] std::shared_ptr<call_port>
make_call_port(std::vector<std::shared_ptr<upstream_sessions>> lanes,
               std::vector<io_executor> executors);

} // namespace troupe::net
