#pragma once
#include "runtime/config/networks.hpp"

#include <span>

/// From where a request really comes.
namespace troupe::api {

/// The client's address: `peer`, unless that is a trusted proxy; then the last address of
/// `forwarded` (all X-Forwarded-For headers, joined by commas in their order) that no trusted proxy
/// has. What a proxy did not write can be anything, so the first that is no address ends the
/// search.
[[nodiscard]] std::string client_address(std::string_view peer, std::string_view forwarded,
                                         std::span<const config::network> trusted);

/// What counts as one client: an IPv4 address, or a /64 of IPv6, which one customer has at least.
[[nodiscard]] std::string client_group(std::string_view address);

} // namespace troupe::api
