#include "runtime/config/networks.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace troupe::config {
namespace {

constexpr unsigned mapped_bits = 96;

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

} // namespace

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back()))
    text.remove_suffix(1);
  return text;
}

std::optional<network> network::parse(std::string_view text) {
  auto slash = text.find('/');
  std::string address{text.substr(0, slash)};
  if (address.find('\0') != std::string::npos) // Where the functions below stop reading.
    return std::nullopt;
  network result;
  auto is_v4 = ::inet_pton(AF_INET, address.c_str(), result.bytes.data() + 12) == 1;
  if (is_v4) {
    result.bytes[10] = result.bytes[11] = 0xff;
  } else if (::inet_pton(AF_INET6, address.c_str(), result.bytes.data()) != 1) {
    return std::nullopt;
  }
  if (slash == std::string_view::npos)
    return result;
  auto bits = text.substr(slash + 1);
  unsigned number = 0;
  auto [end, failed] = std::from_chars(bits.data(), bits.data() + bits.size(), number);
  if (failed != std::errc{} || end != bits.data() + bits.size() || number > (is_v4 ? 32u : 128u))
    return std::nullopt;
  result.bits = is_v4 ? number + mapped_bits : number;
  return result;
}

bool network::holds(const network& address) const noexcept {
  auto whole = bits / 8;
  if (!std::equal(bytes.begin(), bytes.begin() + whole, address.bytes.begin()))
    return false;
  auto rest = bits % 8;
  return rest == 0 || (bytes[whole] ^ address.bytes[whole]) >> (8 - rest) == 0;
}

std::optional<std::vector<network>> parse_networks(std::string_view text) {
  std::vector<network> all;
  while (!text.empty()) {
    auto end = std::min(text.find(','), text.size());
    auto one = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.empty())
      continue;
    auto parsed = network::parse(one);
    if (!parsed)
      return std::nullopt;
    all.push_back(*parsed);
  }
  return all;
}

bool network::is_ipv4() const noexcept {
  static constexpr std::array<std::uint8_t, 12> head{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(head.begin(), head.end(), bytes.begin());
}

std::string network::address() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (is_ipv4())
    ::inet_ntop(AF_INET, bytes.data() + 12, text, sizeof text);
  else
    ::inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

} // namespace troupe::config
