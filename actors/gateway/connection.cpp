#include "actors/gateway/connection.hpp"

#include "runtime/log/log.hpp"

#include <boost/asio/post.hpp>

#include <poll.h>
#include <sys/socket.h>

#include <ctime>

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
  surplus_ = ctx_->open >= ctx_->config.max_connections;
  place_ = ctx_->enter(*this);
}

connection_base::~connection_base() {
  ctx_->leave(place_);
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

void connection_base::sweep(clock::time_point now) {
  bool with_bot = state_ == state::waiting || state_ == state::exchanging;
  if (with_bot && !watched_ && !half_closed_ && now - entered_ > watch_after)
    watch();
  if (with_bot && secure() && now - entered_ > watch_after && hung_up())
    return peer_gone();
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
  if (!polling_ || head_sent_ || (state_ != state::waiting && state_ != state::exchanging))
    return;
  poll_ended_ = true;
  if (session_)
    session_->abort();
  else if (bot_)
    ctx_->lane().tell(bot_, call_cancelled{call_});
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
    ctx_->lane().tell(bot_, call_cancelled{call_});
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
    if (self && !err)
      self->peer_readable();
  });
}

void connection_base::peer_readable() {
  watched_ = false;
  if (state_ != state::waiting && state_ != state::exchanging)
    return;
  char byte = 0;
  auto n = ::recv(socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n > 0) { // More of this request, or the next one: read in its turn. Only a reset is seen now.
    watched_ = true;
    return await_reset();
  }
  if (n < 0)
    return errno == EAGAIN ? void() : peer_gone();
  // The client sends no more. That alone is no disconnect (contract.md); whether it still listens
  // shows when something is written: an interim response, which every HTTP/1.1 client must skip
  // (RFC 9110, 15.2), comes back as a reset if the socket was closed.
  half_closed_ = true;
  if (secure() || head_sent_ || !interim_ok_)
    return await_reset();
  constexpr std::string_view interim = "HTTP/1.1 102 Processing\r\n\r\n";
  if (::send(socket().native_handle(), interim.data(), interim.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
      < 0)
    return peer_gone();
  await_reset();
}

/// Whether the client's side of the TCP connection is closed. Over TLS that is the end: its
/// close_notify, still unread, hides the end of the stream from `peer_readable`, and no client
/// closes half of a connection there.
bool connection_base::hung_up() noexcept {
  pollfd state{socket().native_handle(), POLLRDHUP, 0};
  return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void connection_base::await_reset() {
  socket().async_wait(net::tcp_socket::wait_error, [weak = weak_from_this()](error_code err) {
    auto self = weak.lock();
    if (self && err != asio::error::operation_aborted)
      self->peer_gone();
  });
}

void connection_base::peer_gone() {
  if (gone_)
    return;
  gone_ = true;
  if (state_ == state::waiting && bot_)
    ctx_->lane().tell(bot_, call_cancelled{call_}); // Answered with `cancelled`.
  if (session_)
    session_->abort();
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
