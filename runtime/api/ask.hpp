#pragma once
#include "runtime/net/http_server.hpp"

#include <caf/actor_system.hpp>
#include <caf/expected.hpp>

#include <memory>

/// Asking an actor from a coroutine on an I/O thread, without blocking it.
namespace troupe::api {

/// A question under way. Several can be under way at once:
///
///     auto pool = ask<pool_report>(sys, io, pool_handle, get_report{}, timeout);
///     auto health = ask<health_report>(sys, io, health_handle, get_report{}, timeout);
///     auto report = co_await pool.answer();
///
/// Given up by its destruction. On the thread of `io` only.
template <class Answer>
class question {
public:
  struct box; ///< Shared with the actor that asks.

  explicit question(std::shared_ptr<box> what) : box_(std::move(what)) {}
  question(question&&) noexcept = default;
  question& operator=(question&&) = delete;
  ~question();

  /// The answer, or: request_timeout, request_receiver_down, invalid_argument for an empty handle,
  /// or the actor's error. @throws boost::system::system_error (operation_aborted) when the
  /// coroutine is cancelled. Call it once.
  net::http_task<caf::expected<Answer>> answer();

  /// The same in two steps: waits until the answer is there; takes it.
  net::http_task<void> ready();
  [[nodiscard]] caf::expected<Answer> take();

private:
  std::shared_ptr<box> box_;
};

/// Sends `what` to `whom` on behalf of a short-lived actor. Instantiated in ask*.cpp for
/// what the routes ask.
template <class Answer, class Request>
question<Answer> ask(caf::actor_system& sys, net::http_executor io, caf::strong_actor_ptr whom,
                     Request what, caf::timespan timeout);

} // namespace troupe::api
