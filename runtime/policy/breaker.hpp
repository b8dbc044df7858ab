#pragma once
#include "runtime/policy/time.hpp"

#include <cstdint>

namespace troupe {

/// A breaker's phase; same order as `breaker_state` in messages/call.hpp.
enum class breaker_phase : std::uint8_t { closed, open, half_open };

struct breaker_limits {
  std::uint32_t failure_threshold = 5;               ///< Consecutive failures that open it.
  duration open_timeout = std::chrono::seconds{60};  ///< From open to half-open.
  std::uint32_t success_threshold = 2;               ///< Successful probes that close it.
  duration probe_timeout = std::chrono::seconds{90}; ///< A probe not heard of for so long is lost.
};

/// Circuit breaker. Closed, it counts consecutive failures (a success resets them); open, it admits
/// nothing; half-open, it admits one probe at a time, closes after `success_threshold` successes
/// and opens again at the first failure. It moves from open to half-open by itself, when asked.
///
/// Outcomes of requests that are no probes change nothing unless the breaker is closed: they were
/// started before it opened and say nothing new. Nor does a probe that fails while it is open.
class breaker {
public:
  breaker() = default;
  explicit breaker(const breaker_limits& limits) noexcept : limits_(limits) {}

  [[nodiscard]] breaker_phase phase(time_point now) const noexcept {
    if (phase_ == breaker_phase::open && now >= since_ + limits_.open_timeout)
      return breaker_phase::half_open;
    return phase_;
  }

  /// Whether a request may start now. In half-open this takes the probe's place.
  [[nodiscard]] bool admit(time_point now) noexcept;

  /// Time until `admit` may say yes; 0 when closed or half-open.
  [[nodiscard]] duration opens_in(time_point now) const noexcept;

  /// Whether `admit` would hand out a probe or has one out.
  [[nodiscard]] bool probing(time_point now) const noexcept {
    return phase(now) == breaker_phase::half_open;
  }

  /// A request ended well. @returns true if the phase changed.
  bool success(time_point now, bool probe = false) noexcept;

  /// A request failed. @returns true if the phase changed; a failed probe that opens the breaker
  /// again counts as a change.
  bool failure(time_point now, bool probe = false) noexcept;

  /// The probe ended without an outcome that says anything (cancelled): another may start.
  void probe_lost() noexcept { probe_out_ = false; }

  /// Other limits from now on; what was counted so far goes on.
  void set_limits(const breaker_limits& limits, time_point now) noexcept {
    settle(now);
    limits_ = limits;
  }

  /// Opens it for the whole timeout, closes it, or lets probes through: somebody else decided.
  void force(breaker_phase to, time_point now) noexcept;

  [[nodiscard]] std::uint32_t consecutive_failures() const noexcept { return failures_; }
  [[nodiscard]] const breaker_limits& limits() const noexcept { return limits_; }

private:
  void settle(time_point now) noexcept;

  breaker_limits limits_;
  time_point since_{}; ///< When the phase began; in half-open with a probe out: when that began.
  std::uint32_t failures_ = 0;
  std::uint32_t successes_ = 0; ///< Of probes, in half-open.
  breaker_phase phase_ = breaker_phase::closed;
  bool probe_out_ = false;
};

} // namespace troupe
