#pragma once
#include "runtime/policy/time.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace troupe {

/// Allows `intensity` restarts within any `period` (the Erlang/OTP rule, supervisor(3)).
/// Holds no memory until the first restart, and at most `intensity` + 1 entries.
class restart_budget {
public:
  restart_budget(std::size_t intensity, duration period) noexcept
    : intensity_(intensity), period_(period) {}

  /// Records a restart. @returns false once the budget is exceeded.
  [[nodiscard]] bool record(time_point now) {
    forget(now);
    // Beyond intensity + 1 entries the oldest one decides nothing any more.
    if (restarts_.size() > intensity_)
      restarts_.erase(restarts_.begin());
    restarts_.push_back(now);
    return restarts_.size() <= intensity_;
  }

  /// Restarts within the period that ends now.
  [[nodiscard]] std::size_t used(time_point now) {
    forget(now);
    return restarts_.size();
  }

  [[nodiscard]] std::size_t intensity() const noexcept { return intensity_; }

  /// Starts anew, as after a quarantine.
  void reset() noexcept { restarts_.clear(); }

private:
  void forget(time_point now) {
    auto keeps = [&](time_point at) { return now - at <= period_; };
    restarts_.erase(restarts_.begin(), std::find_if(restarts_.begin(), restarts_.end(), keeps));
  }

  std::size_t intensity_;
  duration period_;
  std::vector<time_point> restarts_; ///< Oldest first.
};

} // namespace troupe
