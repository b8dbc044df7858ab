#include "runtime/api/inquiry.hpp"
#include "runtime/api/once.hpp"
#include "runtime/api/routes/scope.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/api/trail.hpp"
#include "runtime/registry/request_end.hpp"
#include "runtime/telegram/meaning.hpp"

#include <algorithm>

namespace troupe::api {
namespace {

constexpr std::size_t longest_key = 256;
/// A repetition waits so long for the first request's answer.
constexpr std::chrono::seconds call_patience{10};

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

response replayed(const method_answer& from) {
  auto answer = passed_on(from);
  answer.headers = "Idempotent-Replayed: true\r\n";
  return answer;
}

task call_once(context& ctx, const inquiry& from, method_call what, std::string key) {
  // Of the bot's tenant, so that an operator's keys and the tenant's own are the same.
  auto bot = co_await find_bot(ctx, from, what.bot);
  idempotency_begin first;
  first.tenant = bot.tenant;
  first.bot = bot.id;
  first.key = std::move(key);
  auto meaning = telegram::meaning_of({what.method, {}, what.body, "application/json"});
  first.body = print_of(meaning);
  first.patience = call_patience;
  auto asked = ask_once(ctx, from.what.io, std::move(first), std::move(what));
  auto answer = co_await answer_to(asked);
  switch (answer.what) {
  case idempotency_what::started:
    break;
  case idempotency_what::finished:
    co_return replayed(answer.said);
  case idempotency_what::other_body:
    throw refused{api_error::key_reused};
  case idempotency_what::outcome_unknown:
    throw refused{api_error::outcome_unknown};
  case idempotency_what::running:
    refused wait{api_error::request_running};
    wait.headers = retry_after(std::chrono::seconds{1});
    throw wait;
  }
  if (answer.why)
    throw refused_with(answer.why, text_of(ec::unknown_bot));
  co_return passed_on(answer.said);
}

task call_now(context& ctx, const inquiry& from, method_call what) {
  auto asked = ctx.ask_registrar<method_answer>(from.what.io, std::move(what));
  co_await asked.ready();
  auto answer = asked.take();
  if (!answer && is_silence(answer.error()))
    throw refused{api_error::change_unknown};
  if (!answer)
    throw refused_with(answer.error(), text_of(ec::unknown_bot));
  co_return passed_on(*answer);
}

/// Whether a method, in whatever case, only reads: such calls leave no trace.
bool only_reads(std::string_view method) {
  constexpr std::string_view get = "get";
  return std::equal(get.begin(), get.end(), method.begin(),
                    method.begin()
                      + static_cast<std::ptrdiff_t>(std::min(method.size(), get.size())),
                    [](char a, char b) { return a == (b | 0x20); });
}

audit_row entry_of(const inquiry& from, tenant_id tenant, const method_call& what) {
  audit_row row;
  row.by = from.by();
  row.tenant = tenant;
  row.subject = "bot:" + std::to_string(what.bot);
  row.detail = boost::json::serialize(boost::json::object{{"method", what.method}});
  if (!only_reads(what.method))
    row.action = "bot.call";
  return row;
}

task call_method(context& ctx, const inquiry& from) {
  method_call what;
  what.tenant = from.tenant();
  what.bot = from.bot();
  what.method = std::string{from.path.text("method")};
  if (!from.what.body.empty())
    what.body = std::string{from.what.body}; // As it came: it was checked to be an object.
  auto key = key_of(from);
  auto tenant = from.tenant();
  if (from.who.is_operator()) {
    auto row = co_await find_bot(ctx, from, what.bot);
    tenant = row.tenant;
  }
  trail_mark mark{ctx, entry_of(from, tenant, what)};
  try {
    response answer;
    if (key.empty())
      answer = co_await call_now(ctx, from, std::move(what));
    else
      answer = co_await call_once(ctx, from, std::move(what), std::move(key));
    mark.end(answer.status == 200 ? "ok" : "status_" + std::to_string(answer.status));
    co_return answer;
  } catch (const refused& why) {
    mark.end(std::string{why.text->code});
    throw;
  }
}

constexpr route method_table[] = {
  {"POST",
   "/v1/bots/{id}/methods/{method}",
   "callMethod",
   "Calls the Bot API as this bot, without its token; the answer is the Bot API's. With the header "
   "Idempotency-Key a repetition gets the first answer for 24 hours.",
   access::developer,
   call_method,
   200,
   {},
   body_use::free},
};

} // namespace

std::span<const route> method_routes() {
  return method_table;
}

} // namespace troupe::api
