#pragma once
#include "runtime/config/schema.hpp"

#include <array>

// How a section's table is written. Defaults stand in settings.hpp.
#define AT(member) [](settings& s) -> field { return &s.member; }

namespace troupe::config {

inline constexpr double ms = 1e6;
inline constexpr double second = 1e9;
inline constexpr double minute = 60 * second;
inline constexpr double hour = 60 * minute;
inline constexpr double day = 24 * hour;
inline constexpr double kib = 1024;
inline constexpr double mib = 1024 * kib;

constexpr option changes_live(option x) noexcept {
  x.flags |= live;
  return x;
}

std::span<const option> node_section() noexcept;
std::span<const option> supervisor_section() noexcept;
std::span<const option> bot_section() noexcept;
std::span<const option> session_pool_section() noexcept;
std::span<const option> rate_governor_section() noexcept;
std::span<const option> health_section() noexcept;
std::span<const option> journal_section() noexcept;
std::span<const option> delivery_section() noexcept;
std::span<const option> store_section() noexcept;
std::span<const option> gateway_section() noexcept;
std::span<const option> api_section() noexcept;
std::span<const option> webhook_section() noexcept;
std::span<const option> cluster_section() noexcept;
std::span<const option> log_section() noexcept;
std::span<const option> secrets_section() noexcept;

} // namespace troupe::config
