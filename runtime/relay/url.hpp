#pragma once
#include "runtime/net/target.hpp"

#include <string>
#include <string_view>
#include <variant>

namespace troupe::relay {

/// A tenant's URL, ready for resolver, TLS and request heads.
struct url {
  net::target where; ///< Its `prefix` is not used.
  std::string path;  ///< With the query; begins with a slash.

  /// Scheme, host and port: what may be shown.
  [[nodiscard]] std::string shown() const {
    return (where.tls ? "https://" : "http://") + where.host_header;
  }
};

/// Takes "https://host:port/path?query" apart; a fragment is left out, a user refused.
/// @returns The parts, or a sentence that says what is wrong, without the URL itself.
[[nodiscard]] std::variant<url, std::string> parse_url(std::string_view text);

} // namespace troupe::relay
