#pragma once
#include "messages/errors.hpp"
#include "runtime/log/text.hpp"

#include <caf/error.hpp>
#include <caf/exit_reason.hpp>

#include <string>

namespace troupe {

/// Whether an actor that ended so did what it was meant to: OTP's normal and shutdown.
[[nodiscard]] inline bool is_orderly(const caf::error& reason) {
  return !reason || reason == caf::exit_reason::user_shutdown || reason == ec::stopped;
}

/// A reason as text for logs: "normal", "kill", "restart_budget_exceeded(…)". Holds no token.
[[nodiscard]] inline std::string readable(const caf::error& reason) {
  return reason ? log::mask_tokens(to_string(reason)) : std::string{"normal"};
}

} // namespace troupe
