#include "runtime/relay/address_guard.hpp"

#include <array>
#include <cstddef>

namespace troupe::relay {
namespace {

struct network4 {
  std::uint32_t address;
  unsigned bits;
  std::string_view name;
};

constexpr std::uint32_t ip(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

constexpr std::array networks4{
  network4{ip(0, 0, 0, 0), 8, "this network"},
  network4{ip(10, 0, 0, 0), 8, "private"},
  network4{ip(100, 64, 0, 0), 10, "shared address space"}, // Alibaba's metadata, too.
  network4{ip(127, 0, 0, 0), 8, "loopback"},
  network4{ip(168, 63, 129, 16), 32, "metadata"}, // Azure's platform.
  network4{ip(169, 254, 0, 0), 16, "link-local"}, // Most clouds' metadata.
  network4{ip(172, 16, 0, 0), 12, "private"},
  network4{ip(192, 0, 0, 0), 24, "protocol assignments"}, // Oracle's metadata, too.
  network4{ip(192, 0, 2, 0), 24, "documentation"},
  network4{ip(192, 31, 196, 0), 24, "AS112"},
  network4{ip(192, 52, 193, 0), 24, "AMT"},
  network4{ip(192, 88, 99, 0), 24, "6to4 relays"},
  network4{ip(192, 168, 0, 0), 16, "private"},
  network4{ip(192, 175, 48, 0), 24, "AS112"},
  network4{ip(198, 18, 0, 0), 15, "benchmarking"},
  network4{ip(198, 51, 100, 0), 24, "documentation"},
  network4{ip(203, 0, 113, 0), 24, "documentation"},
  network4{ip(224, 0, 0, 0), 4, "multicast"},
  network4{ip(255, 255, 255, 255), 32, "broadcast"},
  network4{ip(240, 0, 0, 0), 4, "reserved"},
};

using bytes6 = std::array<std::uint8_t, 16>;

struct network6 {
  std::array<std::uint16_t, 8> address;
  unsigned bits;
  std::string_view name;
  /// At which byte an IPv4 address stands by which it is judged; 0: none, it is refused.
  std::size_t embedded = 0;
};

constexpr std::array networks6{
  network6{{0, 0, 0, 0, 0, 0, 0, 0}, 128, "unspecified"},
  network6{{0, 0, 0, 0, 0, 0, 0, 1}, 128, "loopback"},
  network6{{0, 0, 0, 0, 0, 0xffff}, 96, "IPv4-mapped", 12},
  network6{{0x64, 0xff9b}, 96, "NAT64", 12},
  network6{{0x2001, 0}, 23, "protocol assignments"}, // Teredo, benchmarking, ORCHID, …
  network6{{0x2001, 0xdb8}, 32, "documentation"},
  network6{{0x2002}, 16, "6to4"},
  network6{{0x2620, 0x4f, 0x8000}, 48, "AS112"},
  network6{{0x3fff}, 20, "documentation"},
  network6{{0xfc00}, 7, "unique local"},
  network6{{0xfe80}, 10, "link-local"},
  network6{{0xfec0}, 10, "site-local"},
  network6{{0xff00}, 8, "multicast"},
};

std::string_view special4(std::uint32_t address) noexcept {
  for (const auto& x : networks4) {
    auto mask = ~std::uint32_t{0} << (32 - x.bits);
    if ((address & mask) == x.address)
      return x.name;
  }
  return {};
}

bool within(const bytes6& address, const network6& x) noexcept {
  for (unsigned bit = 0; bit < x.bits; bit += 8) {
    auto word = x.address[bit / 16];
    auto wanted = static_cast<std::uint8_t>(bit % 16 == 0 ? word >> 8 : word & 0xff);
    auto left = x.bits - bit;
    auto mask = static_cast<std::uint8_t>(left >= 8 ? 0xff : 0xff << (8 - left));
    if ((address[bit / 8] & mask) != (wanted & mask))
      return false;
  }
  return true;
}

std::string_view special6(const bytes6& address) noexcept {
  for (const auto& x : networks6) {
    if (!within(address, x))
      continue;
    if (x.embedded == 0)
      return x.name;
    return special4(ip(address[x.embedded], address[x.embedded + 1], address[x.embedded + 2],
                       address[x.embedded + 3]));
  }
  // All that is given out to anybody is in 2000::/3 (RFC 4291, 2.4).
  return (address[0] & 0xe0) == 0x20 ? std::string_view{} : std::string_view{"reserved"};
}

} // namespace

std::string_view special_network(std::span<const std::uint8_t> bytes) noexcept {
  if (bytes.size() == 4)
    return special4(ip(bytes[0], bytes[1], bytes[2], bytes[3]));
  if (bytes.size() != 16)
    return "no address";
  bytes6 address{};
  for (std::size_t i = 0; i < address.size(); ++i)
    address[i] = bytes[i];
  return special6(address);
}

} // namespace troupe::relay
