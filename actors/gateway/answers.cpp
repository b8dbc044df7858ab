#include "actors/gateway/answers.hpp"

#include "messages/store.hpp"
#include "runtime/telegram/errors.hpp"

#include <boost/beast/http/status.hpp>

#include <caf/const_typed_message_view.hpp>
#include <caf/message.hpp>

#include <algorithm>
#include <charconv>

namespace troupe::gateway {
namespace {

/// One line per error that can reach a client.
struct line {
  ec code;
  int status;
  const char* words; ///< Null: "Too Many Requests: retry after N", as the Bot API says it.
  long retry_after;  ///< Seconds when the error itself names none; 0: none.
};

constexpr line lines[] = {
  {ec::unknown_bot, 401, "Unauthorized", 0},
  {ec::unauthorized, 401, "Unauthorized", 0},
  {ec::suspended, 403, "Forbidden: the bot or its tenant is suspended", 0},
  {ec::quarantined, 503, "Service Unavailable: the bot crashed too often and rests", 60},
  {ec::queue_full, 429, nullptr, 1},
  {ec::budget_wait_too_long, 429, nullptr, 1},
  {ec::deadline_passed, 429, nullptr, 1},
  {ec::no_session, 503, "Service Unavailable: no connection became free in time", 1},
  {ec::breaker_open, 503, "Service Unavailable: the bot's requests keep failing", 1},
  {ec::upstream_open, 503, "Service Unavailable: the Bot API is failing", 1},
  {ec::draining, 503, "Service Unavailable: the server is shutting down", 1},
  {ec::stopped, 503, "Service Unavailable: the bot was stopped", 1},
  {ec::too_many_bots, 503, "Service Unavailable: too many bots at once", 5},
  {ec::journal_full, 503, "Service Unavailable: too many updates wait for this bot", 5},
  {ec::pull_conflict, 409,
   "Conflict: terminated by other getUpdates request; make sure that only one bot instance is "
   "running",
   0},
  {ec::not_pulled, 409,
   "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the "
   "webhook first",
   0},
};

/// The control API's word for a registered bot whose owner has not proven that it is his.
constexpr line unverified{ec::none, 403, "Forbidden: the bot's owner is not proven yet", 0};

/// For errors without a line: a service or the bot died on the way, nothing was sent.
constexpr line restarting{ec::none, 503, "Service Unavailable: the bot is being restarted", 1};

const line& line_of(const caf::error& why) noexcept {
  if (why.category() == caf::type_id_v<ec>)
    for (const auto& x : lines)
      if (x.code == static_cast<ec>(why.code()))
        return x;
  return why == store_refusal::not_verified ? unverified : restarting;
}

long seconds_up(caf::timespan wait) noexcept {
  constexpr auto second = caf::timespan::period::den;
  return static_cast<long>((wait.count() + second - 1) / second);
}

refusal_text render(int status, std::string words, long retry_after) {
  telegram::api_error error;
  error.code = status;
  error.description = std::move(words);
  error.retry_after = std::chrono::seconds{retry_after};
  return {status, telegram::to_json(error), retry_after};
}

} // namespace

void append_fields(std::string& head, const troupe_fields& fields) {
  auto thousandths = std::max<std::int64_t>(fields.waited.count(), 0) / 1'000'000;
  char text[16];
  auto put = [&](std::string_view before, std::int64_t number) {
    auto end = std::to_chars(text, text + sizeof text, number).ptr;
    head.append(before).append(text, static_cast<std::size_t>(end - text));
  };
  put("X-Troupe-Attempts: ", fields.attempts);
  put("\r\nX-Troupe-Waited: ", thousandths / 1000);
  auto rest = thousandths % 1000;
  put(rest < 10 ? ".00" : rest < 100 ? ".0" : ".", rest);
  head.append("\r\n");
}

std::string make_answer(int status, std::string_view body, bool keep_alive, long retry_after,
                        const troupe_fields& fields) {
  auto reason = boost::beast::http::obsolete_reason(
    boost::beast::http::int_to_status(static_cast<unsigned>(status)));
  std::string out;
  out.reserve(256 + body.size());
  out.append("HTTP/1.1 ").append(std::to_string(status)).append(1, ' ');
  out.append(reason.data(), reason.size());
  out.append("\r\nContent-Type: application/json\r\nContent-Length: ");
  out.append(std::to_string(body.size())).append("\r\n");
  if (retry_after > 0)
    out.append("Retry-After: ").append(std::to_string(retry_after)).append("\r\n");
  if (!keep_alive)
    out.append("Connection: close\r\n");
  append_fields(out, fields);
  out.append("\r\n").append(body);
  return out;
}

refusal_text explain(const caf::error& why) {
  const auto& x = line_of(why);
  auto retry_after = x.retry_after;
  if (auto context = caf::make_const_typed_message_view<refusal>(why.context()))
    if (auto wait = get<0>(context).retry_after; wait.count() > 0)
      retry_after = std::max(1L, seconds_up(wait));
  auto words = x.words ? std::string{x.words}
                       : "Too Many Requests: retry after " + std::to_string(retry_after);
  return render(x.status, std::move(words), retry_after);
}

refusal_text explain(failure what) {
  switch (what) {
  case failure::timeout:
    return render(504, "Gateway Timeout: the Bot API did not answer in time", 1);
  case failure::not_sent:
    return render(502, "Bad Gateway: the Bot API could not be reached", 1);
  case failure::aborted:
    return render(502, "Bad Gateway: the bot was restarted during the request", 1);
  default:
    return render(502, "Bad Gateway: the connection to the Bot API broke", 1);
  }
}

refusal_text explain(int status, std::string_view description, long retry_after) {
  return render(status, std::string{description}, retry_after);
}

} // namespace troupe::gateway
