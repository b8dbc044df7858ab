#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::config {

/// Addresses with a common beginning: "10.0.0.0/8", "::1". IPv4 is kept as IPv4-mapped IPv6, so
/// that `::ffff:10.0.0.1` and `10.0.0.1` are the same.
struct network {
  std::array<std::uint8_t, 16> bytes{};
  unsigned bits = 128;

  /// An address, with or without "/BITS".
  [[nodiscard]] static std::optional<network> parse(std::string_view text);
  [[nodiscard]] bool holds(const network& address) const noexcept;
  [[nodiscard]] bool is_ipv4() const noexcept;
  /// The address without "/BITS".
  [[nodiscard]] std::string address() const;

  friend bool operator==(const network&, const network&) = default;
};

/// Networks separated by commas and blanks; nothing if one of them is no network.
[[nodiscard]] std::optional<std::vector<network>> parse_networks(std::string_view text);

/// `text` without blanks and tabs around it.
[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept;

} // namespace troupe::config
