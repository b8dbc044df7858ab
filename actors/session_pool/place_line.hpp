#pragma once
#include "runtime/policy/fair_queue.hpp"
#include "runtime/policy/recent_map.hpp"

#include <cstdint>

namespace troupe {

/// Who is next for a place of one kind: fair over tenants, then bots, and no bot has more than its
/// share of places at once. A value without actors and clock.
class place_line {
public:
  using slot = fair_queue::slot;
  static constexpr slot none = fair_queue::none;

  /// @param per_bot places that one bot may have at once, at least 1
  explicit place_line(std::uint32_t per_bot) : per_bot_(per_bot) {}

  /// Another share for each bot, at least 1; wakes everybody.
  void share(std::uint32_t per_bot) {
    per_bot_ = per_bot;
    queue.wake_all();
  }

  /// Whether the bot may have one more place.
  [[nodiscard]] bool may_take(std::int64_t bot) const noexcept {
    const auto* taken = taken_.find(bot);
    return !taken || *taken < per_bot_;
  }

  /// The bot has one place more, or one less.
  void take(std::int64_t bot) { ++taken_.touch(bot); }
  void put_back(std::int64_t bot) {
    if (auto* taken = taken_.find(bot); taken && --*taken == 0)
      taken_.erase(bot);
    queue.wake_bot(bot);
  }

  /// Takes the next waiter whose bot may have a place out of the line; the bot has it now.
  slot pop(time_point now) {
    std::int64_t served = 0;
    auto next = queue.take_next(now, [this, &served](const fair_queue::waiter& x, slot) {
      served = x.bot;
      using action = fair_queue::action;
      return fair_queue::decision{.what = may_take(x.bot) ? action::take : action::park_bot};
    });
    if (!next)
      return none;
    take(served);
    return *next;
  }

  fair_queue queue;

private:
  std::uint32_t per_bot_;
  recent_map<std::int64_t, std::uint32_t> taken_; // Bots that have places.
};

} // namespace troupe
