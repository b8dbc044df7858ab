#pragma once
#include "runtime/policy/time.hpp"

#include <array>
#include <cstdint>

namespace troupe {

/// What an ended request says about health.
enum class verdict : std::uint8_t { success, client_error, rate_limited, failure };

/// Requests in a window, by how they ended.
struct health_totals {
  std::uint32_t requests = 0;
  std::uint32_t failures = 0;
  std::uint32_t client_errors = 0;
  std::uint32_t rate_limited = 0;
};

/// Error rates over a sliding window of time, in twelve buckets; the window's edge is exact to a
/// bucket (5 s of 60). Of fixed size, however many requests. `Count` saturates per bucket and kind.
template <class Count>
class basic_health_window {
public:
  static constexpr std::size_t bucket_count = 12;
  using totals = health_totals;

  /// Counts a request that ended at `at`. One that ended before the window is ignored.
  void record(duration length, time_point at, verdict what) noexcept;

  /// What ended within `length` before `now`, to a bucket.
  [[nodiscard]] totals sum(duration length, time_point now) const noexcept;

private:
  struct bucket {
    Count requests = 0;
    Count failures = 0;
    Count client_errors = 0;
    Count rate_limited = 0;
  };

  [[nodiscard]] static std::int64_t number(duration length, time_point at) noexcept {
    return at.time_since_epoch() / (length / static_cast<duration::rep>(bucket_count));
  }

  std::array<bucket, bucket_count> buckets_{};
  std::int64_t newest_ = 0; ///< Number of the newest bucket since the epoch.
};

using health_window = basic_health_window<std::uint16_t>;      ///< For one bot: about 100 bytes.
using wide_health_window = basic_health_window<std::uint32_t>; ///< For all bots together.

/// Exponentially weighted moving average; the first sample counts whole.
class ewma {
public:
  void record(double sample, double alpha) noexcept {
    value_ = started_ ? alpha * sample + (1 - alpha) * value_ : sample;
    started_ = true;
  }
  [[nodiscard]] double value() const noexcept { return value_; }

private:
  double value_ = 0;
  bool started_ = false;
};

/// How well requests go; same order as `health_status` in messages/health.hpp, which has one more.
enum class health_grade : std::uint8_t { healthy, degraded, unhealthy };

struct health_thresholds {
  std::uint32_t min_requests = 20; ///< Fewer in the window say nothing about its rate.
  double degraded = 0.2;           ///< From this error rate on.
  double unhealthy = 0.5;          ///< From this error rate on, or ...
  std::uint32_t consecutive = 5;   ///< ... from so many failures in a row.
};

[[nodiscard]] constexpr health_grade grade(const health_thresholds& limits,
                                           const health_totals& sum,
                                           std::uint32_t consecutive_failures) noexcept {
  auto rate = sum.requests == 0 ? 0.0 : static_cast<double>(sum.failures) / sum.requests;
  auto enough = sum.requests >= limits.min_requests;
  if (consecutive_failures >= limits.consecutive || (enough && rate >= limits.unhealthy))
    return health_grade::unhealthy;
  return enough && rate >= limits.degraded ? health_grade::degraded : health_grade::healthy;
}

} // namespace troupe
