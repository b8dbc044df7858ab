#pragma once
#include "actors/gateway/session.hpp"
#include "runtime/registry/cluster_view.hpp"
#include "runtime/telegram/errors.hpp"

namespace troupe::gateway {

/// A response withheld for a possible retry is at most this long, head included.
inline constexpr std::size_t withhold_limit = 64 * 1024;

/// What the parser leaves of a response: a head, or between chunks what it sets no limit to.
inline constexpr std::size_t most_unparsed = 256 * 1024;

/// Writes the request. Afterwards `x.how.what` is none, or says how far it came.
template <class Stream>
template <class Upstream>
task<void> session<Stream>::send_request(Upstream& up, request_facts& facts, exchange_state& x) {
  auto held = body_.chunked ? std::string_view{head_->chunks} : view(in_).substr(0, body_.held);
  auto sent = co_await net::written{up, head_->forward, held};
  if (sent.n > 0 && body_.complete && life_now() != life_)
    ++ctx_->ports.found->cluster->late_calls;
  if (sent.ec) {
    x.how.what = sent.n == 0 ? failure::not_sent : failure::broken;
    co_return;
  }
  x.how.what = failure::none;
  if (body_.complete)
    co_return;
  // The rest streams through: read from the client, write to the upstream, nothing kept.
  late_.clear();
  if (facts.chat_may_come)
    look_for_chat(facts, body_.chunked ? std::string_view{head_->body} : held, false);
  head_->body.clear();
  head_->chunks.clear();
  head_->keep_body = facts.chat_may_come ? read_size * 16 : 0;
  in_.consume(body_.held);
  body_.held = 0;
  bool done = false;
  std::uint64_t streamed = 0;
  const auto began = clock::now();
  while (!done) {
    if (in_.size() == 0) {
      bool more = co_await read_upload(x, began, streamed);
      if (!more)
        co_return;
    }
    std::size_t n = 0;
    std::string_view part;
    if (body_.chunked) {
      error_code ec;
      n = head_->put(in_.data(), ec);
      if ((ec && ec != net::http::error::need_more) || (n == 0 && is_overfull())) {
        gone_ = true;
        x.how.what = failure::broken;
        co_return;
      }
      done = head_->is_done();
      if (n == 0 && !done) { // A chunk header in pieces.
        bool more = co_await read_upload(x, began, streamed);
        if (!more)
          co_return;
        continue;
      }
      part = head_->chunks;
    } else {
      n = static_cast<std::size_t>(std::min<std::uint64_t>(body_.remaining, in_.size()));
      body_.remaining -= n;
      done = body_.remaining == 0;
      part = view(in_).substr(0, n);
    }
    if (facts.chat_may_come)
      look_for_chat(facts, body_.chunked ? std::string_view{head_->body} : part, done);
    head_->body.clear();
    streamed += n;
    if (life_now() != life_) { // Without its end it is not carried out.
      x.how.what = failure::broken;
      co_return;
    }
    sent = co_await net::written{up, part, {}};
    if (done && life_now() != life_)
      ++ctx_->ports.found->cluster->late_calls;
    in_.consume(n);
    head_->chunks.clear();
    if (sent.ec) // The upstream may have answered early (too large, unauthorized): read on.
      co_return;
  }
  body_.complete = true;
}

/// Looks into the next part of a streamed body for a chat that came too late for the permit, and
/// charges it now. Of a multipart body a window is kept; another one is read when it is all there,
/// or was longer than the Bot API takes.
template <class Stream>
void session<Stream>::look_for_chat(request_facts& facts, std::string_view part, bool last) {
  const bool in_parts = telegram::is_multipart(head_->content_type);
  late_.append(part);
  telegram::call_params seen;
  if (in_parts || (last && late_.size() <= longest_params))
    telegram::read_body(late_, head_->content_type, head_->content_encoding, seen);
  if (seen.chat) {
    charge(facts.bot, seen.chat, foreign_);
  } else if (in_parts && late_.size() > late_window) {
    late_.erase(0, late_.size() - late_window);
    return;
  } else if (!last && late_.size() <= longest_params) {
    return;
  }
  facts.chat_may_come = false;
  late_ = {};
}

/// Reads more of a body that streams through. @returns false when the client stopped in its middle
template <class Stream>
task<bool> session<Stream>::read_upload(exchange_state& x, clock::time_point began,
                                        std::uint64_t streamed) {
  enter(state::uploading, body_limit(streamed, clock::now() - began));
  bool more = co_await read_some(64 * 1024);
  if (more) {
    state_ = state::exchanging; // With what is left of the time.
  } else {
    (expired_ ? stalled_ : gone_) = true;
    x.how.what = failure::broken;
  }
  co_return more;
}

/// Keeps what was read of the response. @returns false, with `x.how` set, when nothing more comes
template <class Stream>
bool session<Stream>::received(const net::io_result& got, exchange_state& x) {
  up_.commit(got.n);
  if (!got.ec && got.n > 0 && up_.size() <= most_unparsed)
    return true;
  x.how.what = head_sent_ ? failure::half_answer : failure::broken;
  return false;
}

/// Reads the response and passes it on, or keeps it back.
template <class Stream>
template <class Upstream>
task<void> session<Stream>::receive_response(Upstream& up, request_facts& facts,
                                             exchange_state& x) {
  std::optional<net::response_head> head;
  error_code ec;
  do { // Once, and once more for each interim response.
    head.emplace();
    head->decode = head_->version < 11 || keeping_;
    head->skip(head_->method == "HEAD"); // Its answer ends with the head, whatever that promises.
    while (!head->is_header_done()) {
      if (up_.size() > 0) {
        auto n = head->put(up_.data(), ec);
        up_.consume(n);
        if (head->is_header_done())
          break;
        if (ec && ec != net::http::error::need_more) {
          x.how.what = failure::broken;
          co_return;
        }
      }
      auto got = co_await net::read_some(up, up_.prepare(read_size));
      if (!received(got, x))
        co_return;
    }
  } while (head->status >= 100 && head->status < 200);
  x.ends = head->need_eof() || (head->decode && head->chunked());
  x.how.status = static_cast<std::uint16_t>(head->status);
  auto soon = std::chrono::seconds{x.how.status == 429 ? 1 : 0};
  x.how.retry_after = head->retry_after.value_or(soon);
  if (keeping_) {
    co_await capture(up, *head, x);
    co_return;
  }
  auto first = client_head(*head, facts, x);
  bool again = (head->status == 429 || is_server_fault(head->status)) && body_.complete;
  auto length = head->content_length();
  if (again && (head->chunked() || (length && *length < withhold_limit / 2)))
    co_await withhold(up, *head, std::move(first), x);
  else
    co_await pass_body(up, *head, std::move(first), x);
}

/// The head for the client, with Troupe's fields.
template <class Stream>
std::string session<Stream>::client_head(net::response_head& head, const request_facts& facts,
                                         const exchange_state& x) {
  auto out = std::move(head.forward);
  if (!facts.keep_alive || x.ends || !body_.complete)
    out.append("Connection: close\r\n");
  else if (head_->version < 11)
    out.append(kept_on);
  append_fields(out, troupe_fields{x.attempt, x.waited});
  out.append("\r\n");
  return out;
}

/// How many bytes at the front of `up_` belong to the body; sets `done` at its end.
template <class Stream>
std::size_t session<Stream>::take_body(net::response_head& head, std::uint64_t& remaining,
                                       bool& done, error_code& ec) {
  if (head.chunked()) {
    auto n = up_.size() > 0 ? head.put(up_.data(), ec) : 0;
    if (ec == net::http::error::need_more)
      ec = {};
    done = head.is_done();
    return n;
  }
  auto n = static_cast<std::size_t>(std::min<std::uint64_t>(remaining, up_.size()));
  remaining -= n;
  done = remaining == 0;
  return n;
}

template <class Stream>
template <class Upstream>
task<void> session<Stream>::pass_body(Upstream& up, net::response_head& head, std::string first,
                                      exchange_state& x) {
  head.eager(true);
  bool until_eof = head.need_eof();
  bool done = head.is_done(); // To HEAD, or a 304, which also promise what does not follow.
  auto remaining =
    done
      ? 0
      : head.content_length().value_or(until_eof ? std::numeric_limits<std::uint64_t>::max() : 0);
  std::uint64_t passed = 0;
  clock::duration spent{0}; // Waiting for the upstream, not for the client.
  bool told = false;
  // A short answer goes on when all of it is there: one that breaks off can be asked for again.
  const bool is_short = !head.chunked() && remaining <= withhold_limit / 2;
  for (;;) {
    error_code ec;
    const bool waits = is_short && up_.size() < remaining;
    auto n = done || waits ? 0 : take_body(head, remaining, done, ec);
    if (ec) {
      x.how.what = head_sent_ ? failure::half_answer : failure::broken;
      co_return;
    }
    auto part =
      head.chunked() && head.decode ? std::string_view{head.decoded} : view(up_).substr(0, n);
    if (!waits && (!first.empty() || !part.empty())) {
      head_sent_ = true;
      // A client that takes nothing must not keep the session.
      enter(state::writing, ctx_->config.header_timeout);
      auto sent = co_await write_client(first, part);
      first.clear();
      head.decoded.clear();
      if (sent.ec) {
        gone_ = true;
        x.how.what = failure::aborted;
        co_return;
      }
    }
    up_.consume(n);
    if (done)
      break;
    passed += n;
    enter(state::exchanging, body_limit(passed + (waits ? up_.size() : 0), spent));
    if (!told && entered_ - x.began > ctx_->config.request_timeout / 2) {
      ctx_->lane().tell(bot_, answer_streams{call_});
      told = true;
    }
    auto got = co_await net::read_some(up, up_.prepare(read_size));
    spent += since_entered();
    if (!received(got, x)) {
      if (until_eof && !expired_ && !gone_) {
        x.how.what = failure::none;
        break;
      }
      co_return;
    }
  }
  x.answered = true;
  x.how.reusable = !until_eof && head.keep_alive() && body_.complete && up_.size() == 0;
}

/// Reads the whole response into `x.withheld`. One that turns out too long is final: it is passed
/// on.
template <class Stream>
template <class Upstream>
task<void> session<Stream>::withhold(Upstream& up, net::response_head& head, std::string first,
                                     exchange_state& x) {
  head.eager(true);
  auto remaining = head.content_length().value_or(0);
  bool done = head.is_done();
  std::string body;
  while (!done) {
    error_code ec;
    auto n = take_body(head, remaining, done, ec);
    body.append(view(up_).substr(0, n));
    up_.consume(n);
    if (ec) {
      x.how.what = failure::broken;
      co_return;
    }
    if (done)
      break;
    if (body.size() > withhold_limit) {
      if (!head.decode) // Else the parser still has what is to be passed on.
        first += body;
      co_await pass_body(up, head, std::move(first), x);
      co_return;
    }
    auto got = co_await net::read_some(up, up_.prepare(read_size));
    if (!received(got, x))
      co_return;
  }
  x.how.reusable = head.keep_alive() && body_.complete && up_.size() == 0;
  if (x.how.status == 429 && !head.retry_after)
    if (auto named = telegram::retry_after_of_body(body))
      x.how.retry_after = *named;
  x.withheld = std::move(first);
  x.withheld += head.chunked() && head.decode ? head.decoded : body;
}

} // namespace troupe::gateway
