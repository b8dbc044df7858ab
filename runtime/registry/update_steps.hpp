#pragma once
#include "runtime/registry/update_services.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>

namespace troupe {

/// Counts what happened to an update, and tells who watches its bot.
/// @param how it is delivered; empty: the bot is not in the book, and nothing is counted
/// @param received when the node had it
inline void note_step(update_services& to, bot_id bot, std::optional<updates::delivery_mode> how,
                      update_step what, std::int64_t received) {
  constexpr std::array<std::string_view, 4> names{"update.delivered", "update.failed",
                                                  "update.dead", "update.expired"};
  auto lag = std::max<std::int64_t>(to.wall() - received, 0);
  to.events.publish(bot, names.at(static_cast<std::size_t>(what)),
                    [lag] { return "{\"lag_seconds\":" + std::to_string(lag / 1000) + '}'; });
  if (to.meter && how)
    to.meter(*how, what, std::chrono::milliseconds{lag});
}

} // namespace troupe
