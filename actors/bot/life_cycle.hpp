#pragma once
#include "messages/bot.hpp"

namespace troupe {

/// Whether a bot in phase `from` may move to `to`. Every phase change goes through this.
constexpr bool may_follow(bot_phase from, bot_phase to) noexcept {
  using enum bot_phase;
  switch (from) {
  case pending:
    return to == starting || to == active || to == suspended || to == unauthorized
           || to == quarantined || to == stopped;
  case starting:
    return to == active || to == pending || to == suspended || to == unauthorized || to == quarantined
           || to == stopped;
  case active:
    return to == passivating || to == pending || to == suspended || to == unauthorized
           || to == quarantined || to == starting || to == stopped;
  case passivating:
    return to == active || to == passive || to == suspended || to == stopped;
  case passive:
    return to == starting || to == suspended || to == stopped;
  case suspended:
    return to == active || to == pending || to == starting || to == unauthorized || to == stopped;
  case unauthorized:
    return to == starting || to == stopped;
  case quarantined:
    return to == starting || to == suspended || to == stopped;
  case stopped:
    return to == starting;
  }
  return false;
}

/// Whether a bot in this phase takes calls.
constexpr bool takes_calls(bot_phase phase) noexcept {
  return phase == bot_phase::active || phase == bot_phase::passivating;
}

/// Whether it takes this call: one whose owner is not proven takes the node's own alone.
constexpr bool takes_call(bot_phase phase, bool own) noexcept {
  return takes_calls(phase) || (own && phase == bot_phase::pending);
}

static_assert(!may_follow(bot_phase::stopped, bot_phase::active));
static_assert(!may_follow(bot_phase::unauthorized, bot_phase::active));
static_assert(!may_follow(bot_phase::quarantined, bot_phase::active));

} // namespace troupe
