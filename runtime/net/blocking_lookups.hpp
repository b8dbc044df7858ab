#pragma once
#include "runtime/net/dns_cache.hpp"

#include <cstddef>
#include <functional>
#include <string>

namespace troupe::net {

/// Asks for a host's addresses and does not return before it knows.
using blocking_lookup =
  std::function<dns_cache::address_list(const std::string& host, boost::system::error_code& ec)>;

/// The system's resolver blocks, for a name whose servers are silent half a minute. So lookups have
/// threads, those of one result of this only: such a name holds up no other before there are as
/// many of them as threads, and never one that somebody else asks for. A thread lives while lookups
/// wait.
/// @param how the system's resolver if empty
[[nodiscard]] dns_cache::resolver resolve_on_threads(blocking_lookup how = {},
                                                     std::size_t most_threads = 32);

} // namespace troupe::net
