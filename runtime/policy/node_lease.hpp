#pragma once
#include "runtime/policy/time.hpp"

#include <algorithm>

namespace troupe {

/// A lease as its holder must see it, who may be paused or cut off at any moment: it ends here a
/// margin before whoever granted it can give to another what depends on it. The granter counts
/// from when a grant or keep-alive arrived, this counts from when it was sent, which was earlier;
/// clocks are monotonic and run equally fast. Once over, it stays over.
class node_lease {
public:
  /// @param margin for what must be done by then (stop bots), and for clocks that run apart
  /// @pre margin < the granter's time to live
  explicit node_lease(duration margin) noexcept : margin_(margin) {}

  /// The grant, or a keep-alive, was answered.
  /// @param sent when the request that was answered was sent, at the earliest
  /// @param ttl the time to live that the answer names; 0: there is no such lease
  void kept(time_point sent, duration ttl, time_point now) noexcept {
    if (begun_ && !holds(now))
      return;
    begun_ = true;
    if (ttl <= duration::zero())
      ends_ = time_point::min();
    else
      ends_ = std::max(ends_, sent + ttl - margin_);
    ttl_ = ttl;
  }

  /// A keep-alive is sent.
  void asked(time_point now) noexcept { asked_ = now; }

  /// When to send the next one, answered or not: a quarter of its time to live after the last, so
  /// that two may be lost.
  [[nodiscard]] time_point next_ask() const noexcept { return asked_ + ttl_ / 4; }

  /// Whether what depends on it may be used now. To be asked at each use: a process that was paused
  /// notices nothing else.
  [[nodiscard]] bool holds(time_point now) const noexcept { return now < ends_; }

  /// When it ends unless it is kept.
  [[nodiscard]] time_point ends() const noexcept { return ends_; }

private:
  duration margin_;
  duration ttl_{0};
  time_point ends_ = time_point::min();
  time_point asked_{};
  bool begun_ = false;
};

} // namespace troupe
