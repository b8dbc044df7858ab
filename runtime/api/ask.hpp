#pragma once
#include "runtime/net/http_server.hpp"
#include "runtime/net/io_gate.hpp"

#include <caf/actor_control_block.hpp>
#include <caf/actor_system.hpp>
#include <caf/expected.hpp>
#include <caf/message.hpp>
#include <caf/sec.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

/// Asking an actor from a coroutine on an I/O thread, without blocking it.
namespace troupe::api {

/// What a question of any answer shares with whoever answers it.
class question_box : public std::enable_shared_from_this<question_box> {
public:
  /// @param deadline when the question answers itself, see `late`
  question_box(net::http_executor io, std::chrono::steady_clock::time_point deadline);
  virtual ~question_box();

  /// Whether somebody still waits. On any thread.
  [[nodiscard]] bool is_wanted();

  /// Nobody waits any more. On the I/O thread.
  void give_up();

  /// Where the answer is sent to: it ends when nobody waits any more, or CAF would keep one that a
  /// question to another node made known there for ever.
  void set_address(caf::strong_actor_ptr x) noexcept { address_ = std::move(x); }

  /// Waits until the answer is there. On the I/O thread.
  net::http_task<void> ready();

protected:
  /// Runs `put` on the I/O thread, then wakes who waits. On any thread; ignored once the question
  /// was given up, or the I/O context ends.
  void settle(std::function<void()> put);
  /// The answer is there. On the I/O thread, as the next ones.
  [[nodiscard]] virtual bool answered() const noexcept = 0;
  /// Nobody answered in time.
  virtual void late() = 0;

private:
  struct alarm;

  std::shared_ptr<net::io_gate> gate_;
  std::mutex mtx_;
  bool wanted_ = true; ///< Guarded by `mtx_`. The rest belongs to the I/O thread.
  std::unique_ptr<alarm> wake_;
  caf::strong_actor_ptr address_;
};

/// A question under way. Several can be under way at once:
///
///     auto pool = ask<pool_report>(sys, io, pool_handle, get_report{}, timeout);
///     auto health = ask<health_report>(sys, io, health_handle, get_report{}, timeout);
///     co_await pool.ready();
///     auto report = pool.take();
///
/// Given up by its destruction. On the thread of `io` only.
template <class Answer>
class question {
public:
  class box final : public question_box {
  public:
    explicit box(net::http_executor io, std::chrono::steady_clock::time_point deadline =
                                          std::chrono::steady_clock::time_point::max())
      : question_box(io, deadline) {}

    /// On any thread.
    void deliver(caf::expected<Answer> what) {
      // A std::function wants what can be copied.
      auto kept = std::make_shared<caf::expected<Answer>>(std::move(what));
      settle([this, kept] {
        if (!result)
          result = std::move(*kept);
      });
    }

    std::optional<caf::expected<Answer>> result;

  private:
    bool answered() const noexcept override { return result.has_value(); }
    void late() override { result = caf::expected<Answer>{make_error(caf::sec::request_timeout)}; }
  };

  explicit question(std::shared_ptr<box> what) : box_(std::move(what)) {}
  question(question&&) noexcept = default;
  question& operator=(question&&) = delete;
  ~question() {
    if (box_)
      box_->give_up();
  }

  /// Waits until the answer is there. @throws boost::system::system_error (operation_aborted) when
  /// the coroutine is cancelled.
  net::http_task<void> ready() { return box_->ready(); }

  /// Both.
  net::http_task<caf::expected<Answer>> answer() {
    co_await ready();
    co_return take();
  }

  /// The answer, or: request_timeout, request_receiver_down, invalid_argument for an empty handle,
  /// or the actor's error. Call it once, when it is there.
  [[nodiscard]] caf::expected<Answer> take() { return std::move(*box_->result); }

private:
  std::shared_ptr<box> box_;
};

/// Sends `what` to `whom`; `told` hears what is sent back, once, on any thread.
/// @returns the address that the answer comes to
caf::strong_actor_ptr send_question(caf::actor_system& sys, const caf::strong_actor_ptr& whom,
                                    caf::message what, std::function<void(caf::message&)> told);

/// Asks an actor. The answer must be one value of type `Answer`.
template <class Answer, class Request>
question<Answer> ask(caf::actor_system& sys, net::http_executor io,
                     const caf::strong_actor_ptr& whom, Request what, caf::timespan timeout) {
  using box_type = typename question<Answer>::box;
  auto box = std::make_shared<box_type>(io, std::chrono::steady_clock::now() + timeout);
  if (!whom) {
    box->result = caf::expected<Answer>{make_error(caf::sec::invalid_argument)};
    return question<Answer>{std::move(box)};
  }
  auto told = [box](caf::message& said) {
    if (said.match_elements<Answer>())
      box->deliver(std::move(said.get_mutable_as<Answer>(0)));
    else if (said.match_elements<caf::error>())
      box->deliver(said.get_as<caf::error>(0));
    else
      box->deliver(make_error(caf::sec::unexpected_message));
  };
  box->set_address(send_question(sys, whom, caf::make_message(std::move(what)), told));
  return question<Answer>{std::move(box)};
}

} // namespace troupe::api
