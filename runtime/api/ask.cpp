#include "runtime/api/ask.hpp"

#include <caf/actor_config.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/make_actor.hpp>
#include <caf/monitorable_actor.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>

namespace troupe::api {
namespace {

using timer = boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                                boost::asio::wait_traits<std::chrono::steady_clock>,
                                                net::http_executor>;

/// The address to which an answer is sent: it takes one message and has no mailbox. CAF's own
/// pattern for event loops of others (caf::actor_companion).
class reply_address final : public caf::monitorable_actor {
public:
  reply_address(caf::actor_config& config, std::function<void(caf::message&)> told)
    : caf::monitorable_actor(config), told_(std::move(told)) {}

  const char* name() const override { return "troupe.api.question"; }
  void setup_metrics() noexcept {} ///< For caf::make_actor: there is no mailbox to measure.

  bool enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    if (!what->mid.is_response())
      return false;
    if (auto told = std::exchange(told_, nullptr))
      told(what->content());
    return true;
  }

private:
  std::function<void(caf::message&)> told_; ///< For one answer: a request has no second one.
};

} // namespace

struct question_box::alarm {
  alarm(const net::http_executor& io, timer::time_point deadline) : wait(io, deadline) {}
  timer wait;
};

question_box::question_box(net::http_executor io, std::chrono::steady_clock::time_point deadline)
  : gate_(net::io_gate::of(io.context())), wake_(std::make_unique<alarm>(io, deadline)) {}

question_box::~question_box() = default;

bool question_box::is_wanted() {
  std::lock_guard guard{mtx_};
  return wanted_;
}

void question_box::give_up() {
  // Outside the lock: what it tells may lead here.
  if (auto address = std::exchange(address_, nullptr))
    static_cast<caf::monitorable_actor*>(address->get())->cleanup(caf::error{}, nullptr);
  std::lock_guard guard{mtx_};
  wanted_ = false;
  // Now: whoever answers may hold the box for longer than the I/O context lives.
  wake_.reset();
}

net::http_task<void> question_box::ready() {
  auto self = shared_from_this();
  if (self->answered())
    co_return;
  auto token = boost::asio::as_tuple(net::use_http_task);
  auto [ended] = co_await self->wake_->wait.async_wait(token);
  if (self->answered())
    co_return;
  // Cancelled without an answer: the client went away.
  if (ended)
    throw boost::system::system_error{ended};
  self->late();
}

void question_box::settle(std::function<void()> put) {
  std::lock_guard guard{mtx_};
  if (!wanted_)
    return;
  gate_->post([self = shared_from_this(), put = std::move(put)] {
    put();
    if (self->wake_)
      self->wake_->wait.cancel();
  });
}

caf::strong_actor_ptr send_question(caf::actor_system& sys, const caf::strong_actor_ptr& whom,
                                    caf::message what, std::function<void(caf::message&)> told) {
  caf::actor_config config;
  auto address = caf::make_actor<reply_address, caf::strong_actor_ptr>(
    sys.next_actor_id(), sys.node(), &sys, config, std::move(told));
  auto id = caf::message_id{caf::message_id::default_async_value | 1u};
  whom->enqueue(caf::make_mailbox_element(address, id, {}, std::move(what)), nullptr);
  return address;
}

} // namespace troupe::api
