#pragma once
#include "runtime/net/call_port.hpp"
#include "runtime/net/upstream.hpp"

namespace troupe::net {

/// Who says whether a request may go out now: a node of many, whose lease may be over.
struct start_rule {
  /// The life in which it may; 0: it may not. Empty: it always may.
  std::function<std::int64_t()> may_begin;
  /// A request went out behind the end of the life in which it began.
  std::function<void()> late;
};

/// Requests on the lanes' connections: element i belongs to lane i. The lanes outlive it.
[[nodiscard]] std::shared_ptr<call_port>
make_call_port(std::vector<std::shared_ptr<upstream_sessions>> lanes,
               std::vector<io_executor> executors, start_rule rule = {});

} // namespace troupe::net
