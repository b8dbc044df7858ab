#pragma once
#include "actors/gateway/session.hpp"

#include <boost/asio/ssl/stream.hpp>

namespace troupe::gateway {

template <class Stream>
task<void> session<Stream>::run(std::shared_ptr<session> self) {
  auto& me = *self;
  error_code ec;
  if constexpr (!std::is_same_v<Stream, net::tcp_socket>) {
    me.enter(state::reading, me.ctx_->config.header_timeout);
    auto shaken = co_await net::awaited{[&me](auto handler) {
      me.stream_.async_handshake(net::asio::ssl::stream_base::server, std::move(handler));
    }};
    if (shaken.ec)
      co_return;
  }
  bool more = true;
  try {
    while (more && !me.gone_) {
      more = co_await me.read_head();
      if (more)
        more = co_await me.serve();
      if (me.ctx_->draining)
        more = false;
    }
  } catch (...) {
    me.bail_out();
    throw;
  }
  if constexpr (!std::is_same_v<Stream, net::tcp_socket>) {
    if (!me.gone_) {
      me.enter(state::writing, me.ctx_->config.header_timeout);
      co_await net::awaited{[&me](auto handler) { me.stream_.async_shutdown(std::move(handler)); }};
    }
  }
  me.socket().shutdown(net::tcp_socket::shutdown_send, ec);
  if (!me.gone_)
    co_await me.linger();
  me.socket().close(ec);
}

/// Reads on after the last answer: a socket that is closed with unread bytes is reset, and the
/// reset can destroy the answer on its way (RFC 9112, 9.6).
template <class Stream>
task<void> session<Stream>::linger() {
  enter(state::writing, longest_linger);
  in_.consume(in_.size());
  bool more = true;
  while (more && !gone_) {
    auto got = co_await net::read_some(socket(), in_.prepare(read_size));
    more = !got.ec && got.n > 0;
  }
}

/// Reads more from the client; false when nothing more will come (or in time).
template <class Stream>
task<bool> session<Stream>::read_some(std::size_t limit) {
  auto got = co_await net::read_some(stream_, in_.prepare(std::min(limit, read_size)));
  in_.commit(got.n);
  co_return !got.ec && got.n > 0;
}

/// Lets the parser have what is there of a head.
template <class Stream>
typename session<Stream>::progress session<Stream>::parse_head() {
  if (in_.size() == 0)
    return progress::more;
  error_code ec;
  in_.consume(head_->put(in_.data(), ec));
  if (head_->is_header_done())
    return progress::done;
  if (!ec || ec == net::http::error::need_more)
    return progress::more;
  too_large_ = ec == net::http::error::header_limit;
  return progress::broken;
}

/// Clients of old end a body by one line more (RFC 9112, 2.2).
template <class Stream>
void session<Stream>::skip_empty_lines() {
  if (head_->got_some())
    return;
  auto text = view(in_);
  in_.consume(std::min(text.find_first_not_of("\r\n"), text.size()));
}

/// Reads and checks the next head. @returns false when the connection is to end
template <class Stream>
task<bool> session<Stream>::read_head() {
  const auto& config = ctx_->config;
  const auto& where = ctx_->ports.sessions->options().where;
  if (head_)
    head_->swap_texts(texts_);
  head_.emplace(where.host_header, where.prefix, config.max_head);
  head_->swap_texts(texts_);
  if (in_.size() == 0 && in_.capacity() > idle_buffer)
    in_.shrink_to_fit();
  if (up_.size() == 0 && up_.capacity() > idle_buffer)
    up_.shrink_to_fit();
  skip_empty_lines();
  bool started = in_.size() > 0;
  auto idle = surplus_ ? std::min<clock::duration>(config.idle_timeout, surplus_idle)
                       : clock::duration{config.idle_timeout};
  enter(started ? state::reading : state::idle, started ? config.header_timeout : idle);
  for (;;) {
    auto how = parse_head();
    if (how == progress::done)
      co_return true;
    if (how == progress::broken)
      co_return co_await fail(too_large_ ? 431 : 400, too_large_ ? "Request Header Fields Too Large"
                                                                 : "Bad Request: malformed HTTP");
    auto got = co_await net::read_some(stream_, in_.prepare(read_size));
    in_.commit(got.n);
    if (got.ec || got.n == 0) {
      if (expired_ && started)
        co_return co_await fail(408, "Request Timeout: the head took too long");
      co_return false;
    }
    skip_empty_lines();
    if (!started && in_.size() > 0) {
      started = true;
      enter(state::reading, config.header_timeout);
    }
  }
}

/// Answers what cannot be understood, and ends the connection.
template <class Stream>
task<bool> session<Stream>::fail(int status, std::string_view words) {
  auto text = explain(status, words);
  co_return co_await refuse(text, false);
}

template <class Stream>
void session<Stream>::begin_body() {
  body_ = request_body{};
  body_.chunked = head_->chunked();
  if (body_.chunked) {
    head_->eager(true);
    head_->keep_body = ctx_->config.replay_limit;
  } else {
    body_.remaining = head_->content_length().value_or(0);
  }
}

/// Whether what stands between chunks or behind the last one is longer than a head may be; the
/// parser sets no limit to that.
template <class Stream>
bool session<Stream>::is_overfull() const {
  return !head_->is_done() && in_.size() - body_.held > ctx_->config.max_head;
}

/// Takes what is there of the body, as far as it is held for retries; `body_` tells what there is.
template <class Stream>
typename session<Stream>::progress session<Stream>::parse_body() {
  if (body_.chunked) {
    error_code ec;
    if (in_.size() > 0 && !head_->is_done())
      in_.consume(head_->put(in_.data(), ec));
    if ((ec && ec != net::http::error::need_more) || is_overfull())
      return progress::broken;
    body_.complete = head_->is_done();
  } else {
    auto n = std::min<std::uint64_t>(body_.remaining, in_.size() - body_.held);
    body_.held += n;
    body_.remaining -= n;
    body_.complete = body_.remaining == 0;
  }
  const auto size = body_.chunked ? head_->chunks.size() : body_.held;
  return body_.complete || size >= ctx_->config.replay_limit ? progress::done : progress::more;
}

/// Reads the body on, when `parse_body` wanted more; what is held must have come by `until`.
template <class Stream>
task<bool> session<Stream>::read_body(clock::time_point until) {
  const auto& config = ctx_->config;
  if (head_->expects_continue) {
    auto sent = co_await write_client("HTTP/1.1 100 Continue\r\n\r\n", {});
    if (sent.ec) {
      gone_ = true;
      co_return false;
    }
  }
  for (;;) {
    enter(state::reading, std::min<clock::duration>(config.header_timeout, until - clock::now()));
    bool more = co_await read_some(config.replay_limit);
    if (!more) {
      if (expired_)
        co_return co_await fail(408, "Request Timeout: the body took too long");
      co_return false;
    }
    auto how = parse_body();
    if (how == progress::broken)
      co_return co_await fail(400, "Bad Request: malformed chunked body");
    if (how == progress::done)
      co_return true;
  }
}

} // namespace troupe::gateway
