#pragma once
#include "messages/call.hpp"

#include <string>
#include <string_view>

/// Troupe's own answers, in the Bot API's shape.
namespace troupe::gateway {

/// What stands in X-Troupe-Attempts and X-Troupe-Waited.
struct troupe_fields {
  unsigned attempts = 0;
  caf::timespan waited{0};
};

/// Appends the X-Troupe fields to a head.
void append_fields(std::string& head, const troupe_fields& fields);

/// A whole response: `status` with a JSON `body`.
/// @param retry_after seconds for `Retry-After`; 0: none
[[nodiscard]] std::string make_answer(int status, std::string_view body, bool keep_alive,
                                      long retry_after = 0, const troupe_fields& fields = {});

/// A refusal as the client sees it.
struct refusal_text {
  int status = 500;
  std::string body;
  long retry_after = 0; ///< Seconds; 0: none.
};

/// The status, words and retry_after for an error of bot, governor, pool or the actor system.
[[nodiscard]] refusal_text explain(const caf::error& why);

/// The same for an exchange that brought no answer.
[[nodiscard]] refusal_text explain(failure what);

/// Any other answer in the Bot API's error shape.
/// @param retry_after seconds; 0: none
[[nodiscard]] refusal_text explain(int status, std::string_view description, long retry_after = 0);

} // namespace troupe::gateway
