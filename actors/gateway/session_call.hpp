#pragma once
#include "actors/gateway/session.hpp"
#include "actors/gateway/session_find.hpp"
#include "messages/bot.hpp"
#include "messages/rate_governor.hpp"
#include "messages/supervisor.hpp"
#include "runtime/registry/call_event.hpp"
#include "runtime/registry/cluster_view.hpp"
#include "runtime/telegram/methods.hpp"

#include <boost/asio/co_spawn.hpp>

#include <stdexcept>

namespace troupe::gateway {

/// What a long poll may take longer than it asked for.
inline constexpr auto poll_slack = std::chrono::seconds{25};
/// What Telegram makes of a longer `timeout`; another server may keep its word for longer.
inline constexpr long longest_poll = 50;

/// Serves the request whose head was read. @returns whether the connection goes on
template <class Stream>
task<bool> session<Stream>::serve() {
  request_facts facts;
  facts.arrived = clock::now();
  facts.keep_alive = head_->keep_alive();
  facts.where = parse_route(head_->target);
  const bool by_head = head_->method == "HEAD";
  const bool known_verb = by_head || head_->method == "GET" || head_->method == "POST";
  // As td's HttpReader::parse_head has it; before a Bot API server's files, another one takes HEAD.
  if (!known_verb || (by_head && facts.where.kind == route_kind::method))
    co_return co_await fail(501, "Not Implemented");
  if (facts.where.kind == route_kind::none)
    co_return co_await fail(404, "Not Found");
  if (head_->bad_deadline)
    co_return co_await fail(400, "Bad Request: X-Troupe-Deadline is no duration like 5s or 500ms");
  if (head_->bad_idempotency_key)
    co_return co_await fail(400, "Bad Request: Idempotency-Key has 1 to 256 characters");
  if (head_->content_length().value_or(0) >= net::endless_body)
    co_return co_await fail(413, "Request Entity Too Large");
  std::chrono::milliseconds patience = head_->deadline.value_or(ctx_->config.default_deadline);
  facts.wait_until = facts.arrived + patience;
  head_sent_ = unread_ = false;
  interim_ok_ = head_->version >= 11;
  if (surplus_) {
    auto text = explain(503, "Service Unavailable: too many connections", 1);
    co_return co_await refuse(text, false);
  }
  if (ctx_->draining) {
    auto text = explain(caf::make_error(ec::draining));
    co_return co_await refuse(text, false);
  }
  call_mark under_way{ctx_->calls}; // Already: a drain lets the client finish its body.
  directory::found entry;
  if (!find_running(facts, entry)) {
    bool found = co_await find_bot(facts, entry);
    if (!found)
      co_return false; // Answered; the body was not read, so the connection ends.
  }
  begin_body();
  auto body_state = parse_body();
  if (body_state == progress::broken)
    co_return co_await fail(400, "Bad Request: malformed chunked body");
  if (body_state == progress::more) {
    bool read = co_await read_body(facts.arrived + ctx_->config.request_timeout);
    if (!read)
      co_return false;
  }
  telegram::read_form(facts.where.query, facts.params);
  auto body = body_.chunked ? std::string_view{head_->body} : view(in_).substr(0, body_.held);
  if (!body.empty())
    telegram::read_body(body, head_->content_type, head_->content_encoding, facts.params);
  const auto& name = facts.where.method.empty() ? facts.params.method : facts.where.method;
  facts.method = telegram::find_method(name);
  if (!is_allowed(facts, name))
    co_return co_await fail(403, "Forbidden: this token may not call that method");
  if (!settle_method(*head_, facts, name))
    co_return co_await fail(404, "Not Found: method not found");
  if (telegram::method(facts.method).has(telegram::method_trait::local)) {
    if (!body_.complete)
      co_return co_await fail(413, "Request Entity Too Large");
    in_.consume(body_.held);
    count(facts, "local", caf::timespan{0});
    auto bytes = make_answer(200, R"({"ok":true,"result":true})", facts.keep_alive);
    co_return co_await answer(std::move(bytes), facts.keep_alive);
  }
  if (telegram::method(facts.method).has(telegram::method_trait::delivery)
      && facts.where.kind == route_kind::method
      && (facts.abroad ? facts.abroad->receives : receives_updates(entry.bot)))
    co_return co_await serve_updates(facts, entry);
  bot_ = entry.actor;
  foreign_ = facts.abroad.has_value();
  facts.bot = entry.bot;
  facts.chat_may_come =
    !body_.complete && !facts.params.chat
    && telegram::method(facts.method).has(telegram::method_trait::produces_message);
  ++ctx_->calls_total;
  struct key_mark { // However this ends, its Idempotency-Key does.
    session& who;
    ~key_mark() { who.drop_key(); }
  } mark{*this};
  bool more = true;
  bool keeps = !head_->idempotency_key.empty() && ctx_->ports.store
               && facts.where.kind == route_kind::method
               && !telegram::method(facts.method).has(telegram::method_trait::long_poll);
  if (keeps) {
    bool runs = co_await begin_kept(facts, entry, name, more);
    if (!runs) {
      bot_ = nullptr;
      co_return more;
    }
  }
  more = co_await serve_call(facts);
  if (!entry.proven && facts.rejected) // The upstream knows no such token.
    ctx_->lane().tell(ctx_->ports.found->bots_of(entry.home), stop_bot{entry.home});
  bot_ = nullptr;
  co_return more;
}

/// Calls of several nodes' gateways meet at a bot: the node's life is in their numbers.
template <class Stream>
call_id session<Stream>::next_call_id() {
  auto id = ctx_->next_call++;
  if (foreign_)
    id |= (static_cast<std::uint64_t>(ctx_->ports.found->cluster->life()) & 0xFFFFF) << 44;
  return id;
}

template <class Stream>
call session<Stream>::describe(const request_facts& facts) {
  const auto& method = telegram::method(facts.method);
  call c;
  c.id = next_call_id();
  c.method = facts.method;
  c.kind = facts.where.kind == route_kind::file            ? call_kind::file
           : method.has(telegram::method_trait::long_poll) ? call_kind::long_poll
                                                           : call_kind::request;
  c.repeatable = c.kind == call_kind::file || method.repeatable() || head_->retry_asked;
  c.replayable = body_.complete;
  c.produces_message = method.has(telegram::method_trait::produces_message);
  c.paid_broadcast = facts.params.paid_broadcast;
  c.chat = facts.params.chat;
  c.lane = ctx_->lane().index();
  return c;
}

/// One call: grant, exchange, again if the bot says so, answer.
template <class Stream>
task<bool> session<Stream>::serve_call(request_facts& facts) {
  auto c = describe(facts);
  exchange_state x;
  call_ = c.id;
  polling_ = c.kind == call_kind::long_poll;
  poll_ended_ = polling_ && ctx_->draining; // Since the head was read.
  std::optional<attempt_failed> failed;
  std::optional<refusal_text> refused;
  std::string_view label;
  while (!gone_ && !poll_ended_) {
    auto left = std::max<clock::duration>(facts.wait_until - clock::now(), clock::duration::zero());
    enter(state::waiting, clock::duration::max());
    if (failed) {
      failed->patience = left;
      request(bot_, *failed);
      held_ = lease{};
    } else {
      c.patience = left;
      request(bot_, c);
    }
    co_await answered();
    if (auto* why = std::get_if<caf::error>(&*verdict_)) {
      bool died = why->category() == caf::type_id_v<caf::sec> || has_moved(*why);
      // The bot died with the call. Its successor gets it if nothing was sent, or if that does no
      // harm; then only once, in case this call is what bots die of.
      bool harmless = !failed || (c.repeatable && c.replayable && x.earlier == 0);
      if (harmless && died && clock::now() < facts.wait_until && !gone_) {
        directory::found again;
        if (!co_await find_bot(facts, again))
          co_return false;
        if (again.actor == bot_) // Its supervisor has not heard of its end yet.
          co_await pause(first_lookup_pause);
        bot_ = again.actor;
        foreign_ = facts.abroad.has_value();
        if (failed) {
          failed.reset();
          x.earlier = x.attempt;
          c.id = call_ = next_call_id();
        }
        continue;
      }
      refused = failed ? explain(x.how.what) : explain(*why);
      label = failed ? outcome_label(x.how) : refusal_label(*why);
      break;
    }
    const auto& granted = std::get<grant>(*verdict_);
    held_ = granted.session;
    x.attempt = x.earlier + granted.attempt;
    x.waited = granted.waited;
    x.how = outcome{};
    bool over = co_await exchange(facts, granted, x);
    if (over && life_ == 0 && !gone_
        && !poll_ended_) { // Not begun: whoever has the bot now gets it.
      directory::found again;
      bool found = co_await find_bot(facts, again);
      if (!found)
        co_return false;
      failed.reset();
      bot_ = again.actor;
      foreign_ = facts.abroad.has_value();
      c.id = call_ = next_call_id();
      continue;
    }
    if (over)
      break;
    failed = attempt_failed{c.id, granted.session, x.how};
  }
  polling_ = false;
  facts.rejected = x.how.what == failure::none && x.how.status == 401;
  if (captured_ && x.how.what == failure::none) {
    count(facts, outcome_label(x.how), x.waited);
    co_return co_await answer_kept(facts, x);
  }
  if (gone_)
    co_return false;
  if (stalled_) {
    count(facts, outcome_label(x.how), x.waited);
    co_return co_await fail(408, "Request Timeout: the body took too long");
  }
  if (poll_ended_ && !head_sent_) { // Nothing is lost: unconfirmed updates stay at the upstream.
    count(facts, "ok", x.waited);
    in_.consume(body_.held);
    bool keep_alive = facts.keep_alive && body_.complete && !ctx_->draining;
    auto bytes =
      make_answer(200, R"({"ok":true,"result":[]})", keep_alive, 0, {x.attempt, x.waited});
    co_return co_await answer(std::move(bytes), keep_alive);
  }
  count(facts, label.empty() ? outcome_label(x.how) : label, x.waited);
  bool whole = body_.complete && (x.answered || refused || !x.withheld.empty());
  bool keep_alive = facts.keep_alive && whole && !x.ends;
  if (x.answered) {
    in_.consume(body_.complete ? body_.held : in_.size());
    co_return keep_alive;
  }
  if (head_sent_) // A half answer: the client sees it by the closed connection.
    co_return false;
  in_.consume(body_.held);
  if (!x.withheld.empty())
    co_return co_await answer(std::move(x.withheld), keep_alive);
  auto text = refused ? *refused : explain(x.how.what);
  co_return co_await refuse(text, keep_alive, troupe_fields{x.attempt, x.waited});
}

/// How long an exchange may take. A long poll: as long as it asked for, and what an answer takes.
template <class Stream>
clock::duration session<Stream>::exchange_limit(const request_facts& facts) const {
  const auto& config = ctx_->config;
  if (!telegram::method(facts.method).has(telegram::method_trait::long_poll))
    return config.request_timeout;
  auto asked = std::chrono::seconds{std::clamp(facts.params.poll_timeout, 0L, 3600L)};
  return std::min<clock::duration>(config.poll_timeout, asked + poll_slack);
}

/// How long a body that streams may pause, after `moved` bytes in `spent`.
template <class Stream>
clock::duration session<Stream>::body_limit(std::uint64_t moved, clock::duration spent) const {
  const auto& grace = ctx_->config.request_timeout;
  auto earned = std::chrono::seconds{moved / min_body_rate};
  return std::min<clock::duration>(grace, grace + earned - spent);
}

/// One attempt on the granted session. @returns false when the bot is to decide about another
template <class Stream>
task<bool> session<Stream>::exchange(request_facts& facts, const grant& granted,
                                     exchange_state& x) {
  auto& sessions = *ctx_->ports.sessions;
  enter(state::exchanging, exchange_limit(facts));
  x.withheld.clear();
  captured_.reset();
  auto started = x.began = clock::now();
  x.how.what = failure::not_sent;
  net::upstream_session* up = nullptr;
  // The place is the bot's node's; a connection of another node's pool is none of ours.
  const auto place = foreign_ ? ctx_->others->borrow() : granted.session.session;
  life_ = life_now();
  if (life_ != 0 && may_begin(granted) && !gone_) {
    up = sessions.try_acquire(place);
    if (!up)
      up = co_await connect(place);
    life_ = life_now(); // That took its time.
  }
  if (up && !gone_ && !poll_ended_ && life_ != 0) {
    session_ = up;
    if (ctx_->config.demo_faults && head_->crash == "connection")
      throw std::runtime_error{"X-Troupe-Crash: connection"};
    started = clock::now();
    const bool sent_before = std::exchange(sent_, true);
    if (up->tls()) {
      co_await send_request(up->secure(), facts, x);
      if (x.how.what == failure::none)
        co_await receive_response(up->secure(), facts, x);
    } else {
      co_await send_request(up->plain(), facts, x);
      if (x.how.what == failure::none)
        co_await receive_response(up->plain(), facts, x);
    }
    session_ = nullptr;
    if (x.how.what == failure::not_sent || x.how.status == 429)
      sent_ = sent_before; // Certainly not carried out.
  }
  bool taken = false; // The lease was: our bot or the pool died.
  if (x.how.what != failure::none) {
    x.how.reusable = false;
    // No answer that Telegram would have given by now: an empty one, as it would.
    if (expired_ && polling_ && !head_sent_ && facts.params.poll_timeout > longest_poll)
      poll_ended_ = true;
    if (gone_ || stalled_ || poll_ended_ || life_ == 0) { // Says nothing about the upstream.
      x.how.unsent = x.how.what == failure::not_sent;
      x.how.what = failure::aborted;
    } else if (expired_) {
      x.how.what = failure::timeout;
    } else if (up && up->aborted() && !head_sent_) {
      x.how.what = failure::aborted;
      taken = true;
    }
  }
  x.how.latency = clock::now() - started;
  if (up)
    sessions.release(*up, x.how.reusable);
  if (foreign_)
    ctx_->others->give_back(place, up && x.how.reusable, clock::now());
  up_.consume(up_.size());
  bool again = !x.answered && !head_sent_ && !gone_ && !poll_ended_
               && (x.how.what != failure::aborted || taken)
               && (x.how.what != failure::none || !x.withheld.empty());
  if (!again) {
    ctx_->lane().tell(bot_, call_done{granted.id, granted.session, x.how});
    held_ = lease{};
  }
  co_return !again;
}

/// Whether the exchange that was granted may begin here: only where the connection is.
template <class Stream>
bool session<Stream>::may_begin(const grant& granted) const {
  return foreign_ || granted.session.lane == ctx_->lane().index();
}

/// Makes the connection of upstream session `session`. Null: that failed.
template <class Stream>
task<net::upstream_session*> session<Stream>::connect(std::uint64_t session) {
  net::upstream_session* made = nullptr;
  error_code why;
  co_await net::awaited{[&](auto handler) {
    net::asio::co_spawn(ctx_->lane().executor(),
                        ctx_->ports.sessions->acquire(session, deadline_, why),
                        [&made, handler = std::move(handler)](std::exception_ptr failure,
                                                              net::upstream_session* up) mutable {
                          made = failure ? nullptr : up;
                          handler(error_code{});
                        });
  }};
  co_return made;
}

template <class Stream>
task<bool> session<Stream>::refuse(const refusal_text& text, bool keep_alive,
                                   const troupe_fields& fields) {
  auto bytes = make_answer(text.status, text.body, keep_alive, text.retry_after, fields);
  co_return co_await answer(std::move(bytes), keep_alive);
}

template <class Stream>
task<bool> session<Stream>::answer(std::string bytes, bool keep_alive) {
  enter(state::writing, ctx_->config.header_timeout);
  auto end = bytes.find("\r\n\r\n") + 2;
  if (keep_alive && head_->version < 11 && bytes.find(kept_on) > end)
    bytes.insert(end, kept_on);
  if (head_ && head_->method == "HEAD") // Such an answer has no body (RFC 9110, 9.3.2).
    bytes.resize(std::min(bytes.size(), bytes.find("\r\n\r\n") + 4));
  auto sent = co_await write_client(bytes, {});
  gone_ = gone_ || sent.ec;
  co_return !sent.ec && keep_alive;
}

template <class Stream>
void session<Stream>::count(const request_facts& facts, std::string_view label,
                            caf::timespan waited) {
  auto took = std::chrono::duration<double>(clock::now() - facts.arrived).count();
  if (ctx_->ports.meter)
    ctx_->ports.meter(facts.method, label, took, static_cast<double>(waited.count()) / 1e9);
  if (ctx_->ports.usage && facts.bot > 0)
    ctx_->ports.usage(facts.bot, facts.method, label, took, facts.params.chat.key, !foreign_);
}

} // namespace troupe::gateway
