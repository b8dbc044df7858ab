#pragma once
#include "actors/gateway/session.hpp"
#include "runtime/registry/request_end.hpp"
#include "runtime/telegram/errors.hpp"
#include "runtime/telegram/meaning.hpp"

#include <limits>

namespace troupe::gateway {

/// A longer answer is not kept: nobody knows what became of its request.
inline constexpr std::size_t longest_kept = 1024 * 1024;

/// Whose a key is: the bot's; of an adopted one, its token's, for its number may be a stranger's
/// claim, and its id is another one after each start.
inline bot_id owner_of_key(const directory::found& bot, const virtual_tokens& hashes,
                           std::string_view token) {
  if (bot.home > 0)
    return bot.bot;
  return -static_cast<bot_id>((siphash64({}, hashes.hash_of(token)) >> 2) + 2);
}

/// Asks the store whether this request is the first with its key. @returns whether to run it; else
/// it is answered, and `more` says whether the connection goes on
template <class Stream>
task<bool> session<Stream>::begin_kept(request_facts& facts, const directory::found& bot,
                                       std::string_view method, bool& more) {
  using what = kept_answer::verdict;
  more = false;
  if (!body_.complete) {
    auto words = "Request Entity Too Large: with an Idempotency-Key, at most "
                 + std::to_string(ctx_->config.replay_limit) + " bytes";
    co_await fail(413, words);
    co_return false;
  }
  auto body = body_.chunked ? std::string_view{head_->body} : view(in_).substr(0, body_.held);
  auto owner = owner_of_key(bot, *ctx_->ports.virtuals, facts.where.token);
  kept_key key{bot.tenant, owner, head_->idempotency_key};
  auto name = facts.where.test ? "test/" + std::string{method} : std::string{method};
  auto print = print_of(telegram::meaning_of(
    {name, facts.where.query, body, head_->content_type, head_->content_encoding}));
  auto left = std::max<clock::duration>(facts.wait_until - clock::now(), clock::duration::zero());
  // Not `waiting`: the answer must be heard even if the client leaves, or nobody would end the key.
  enter(state::writing, clock::duration::max());
  ask_begin(std::move(key), std::move(print), left);
  co_await answered();
  auto* known = std::get_if<kept_answer>(&*verdict_);
  if (known && known->what == what::started) {
    begun_ = true;
    if (gone_)
      co_return false; // Its mark gives the key back.
    co_return true;
  }
  keeping_.reset(); // Another's, or nobody's.
  in_.consume(body_.held);
  more = facts.keep_alive;
  if (known && known->what == what::finished) {
    auto bytes = make_answer(known->status, known->body, more);
    more = co_await answer(std::move(bytes), more);
    co_return false;
  }
  auto text = !known ? explain(503, "Service Unavailable: the Idempotency-Key cannot be stored", 1)
              : known->what == what::running
                ? explain(409, "Conflict: a request with this Idempotency-Key still runs", 1)
              : known->what == what::other_body
                ? explain(409, "Conflict: this Idempotency-Key was used for another request")
                : explain(409, "Conflict: outcome_unknown: an earlier request with this "
                               "Idempotency-Key may have been carried out");
  more = co_await refuse(text, more);
  co_return false;
}

/// Reads the whole response into `captured_`.
template <class Stream>
template <class Upstream>
task<void> session<Stream>::capture(Upstream& up, net::response_head& head, exchange_state& x) {
  head.eager(true);
  bool until_eof = head.need_eof();
  auto remaining =
    head.content_length().value_or(until_eof ? std::numeric_limits<std::uint64_t>::max() : 0);
  bool done = head.is_done();
  std::string body;
  while (!done) {
    error_code ec;
    auto n = take_body(head, remaining, done, ec);
    if (!head.chunked())
      body.append(view(up_).substr(0, n));
    up_.consume(n);
    if (ec || body.size() + head.decoded.size() > longest_kept) {
      x.how.what = failure::half_answer;
      co_return;
    }
    if (done)
      break;
    auto got = co_await net::read_some(up, up_.prepare(read_size));
    if (received(got, x))
      continue;
    if (!until_eof || expired_ || gone_)
      co_return;
    x.how.what = failure::none;
    break;
  }
  x.how.reusable = !until_eof && head.keep_alive() && up_.size() == 0;
  captured_.emplace();
  captured_->status = x.how.status;
  captured_->body = head.chunked() ? std::move(head.decoded) : std::move(body);
  if (x.how.status == 429 && !head.retry_after)
    if (auto named = telegram::retry_after_of_body(captured_->body))
      x.how.retry_after = *named;
  x.ends = false;
  if (x.how.status == 429 || x.how.status >= 500)
    x.withheld = "captured"; // The bot may have it tried again.
  else
    x.answered = true;
}

/// Has the answer kept, then gives it to the client: what he has seen once he will see again.
template <class Stream>
task<bool> session<Stream>::answer_kept(const request_facts& facts, const exchange_state& x) {
  in_.consume(body_.held);
  auto what = std::move(*captured_);
  captured_.reset();
  long retry_after = 0;
  if (what.status == 429)
    retry_after =
      static_cast<long>(std::chrono::ceil<std::chrono::seconds>(x.how.retry_after).count());
  if (!is_certain_end(what.status)) { // It was not carried out: the key is free again.
    drop_key();
  } else {
    enter(state::writing, clock::duration::max());
    ask_finish(what);
    co_await answered(); // Kept or not, the client gets it.
    see_finished();
  }
  auto bytes = make_answer(what.status, what.body, facts.keep_alive, retry_after,
                           troupe_fields{x.attempt, x.waited});
  co_return co_await answer(std::move(bytes), facts.keep_alive);
}

} // namespace troupe::gateway
