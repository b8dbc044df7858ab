#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace troupe::relay {

/// What a Retry-After field asks for: seconds, or the time until an HTTP date in any of its three
/// forms (RFC 9110, 5.6.7 and 10.2.3), at least 0. Nothing when it is neither.
/// @param now seconds since 1970
[[nodiscard]] std::optional<std::chrono::seconds> read_retry_after(std::string_view value,
                                                                   std::int64_t now);

} // namespace troupe::relay
