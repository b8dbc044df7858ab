#include "runtime/api/client_address.hpp"

#include <algorithm>

namespace troupe::api {
namespace {

using config::network;

/// An element of X-Forwarded-For: an address, perhaps with a port.
std::optional<network> forwarded_address(std::string_view text) {
  if (auto plain = network::parse(text))
    return text.find('/') == std::string_view::npos ? plain : std::nullopt;
  if (text.starts_with('[')) {
    auto close = text.find(']');
    return close == std::string_view::npos ? std::nullopt : network::parse(text.substr(1, close - 1));
  }
  auto colon = text.find(':');
  if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos)
    return std::nullopt;
  return network::parse(text.substr(0, colon));
}

} // namespace

std::string client_address(std::string_view peer, std::string_view forwarded,
                           std::span<const network> trusted) {
  auto is_trusted = [&](const network& x) {
    return std::any_of(trusted.begin(), trusted.end(),
                       [&](const network& one) { return one.holds(x); });
  };
  auto current = network::parse(peer);
  if (!current)
    return std::string{peer};
  while (is_trusted(*current) && !forwarded.empty()) {
    auto comma = forwarded.rfind(',');
    auto begin = comma == std::string_view::npos ? 0 : comma + 1;
    auto next = forwarded_address(config::trimmed(forwarded.substr(begin)));
    if (!next)
      break;
    current = next;
    forwarded = forwarded.substr(0, comma == std::string_view::npos ? 0 : comma);
  }
  return current->address();
}

std::string client_group(std::string_view address) {
  auto parsed = network::parse(address);
  if (!parsed || parsed->is_ipv4())
    return std::string{address};
  std::fill(parsed->bytes.begin() + 8, parsed->bytes.end(), std::uint8_t{0});
  return parsed->address() + "/64";
}

} // namespace troupe::api
