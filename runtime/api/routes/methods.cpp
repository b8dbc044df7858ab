#include "runtime/api/inquiry.hpp"
#include "runtime/api/routes/scope.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/crypto/hash.hpp"

#include <caf/send.hpp>

#include <algorithm>

namespace troupe::api {
namespace {

constexpr std::size_t longest_key = 255;
/// A repetition waits so long for the first request's answer.
constexpr std::chrono::seconds patience{10};

bool is_printable(char c) {
  return c > ' ' && c < 0x7f;
}

/// The header Idempotency-Key; empty without one. @throws refused
std::string key_of(const inquiry& from) {
  auto key = from.what.header("Idempotency-Key");
  if (key.size() > longest_key || !std::all_of(key.begin(), key.end(), is_printable))
    throw refused{api_error::idempotency_key, {}, "Idempotency-Key"};
  return std::string{key};
}

response passed_on(const method_answer& from) {
  response answer;
  answer.status = from.status;
  answer.body = from.body;
  return answer;
}

/// A bot whose owner is not proven takes no calls, and says `suspended` of it. @throws refused
net::http_task<void> refuse_call(context& ctx, const inquiry& from, bot_id bot, caf::error why) {
  if (why == ec::suspended) {
    auto row = co_await find_bot(ctx, from, bot);
    if (row.phase == bot_phase::pending)
      throw refused{text_of(store_refusal::not_verified)};
  }
  throw refused_with(why, text_of(ec::unknown_bot));
}

/// What an answer says about the request: whether it was carried out.
idempotency_end_kind ending_of(std::uint16_t status) {
  if (status == 429)
    return idempotency_end_kind::forget; // Refused by Telegram's budgets: it did not happen.
  return status >= 500 ? idempotency_end_kind::lose : idempotency_end_kind::finish;
}

/// A request that the store knows to be under way. Whatever becomes of the coroutine, the store is
/// told how it ended.
class kept_request {
public:
  kept_request(context& ctx, idempotency_end what) : ctx_(ctx), what_(std::move(what)) {
    what_.how = idempotency_end_kind::lose;
  }
  kept_request(const kept_request&) = delete;
  kept_request& operator=(const kept_request&) = delete;
  ~kept_request() {
    if (over_)
      return;
    if (auto store = ctx_.p.store ? ctx_.p.store() : store_actor{})
      caf::anon_send(store, std::move(what_));
  }

  net::http_task<void> end(net::http_executor io, idempotency_end_kind how, method_answer answer) {
    what_.how = how;
    what_.answer.status = answer.status;
    what_.answer.content_type = std::move(answer.content_type);
    what_.answer.body = std::move(answer.body);
    over_ = true;
    // The answer is given only when it is kept, so that a repetition gets the same. If it cannot be
    // kept, the store still knows that the request was under way.
    auto asked = ctx_.ask_store<done>(io, std::move(what_));
    co_await asked.answer();
  }

private:
  context& ctx_;
  idempotency_end what_;
  bool over_ = false;
};

/// The first answer if the request is a repetition; nothing if it is to be carried out.
/// @throws refused
net::http_task<std::optional<response>> begin(context& ctx, const inquiry& from,
                                              idempotency_begin what) {
  auto asked = ctx.ask_store_long<idempotency_answer>(from.what.io, std::move(what));
  auto before = co_await answer_to(asked);
  switch (before.what) {
  case idempotency_what::started:
    co_return std::nullopt;
  case idempotency_what::finished: {
    response answer;
    answer.status = before.status;
    answer.headers = "Idempotent-Replayed: true\r\n";
    answer.body = std::move(before.body);
    co_return answer;
  }
  case idempotency_what::other_body:
    throw refused{api_error::key_reused};
  case idempotency_what::outcome_unknown:
    throw refused{api_error::outcome_unknown};
  case idempotency_what::running:
    break;
  }
  refused wait{api_error::request_running};
  wait.headers = retry_after(std::chrono::seconds{1});
  throw wait;
}

task call_once(context& ctx, const inquiry& from, method_call what, std::string key) {
  // Of the bot's tenant, so that an operator's keys and the tenant's own are the same.
  auto bot = co_await find_bot(ctx, from, what.bot);
  idempotency_begin first;
  first.tenant = bot.tenant;
  first.bot = bot.id;
  first.key = key;
  first.body = crypto::plain_hash(what.method + '\n' + what.body);
  first.patience = patience;
  auto before = co_await begin(ctx, from, std::move(first));
  if (before)
    co_return std::move(*before);
  idempotency_end last;
  last.tenant = bot.tenant;
  last.bot = bot.id;
  last.key = std::move(key);
  kept_request kept{ctx, std::move(last)};
  auto asked = ctx.ask_registrar<method_answer>(from.what.io, std::move(what));
  auto answer = co_await asked.answer();
  if (!answer) {
    auto why = answer.error();
    // Whatever else went wrong did so before anything was sent.
    auto unknown = is_silence(why) || why == ec::transport_failed
                   || why == store_refusal::outcome_unknown;
    method_answer none;
    co_await kept.end(from.what.io,
                      unknown ? idempotency_end_kind::lose : idempotency_end_kind::forget,
                      std::move(none));
    if (unknown)
      throw refused{api_error::outcome_unknown};
    co_await refuse_call(ctx, from, bot.id, std::move(why));
  }
  auto result = passed_on(*answer);
  auto how = ending_of(answer->status);
  co_await kept.end(from.what.io, how, std::move(*answer));
  co_return result;
}

task call_method(context& ctx, const inquiry& from) {
  method_call what;
  what.tenant = from.tenant();
  what.bot = from.bot();
  what.method = std::string{from.path.text("method")};
  if (!from.what.body.empty())
    what.body = std::string{from.what.body}; // As it came: it was checked to be an object.
  auto key = key_of(from);
  if (!key.empty())
    co_return co_await call_once(ctx, from, std::move(what), std::move(key));
  auto bot = what.bot;
  auto asked = ctx.ask_registrar<method_answer>(from.what.io, std::move(what));
  auto answer = co_await asked.answer();
  if (!answer && is_silence(answer.error()))
    throw refused{api_error::change_unknown};
  if (!answer)
    co_await refuse_call(ctx, from, bot, answer.error());
  co_return passed_on(*answer);
}

constexpr route table[] = {
  {"POST", "/v1/bots/{id}/methods/{method}", "callMethod",
   "Calls the Bot API as this bot, without its token; the answer is the Bot API's. With the header "
   "Idempotency-Key a repetition gets the first answer for 24 hours.",
   access::developer, call_method, 200, {}, body_use::free},
};

} // namespace

std::span<const route> method_routes() {
  return table;
}

} // namespace troupe::api
