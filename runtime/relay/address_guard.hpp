#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace troupe::relay {

/// The special-purpose network that an address belongs to, or an IPv4 address that is embedded in
/// it: "loopback". Empty for addresses of the public Internet. Tenants' URLs must not lead to any
/// of these (server-side request forgery).
/// Source: IANA's IPv4 and IPv6 special-purpose address registries (RFC 6890 and successors), and
/// addresses at which clouds serve metadata.
/// @param bytes in network order, 4 or 16 of them
[[nodiscard]] std::string_view special_network(std::span<const std::uint8_t> bytes) noexcept;

} // namespace troupe::relay
