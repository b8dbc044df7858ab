#pragma once
#include "runtime/net/dns_cache.hpp"
#include "runtime/relay/port.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe::relay {

/// POSTs on the lanes' threads; all to one host go by one lane, which keeps its connections.
/// @param executors not empty; their contexts run until they are destroyed, and outlive nothing
/// @param dns its own, not that of the upstream: tenants name what is in it
/// @param ca_file PEM file of trusted authorities; empty: the system's
/// @throws boost::system::system_error if ca_file cannot be read
[[nodiscard]] std::shared_ptr<port> make_port(std::vector<net::io_executor> executors,
                                              std::shared_ptr<net::dns_cache> dns,
                                              const std::string& ca_file);

} // namespace troupe::relay
