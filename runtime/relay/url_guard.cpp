#include "runtime/relay/url_guard.hpp"
#include "runtime/relay/address_guard.hpp"
#include "runtime/relay/url.hpp"

#include <boost/asio/ip/address_v6.hpp>

#include <array>
#include <bit>
#include <cstdint>

#include <arpa/inet.h>

namespace troupe::relay {
namespace {

/// The network that forbids a host which is an address itself; empty for names and public ones.
std::string_view network_of(const std::string& host) {
  in_addr number{};
  if (::inet_aton(host.c_str(), &number) != 0) { // 127.1 and 0x7f000001, too, as resolvers do.
    auto bytes = std::bit_cast<std::array<std::uint8_t, 4>>(number.s_addr);
    return special_network(bytes);
  }
  boost::system::error_code ec;
  auto wide = boost::asio::ip::make_address_v6(host, ec);
  if (ec)
    return {};
  auto bytes = wide.to_bytes();
  return special_network(bytes);
}

bool is_this_machine(std::string_view host) {
  return host == "localhost" || host.ends_with(".localhost"); // RFC 6761.
}

} // namespace

std::string wrong_to_deliver_to(std::string_view text) {
  auto parts = parse_url(text);
  if (auto* wrong = std::get_if<std::string>(&parts))
    return std::move(*wrong);
  const auto& where = std::get<url>(parts).where;
  if (!where.tls)
    return "must begin with https://";
  auto host = where.host;
  for (auto& c : host)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (host.ends_with('.'))
    host.pop_back();
  auto network = is_this_machine(host) ? std::string_view{"loopback"} : network_of(host);
  if (network.empty())
    return {};
  return "leads to an address that may not be used (" + std::string{network} + ")";
}

} // namespace troupe::relay
