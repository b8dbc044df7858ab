#pragma once
#include <string>
#include <string_view>

namespace troupe::relay {

/// Why nothing would be delivered to a URL, as far as that can be told without asking for its
/// host's addresses: plain HTTP, an address of a special-purpose network however it is written, a
/// name that always means this machine. Whatever passes is looked at again when it is connected to.
/// @returns the rest of a sentence that begins with what the URL is; empty when nothing is wrong
[[nodiscard]] std::string wrong_to_deliver_to(std::string_view url);

} // namespace troupe::relay
