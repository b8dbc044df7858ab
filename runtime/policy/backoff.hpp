#pragma once
#include "runtime/policy/time.hpp"

#include <algorithm>
#include <cstdint>

namespace troupe {

/// Exponential backoff with jitter: delay n is `first` × `factor`ⁿ⁻¹ times a random number between
/// `jitter_low` and `jitter_high`, never more than `longest`.
struct backoff {
  duration first = std::chrono::seconds{1};
  double factor = 2.0;
  duration longest = std::chrono::seconds{30};
  double jitter_low = 0.5;
  double jitter_high = 1.5;

  friend bool operator==(const backoff&, const backoff&) = default;

  /// The delay before retry number `retry` (1 for the first).
  /// @param random evenly distributed in [0, 1), drawn by the caller
  [[nodiscard]] duration delay(std::uint32_t retry, double random) const noexcept {
    auto top = static_cast<double>(longest.count());
    auto base = std::min(static_cast<double>(first.count()), top);
    for (std::uint32_t i = 1; i < retry && base < top; ++i)
      base = std::min(base * factor, top);
    // Near the top the range is cut, not the result: otherwise half of all delays would be
    // exactly `longest`, and callers that failed together would come back together.
    auto low = base * jitter_low;
    auto high = std::min(base * jitter_high, top);
    return duration{static_cast<duration::rep>(low + (high - low) * std::clamp(random, 0.0, 1.0))};
  }
};

} // namespace troupe
