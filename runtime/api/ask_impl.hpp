#pragma once
#include "runtime/api/ask.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/sec.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/post.hpp>

#include <mutex>
#include <optional>
#include <utility>

/// How questions are asked: for the files that instantiate them, and nobody else.
namespace troupe::api {
using ask_timer =
  boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                    boost::asio::wait_traits<std::chrono::steady_clock>,
                                    net::http_executor>;

template <class Answer>
struct question<Answer>::box : std::enable_shared_from_this<box> {
  explicit box(net::http_executor io)
    : io(io), wake(std::in_place, io, ask_timer::time_point::max()) {}

  /// Hands the answer to the I/O thread. On any thread; ignored once the question was given up,
  /// since the I/O context may be gone by then.
  void deliver(caf::expected<Answer> what) {
    std::lock_guard guard{mtx};
    if (!wanted)
      return;
    boost::asio::post(io, [self = this->shared_from_this(), what = std::move(what)]() mutable {
      self->result = std::move(what);
      if (self->wake)
        self->wake->cancel();
    });
  }

  net::http_executor io;
  std::mutex mtx;
  bool wanted = true; ///< Guarded by `mtx`. The rest belongs to the I/O thread.
  std::optional<ask_timer> wake;
  std::optional<caf::expected<Answer>> result;
};

template <class Answer>
question<Answer>::~question() {
  if (!box_)
    return;
  std::lock_guard guard{box_->mtx};
  box_->wanted = false;
  // Now: the actor that asks may hold the box for longer than the I/O context lives.
  box_->wake.reset();
}

template <class Answer>
net::http_task<void> question<Answer>::ready() {
  auto what = box_;
  if (!what->result) {
    auto token = boost::asio::as_tuple(net::use_http_task);
    auto [ended] = co_await what->wake->async_wait(token);
    // The wait ends because the answer is there, or because the client went away.
    if (!what->result)
      throw boost::system::system_error{ended ? ended : boost::asio::error::operation_aborted};
  }
}

template <class Answer>
caf::expected<Answer> question<Answer>::take() {
  return std::move(*box_->result);
}

template <class Answer>
net::http_task<caf::expected<Answer>> question<Answer>::answer() {
  co_await ready();
  co_return take();
}

template <class Answer, class Request>
question<Answer> ask(caf::actor_system& sys, net::http_executor io, caf::strong_actor_ptr whom,
                     Request what, caf::timespan timeout) {
  auto box = std::make_shared<typename question<Answer>::box>(io);
  if (!whom) {
    box->result = caf::expected<Answer>{caf::make_error(caf::sec::invalid_argument)};
    return question<Answer>{std::move(box)};
  }
  // One actor per question: its death, and its timer's, are bounded by the timeout.
  sys.spawn<caf::hidden>([box, whom, what, timeout](caf::event_based_actor* self) {
    self->request(caf::actor_cast<caf::actor>(whom), timeout, what)
      .then([box](Answer& answer) { box->deliver(std::move(answer)); },
            [box](caf::error& why) { box->deliver(std::move(why)); });
  });
  return question<Answer>{std::move(box)};
}

#define TROUPE_ASK(Answer, Request)                                                                \
  template class question<Answer>;                                                                 \
  TROUPE_ASK_ALSO(Answer, Request)

/// A further request with an answer that has a question already.
#define TROUPE_ASK_ALSO(Answer, Request)                                                           \
  template question<Answer> ask<Answer, Request>(caf::actor_system&, net::http_executor,           \
                                                 caf::strong_actor_ptr, Request, caf::timespan);

} // namespace troupe::api
