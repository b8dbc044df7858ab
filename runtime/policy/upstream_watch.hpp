#pragma once
#include "runtime/policy/breaker.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace troupe {

/// The breaker of the whole upstream. It opens after `failure_threshold` failures of at least two
/// different bots (of one, if only one is active) with no success that finished after the first of
/// them. Bots report successes in batches, so outcomes come out of order: they are ordered by when
/// they finished, and the breaker opens only when a success that would contradict the failures had
/// `settle` time to arrive.
class upstream_watch {
public:
  struct options {
    breaker_limits limits;
    duration settle = std::chrono::milliseconds{250};
    duration active_within = std::chrono::seconds{60}; ///< A bot heard of so lately is active.
  };

  explicit upstream_watch(const options& how) : options_(how), breaker_(how.limits) {}

  /// Other limits from now on; what was counted so far goes on. Call `advance` next.
  void set_options(const options& how, time_point now) noexcept {
    options_ = how;
    breaker_.set_limits(how.limits, now);
  }

  /// An exchange of `bot` began at `started` and ended at `finished`.
  /// @returns the phase the breaker changed to, if it did; open again counts too
  std::optional<breaker_phase> record(std::int64_t bot, time_point started, time_point finished,
                                      bool failed, time_point now);

  /// Does what is due by time alone.
  std::optional<breaker_phase> advance(time_point now);

  /// When `advance` must be called next; max: not before the next outcome.
  [[nodiscard]] time_point next_due() const noexcept;

  [[nodiscard]] breaker_phase phase() const noexcept { return phase_; }
  [[nodiscard]] duration opens_in(time_point now) const noexcept { return breaker_.opens_in(now); }
  /// When the present phase began.
  [[nodiscard]] time_point since() const noexcept { return since_; }

private:
  struct failure {
    time_point finished;
    std::int64_t bot;
  };
  struct sighting {
    std::int64_t bot = 0;
    time_point at{};
  };

  [[nodiscard]] time_point opens_at() const noexcept;
  std::optional<breaker_phase> move_to(breaker_phase phase, time_point now);
  void see(std::int64_t bot, time_point now) noexcept;

  options options_;
  breaker breaker_;
  breaker_phase phase_ = breaker_phase::closed;
  time_point since_{};
  time_point last_success_{};     ///< When the latest success finished.
  std::vector<failure> failures_; ///< Since then, by when they finished; bounded.
  sighting newest_;               ///< The bot heard of last, ...
  sighting other_;                ///< ... and the one before it.
};

} // namespace troupe
