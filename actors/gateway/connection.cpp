#include "actors/gateway/connection.hpp"

#include "messages/rate_governor.hpp"
#include "messages/updates.hpp"
#include "runtime/log/log.hpp"
#include "runtime/registry/cluster_view.hpp"

#include <boost/asio/post.hpp>

#include <poll.h>
#include <sys/ioctl.h>

#include <ctime>
#include <utility>

namespace troupe::gateway {
namespace {

namespace asio = net::asio;

/// A call that waits for longer than this has its client watched.
constexpr auto watch_after = std::chrono::milliseconds{50};

/// The time up to some milliseconds ago, at a fraction of the cost: deadlines here are coarse.
clock::time_point coarse_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return clock::time_point{std::chrono::seconds{now.tv_sec}
                           + std::chrono::nanoseconds{now.tv_nsec}};
}

} // namespace

connection_base::connection_base(std::shared_ptr<context> ctx) : ctx_(std::move(ctx)) {
  place_ = ctx_->enter(*this);
  surplus_ = ctx_->ports.connections->fetch_add(1) >= ctx_->config.max_connections;
}

connection_base::~connection_base() {
  --*ctx_->ports.connections;
  ctx_->leave(place_);
}

void connection_base::note_abroad(const caf::strong_actor_ptr& whom) {
  if (whom->node() != ctx_->replies->node())
    ctx_->sent_abroad(whom, ticket_);
}

void connection_base::charge(bot_id bot, const chat_ref& chat, bool abroad) const {
  chat_charge what{bot, chat};
  if (!abroad)
    return ctx_->lane().tell(ctx_->ports.found->rate_governor.get(), what);
  auto desk = ctx_->ports.found->cluster->desk_of(bot);
  if (desk && ctx_->replies)
    caf::actor_cast<reply_port*>(ctx_->replies)
      ->tell(desk, peer_request{peer_part::governor, caf::make_message(what)}, &ctx_->lane());
}

void connection_base::resolve(std::uint64_t ticket, verdict what) {
  if (ticket != ticket_ || verdict_)
    return;
  verdict_ = std::move(what);
  if (waiter_) // Not at once: this may be within an actor's handler.
    asio::post(ctx_->lane().executor(), std::move(waiter_));
}

void connection_base::enter(state next, clock::duration limit) {
  auto now = coarse_now();
  state_ = next;
  entered_ = now;
  deadline_ = limit == clock::duration::max() ? clock::time_point::max() : now + limit;
  expired_ = false;
}

clock::duration connection_base::since_entered() const noexcept {
  return coarse_now() - entered_;
}

void connection_base::sweep(clock::time_point now) {
  if (with_bot() && !gone_ && now - entered_ > watch_after) {
    if (unread_)
      look();
    else if (!watched_)
      watch();
  }
  if (now < deadline_)
    return;
  deadline_ = clock::time_point::max();
  expired_ = true;
  if (state_ == state::exchanging && session_) {
    session_->abort();
  } else if (state_ != state::waiting) { // Waiting ends by the bot's own clock.
    error_code ignored;
    socket().cancel(ignored);
  }
}

void connection_base::close_if_idle() {
  if (state_ == state::idle)
    abort();
}

void connection_base::end_poll() {
  if (!polling_ || head_sent_ || !with_bot())
    return;
  poll_ended_ = true;
  if (session_)
    session_->abort();
  else if (bot_)
    leave_bot();
}

void connection_base::abort() {
  gone_ = true;
  error_code ignored;
  socket().close(ignored);
  if (session_)
    session_->abort();
  if (state_ != state::waiting)
    return;
  if (bot_) { // Or it would grant the call to nobody, and hold the lease until it is given up.
    leave_bot();
    if (ctx_->abandoned) // The grant may have been on its way to the dead actor.
      ctx_->lane().tell(bot_, call_done{call_, {}, outcome{failure::aborted}});
  }
  resolve(ticket_, caf::make_error(ec::draining));
}

/// Learns of the client's going while nothing is read from it.
void connection_base::watch() {
  watched_ = true;
  socket().async_wait(net::tcp_socket::wait_read, [weak = weak_from_this()](error_code err) {
    auto self = weak.lock();
    if (!self)
      return;
    self->watched_ = false;
    self->unread_ = !err && self->with_bot();
    if (self->unread_)
      self->look();
  });
}

/// The socket has bytes to read, in their turn, or its end. Is the client still there?
void connection_base::look() {
  auto fd = socket().native_handle();
  pollfd side{fd, POLLRDHUP | POLLOUT, 0};
  if (::poll(&side, 1, 0) <= 0)
    return;
  if ((side.revents & (POLLERR | POLLHUP)) != 0)
    return peer_gone();
  if ((side.revents & POLLRDHUP) == 0 || head_sent_)
    return;
  // The client sends no more. That alone is no disconnect (contract.md), if what it sent is whole.
  auto lacks = missing();
  int unread = 0;
  if (lacks > 0 && ::ioctl(fd, FIONREAD, &unread) == 0 && std::cmp_less(unread, lacks))
    return peer_gone();
  // Whether it still listens shows when something is written: an interim response, which every
  // HTTP/1.1 client must skip (RFC 9110, 15.2), comes back as a reset if the socket was closed.
  if (probed_ || !interim_ok_ || (side.revents & POLLOUT) == 0)
    return;
  probed_ = true;
  if (!interject("HTTP/1.1 102 Processing\r\n\r\n"))
    peer_gone();
}

void connection_base::peer_gone() {
  if (gone_)
    return;
  // A call with an Idempotency-Key goes on: its answer is kept for the next one who asks.
  if (keeping_ && sent_ && state_ == state::exchanging)
    return;
  gone_ = true;
  if (state_ == state::waiting && bot_)
    leave_bot(); // Answered with `cancelled`.
  if (session_)
    session_->abort();
}

void connection_base::leave_bot() {
  if (pulling_)
    ctx_->lane().tell(bot_, pull_cancel{call_});
  else
    ctx_->lane().tell(bot_, call_cancelled{call_});
}

/// An exception ended the call under way: its session and its lease go back all the same.
void connection_base::bail_out() noexcept {
  try {
    if (auto* up = std::exchange(session_, nullptr))
      ctx_->ports.sessions->release(*up, false);
    if (held_.id != 0 && bot_)
      ctx_->lane().tell(bot_, call_done{call_, held_, outcome{failure::aborted}});
  } catch (...) {
    // No memory even for this: the bot gives the lease up in time (bot.lease-timeout).
  }
}

void ended(std::exception_ptr failure) noexcept {
  if (!failure)
    return;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& x) {
    log::event(log::level::error, "connection.failed", "troupe.gateway",
               {{"reason", std::string_view{x.what()}}}, "A connection ended with an exception.");
  } catch (...) {
    log::event(log::level::error, "connection.failed", "troupe.gateway");
  }
}

} // namespace troupe::gateway
