#pragma once
#include "runtime/policy/time.hpp"

#include <algorithm>
#include <cmath>

namespace troupe {

/// Spreads many things over time: so many a second, after a first few at once (a token bucket).
class ramp {
public:
  /// @param per_second above 0 @param burst at once after a rest, at least 1
  ramp(double per_second, double burst, time_point now) noexcept
    : rate_(per_second), burst_(std::max(burst, 1.0)), left_(burst_), at_(now) {}

  /// Takes one if it may begin now.
  [[nodiscard]] bool take(time_point now) noexcept {
    refill(now);
    if (left_ < 1.0)
      return false;
    left_ -= 1.0;
    return true;
  }

  /// Takes one in any case: what follows waits for it.
  void owe(time_point now) noexcept {
    refill(now);
    left_ -= 1.0;
  }

  /// Until the next one may begin; 0: now.
  [[nodiscard]] duration wait(time_point now) noexcept {
    refill(now);
    if (left_ >= 1.0)
      return duration{0};
    auto seconds = (1.0 - left_) / rate_;
    return std::chrono::duration_cast<duration>(std::chrono::duration<double>(seconds))
           + std::chrono::milliseconds{1};
  }

private:
  void refill(time_point now) noexcept {
    if (now <= at_)
      return;
    left_ = std::min(burst_, left_ + std::chrono::duration<double>(now - at_).count() * rate_);
    at_ = now;
  }

  double rate_;
  double burst_;
  double left_;
  time_point at_;
};

} // namespace troupe
