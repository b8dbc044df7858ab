#pragma once
#include "messages/errors.hpp"
#include "runtime/log/text.hpp"

#include <caf/error.hpp>
#include <caf/exit_reason.hpp>

#include <string>
#include <string_view>

namespace troupe {

/// Whether an actor that ended so did what it was meant to: OTP's normal and shutdown.
[[nodiscard]] inline bool is_orderly(const caf::error& reason) {
  return !reason || reason == caf::exit_reason::user_shutdown || reason == ec::stopped;
}

/// A reason as text for logs: "normal", "kill", "runtime_error("…")". Holds no token.
[[nodiscard]] inline std::string readable(const caf::error& reason) {
  if (!reason)
    return "normal";
  auto text = to_string(reason);
  for (std::string_view scope : {"caf::exit_reason::", "caf::sec::"})
    for (auto at = text.find(scope); at != std::string::npos; at = text.find(scope, at))
      text.erase(at, scope.size());
  return log::mask_tokens(text);
}

} // namespace troupe
