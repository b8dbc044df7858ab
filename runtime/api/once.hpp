#pragma once
#include "messages/registrar.hpp"
#include "messages/store.hpp"
#include "runtime/api/context.hpp"

/// Calls of the Bot API with an Idempotency-Key.
namespace troupe::api {

struct once_answer {
  /// started: it was carried out now; running: it runs, or another one does; else what the store says.
  idempotency_what what = idempotency_what::started;
  method_answer said; ///< Of started and finished.
  caf::error why;     ///< Of started: it was not carried out.
};

/// Carries `what` out unless the key of `first` was used before. An error: the store did not answer.
/// Once it has begun the call goes on whoever leaves: its answer is kept for the next one who asks
/// with that key. A call that nobody waits for any more when the store has answered is not begun, and
/// its key is free again. What takes longer than the long timeout is told as `running`.
[[nodiscard]] question<once_answer> ask_once(const context& ctx, net::http_executor io,
                                             idempotency_begin first, method_call what);

} // namespace troupe::api
