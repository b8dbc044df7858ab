#pragma once
#include "runtime/policy/time.hpp"

#include <algorithm>

namespace troupe {

/// By how much waits turn out longer than was foretold, because others come in meanwhile whose turn
/// is before: of fifty waits, about one is longer than `worst` makes it. Follows what it sees, in
/// small steps; a quantile that needs no memory of the single waits.
class slip {
public:
  /// @param cut it would have been longer
  void learn(duration foretold, duration waited, bool cut) noexcept {
    if (foretold < std::chrono::milliseconds{1})
      return;
    auto ratio = static_cast<double>(waited.count()) / static_cast<double>(foretold.count());
    auto up = cut || ratio > factor_;
    factor_ = std::clamp(factor_ + (up ? step * quantile : step * (quantile - 1)), 1.0, largest);
  }

  [[nodiscard]] duration worst(duration foretold) const noexcept {
    return factor_ == 1 ? foretold
                        : duration{static_cast<duration::rep>(static_cast<double>(foretold.count())
                                                              * factor_)};
  }

private:
  static constexpr double quantile = 0.98;
  static constexpr double step =
    0.006; // Small: what is learnt shows only when those who were let in have their turn.
  static constexpr double largest = 4;

  double factor_ = 1;
};

} // namespace troupe
