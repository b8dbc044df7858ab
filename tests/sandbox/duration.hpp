#pragma once
#include <chrono>
#include <optional>
#include <string_view>

namespace troupe::sandbox {

/// A time that varies evenly by up to `spread` either way: "50ms±20ms".
struct delay {
  std::chrono::microseconds mean{0};
  std::chrono::microseconds spread{0};

  explicit operator bool() const noexcept { return mean.count() > 0 || spread.count() > 0; }
  /// A random value of it, never negative.
  [[nodiscard]] std::chrono::microseconds draw() const;
};

/// "250us", "50ms", "1.5s", "2m", "1h"; a bare number counts milliseconds. Nullopt if it is none.
[[nodiscard]] std::optional<std::chrono::microseconds> parse_duration(std::string_view text);

/// A duration, or two joined by "±" (or "+-").
[[nodiscard]] std::optional<delay> parse_delay(std::string_view text);

} // namespace troupe::sandbox
