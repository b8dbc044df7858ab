#pragma once
#include "runtime/policy/time.hpp"

#include <algorithm>
#include <cstdint>

namespace troupe {

/// How long a place is held on average, as it was lately: the time that all places were held,
/// divided by how often one came back (Little's law). Nothing is remembered of the single places.
/// When none comes back the answer grows with the time that passes: a wait that nobody has seen the
/// end of is at least as long as it lasted so far.
class hold_time {
public:
  /// Before the number of held places changes, or when the time is asked for.
  /// @param held places held since the last call
  void pass(time_point now, std::uint32_t held) noexcept {
    area_ += since(now) * held;
    since_ = std::max(since_, now);
  }

  /// A place came back.
  void back() noexcept {
    if (++returns_ < memory)
      return;
    returns_ /= 2;
    area_ /= 2;
  }

  /// @param held places held now
  [[nodiscard]] duration mean(time_point now, std::uint32_t held) const noexcept {
    // Of the first ones to be held none came back yet: they were held for their age so far.
    return (area_ + since(now) * held) / std::max({returns_, held, 1u});
  }

private:
  /// What is older than so many returns counts half, then a quarter, and so on.
  static constexpr std::uint32_t memory = 256;

  [[nodiscard]] duration since(time_point now) const noexcept {
    return since_ == time_point{} || now < since_ ? duration{0} : now - since_;
  }

  duration area_{0};
  time_point since_{};
  std::uint32_t returns_ = 0;
};

} // namespace troupe
