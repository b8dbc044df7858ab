#pragma once
#include "messages/call.hpp"

#include <string>

namespace troupe::gateway {

/// Whose Idempotency-Key.
struct kept_key {
  tenant_id tenant = 1;
  bot_id bot = 0;
  std::string text;
};

/// What the store says of a key, and what it is given to keep.
struct kept_answer {
  enum class verdict : std::uint8_t { started, running, finished, other_body, outcome_unknown };
  verdict what = verdict::started;
  std::uint16_t status = 0; ///< HTTP, of `finished`, as the body.
  std::string body;
};

} // namespace troupe::gateway
