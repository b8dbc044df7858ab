#pragma once
#include "runtime/rules/program.hpp"
#include "runtime/rules/user_rate.hpp"

namespace troupe::rules {

/// A Bot API request to make.
struct action {
  std::string method;
  std::string body; ///< JSON.
};

struct surroundings {
  std::string_view username;    ///< The bot's own, without "@": "/help@other" is not for it. Empty:
                                ///< not known, every command is.
  user_rate::time_point now{};  ///< For the rate.
  std::int64_t received = 0;    ///< Milliseconds since 1970, for {date} where the update has none.
};

/// What the first rule that fits asks for, in order; nothing for updates that are neither messages
/// nor callbacks, and for what bots write. A callback is always answered, so that its button does
/// not wait. The work is bounded by the program's and the message's size.
[[nodiscard]] std::vector<action> evaluate(const program& rules, std::string_view update,
                                           const surroundings& around, user_rate& rate);

} // namespace troupe::rules
