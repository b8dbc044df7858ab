#include "runtime/policy/breaker.hpp"

#include "runtime/policy/mutation.hpp"

namespace troupe {

void breaker::settle(time_point now) noexcept {
  if (phase_ != phase(now))
    force(TROUPE_MUTATION("breaker-unproven") ? breaker_phase::closed : breaker_phase::half_open, now);
}

void breaker::force(breaker_phase to, time_point now) noexcept {
  phase_ = to;
  since_ = now;
  successes_ = 0;
  probe_out_ = false;
  if (to == breaker_phase::closed)
    failures_ = 0;
}

bool breaker::admit(time_point now) noexcept {
  settle(now);
  if (phase_ != breaker_phase::half_open)
    return phase_ == breaker_phase::closed;
  if (probe_out_ && now < since_ + limits_.probe_timeout)
    return false;
  probe_out_ = true;
  since_ = now;
  return true;
}

duration breaker::opens_in(time_point now) const noexcept {
  return phase(now) == breaker_phase::open ? since_ + limits_.open_timeout - now : duration::zero();
}

bool breaker::success(time_point now, bool probe) noexcept {
  settle(now);
  if (phase_ == breaker_phase::closed) {
    failures_ = 0;
    return false;
  }
  if (!probe)
    return false;
  // Two clocks may disagree by a message's flight: a probe that ended counts although this side
  // still thought the breaker open.
  if (phase_ == breaker_phase::open)
    force(breaker_phase::half_open, now);
  probe_out_ = false;
  if (++successes_ < limits_.success_threshold)
    return false;
  force(breaker_phase::closed, now);
  return true;
}

bool breaker::failure(time_point now, bool probe) noexcept {
  settle(now);
  if (phase_ == breaker_phase::closed) {
    if (++failures_ < limits_.failure_threshold)
      return false;
    force(breaker_phase::open, now);
    return true;
  }
  ++failures_;
  // A poll may probe beside a request: the one that fails last was begun before it opened again.
  if (!probe || phase_ == breaker_phase::open)
    return false;
  force(breaker_phase::open, now);
  return true;
}

} // namespace troupe
