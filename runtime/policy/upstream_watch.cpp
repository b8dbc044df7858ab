#include "runtime/policy/upstream_watch.hpp"

#include <algorithm>

namespace troupe {

void upstream_watch::see(std::int64_t bot, time_point now) noexcept {
  if (newest_.bot != bot)
    other_ = newest_;
  newest_ = {bot, now};
}

std::optional<breaker_phase> upstream_watch::record(std::int64_t bot, time_point started,
                                                    time_point finished, bool failed,
                                                    time_point now) {
  auto change = advance(now);
  see(bot, now);
  if (phase_ == breaker_phase::half_open && started >= since_) {
    auto changed = failed ? breaker_.failure(now, true) : breaker_.success(now, true);
    return changed ? move_to(breaker_.phase(now), now) : change;
  }
  if (phase_ != breaker_phase::closed)
    return change;
  if (!failed) {
    last_success_ = std::max(last_success_, finished);
    std::erase_if(failures_, [&](const failure& f) { return f.finished <= last_success_; });
    return change;
  }
  if (finished <= last_success_)
    return change;
  auto later = [](time_point t, const failure& f) { return t < f.finished; };
  failures_.insert(std::upper_bound(failures_.begin(), failures_.end(), finished, later),
                   failure{finished, bot});
  // Of many failures of one bot only the first ones matter; the rest wait for a second bot.
  if (failures_.size() > options_.limits.failure_threshold + std::size_t{64}) {
    auto& second_last = failures_[failures_.size() - 2];
    failures_.erase(second_last.bot == failures_.back().bot ? failures_.end() - 2
                                                            : failures_.begin());
  }
  if (auto opened = advance(now))
    return opened;
  return change;
}

/// When the failures are enough to open, and have settled; max: they are not enough.
time_point upstream_watch::opens_at() const noexcept {
  auto needed = std::size_t{options_.limits.failure_threshold};
  if (phase_ != breaker_phase::closed || needed == 0 || failures_.size() < needed)
    return time_point::max();
  auto settled = failures_[needed - 1].finished + options_.settle;
  auto first = failures_.front().bot;
  auto second = std::find_if(failures_.begin(), failures_.end(),
                             [=](const failure& f) { return f.bot != first; });
  if (second != failures_.end())
    return std::max(settled, second->finished + options_.settle);
  // All failures are one bot's: that means something only if no other bot is active.
  auto alone_from = newest_.bot == first ? other_.at : newest_.at;
  if (alone_from == time_point{})
    return settled;
  return std::max(settled, alone_from + options_.active_within);
}

std::optional<breaker_phase> upstream_watch::advance(time_point now) {
  if (phase_ == breaker_phase::open && breaker_.phase(now) == breaker_phase::half_open)
    return move_to(breaker_phase::half_open, now);
  if (opens_at() <= now) {
    breaker_.force(breaker_phase::open, now);
    return move_to(breaker_phase::open, now);
  }
  return std::nullopt;
}

std::optional<breaker_phase> upstream_watch::move_to(breaker_phase phase, time_point now) {
  phase_ = phase;
  since_ = now;
  failures_.clear();
  return phase;
}

time_point upstream_watch::next_due() const noexcept {
  if (phase_ == breaker_phase::open)
    return since_ + options_.limits.open_timeout;
  return opens_at();
}

} // namespace troupe
