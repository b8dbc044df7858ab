#pragma once
#include <string>
#include <string_view>
#include <variant>

namespace troupe::net {

/// Where requests go: the parts of an upstream's URL, ready for resolver, TLS and request heads.
struct target {
  bool tls = true;
  std::string host;        ///< Name or address; an IPv6 address without its brackets.
  std::string port;        ///< Decimal, 1–65535.
  std::string prefix;      ///< Path before "/bot…": empty, or "/x/y" without a trailing slash.
  std::string host_header; ///< What goes into `Host`: the port only when it is not the scheme's.
  friend bool operator==(const target&, const target&) = default;
};

/// Takes a URL like "https://api.telegram.org" or "http://127.0.0.1:8090/prefix" apart. User
/// names, queries and fragments are refused, as is anything that could not stand in a request head.
/// @returns The parts, or a sentence that says what is wrong (without the URL itself).
[[nodiscard]] std::variant<target, std::string> parse_target(std::string_view url);

} // namespace troupe::net
