#include "messages/health.hpp"
#include "runtime/api/inquiry.hpp"
#include "runtime/api/json.hpp"
#include "runtime/api/routes/scope.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/api/rows.hpp"

namespace troupe::api {
namespace {

namespace json = boost::json;

task show_health(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  bot_health_request live{bot.id};
  auto asked = ctx.ask_of<bot_health>(from.what.io, bot.id, peer_part::health, ctx.p.health, live);
  health_query stored{from.tenant(), bot.id};
  auto kept = ctx.ask_store<health_row>(from.what.io, std::move(stored));
  co_await asked.ready();
  auto now = asked.take();
  co_await kept.ready();
  auto before = kept.take();
  json::object body;
  if (now)
    body = to_json(*now);
  else
    body = to_json(before ? *before : health_row{.bot = bot.id});
  // Whether these are the service's own numbers, or those of its last save.
  body["live"] = static_cast<bool>(now);
  body["saved_at"] = before ? shown_time(before->saved) : json::value(nullptr);
  body["phase"] = to_string(bot.phase);
  if (bot.phase == bot_phase::suspended)
    body["status"] = to_string(health_status::suspended);
  co_return json_response(body);
}

task show_analytics(context& ctx, const inquiry& from) {
  auto days = static_cast<std::uint32_t>(from.query.number("days").value_or(7));
  auto bot = co_await find_bot(ctx, from, from.bot());
  usage_query what{from.tenant(), bot.id, days};
  auto asked = ctx.ask_store<usage_report>(from.what.io, std::move(what));
  auto found = co_await answer_to(asked);
  auto body = analytics_json(found, days);
  body["bot"] = bot.id;
  co_return json_response(body);
}

constexpr field of_analytics[] = {
  {"days", shape::integer, 1, 90, "The last so many days, today included; 7 without it."},
};

constexpr route insight_table[] = {
  {"GET", "/v1/bots/{id}/health", "getBotHealth",
   "Status, totals, error rate, latency, last success and failure, breaker.", access::viewer,
   show_health},
  {"GET", "/v1/bots/{id}/analytics", "getBotAnalytics",
   "Requests per day, average response time, error rate, most active hours, busiest chats.",
   access::viewer, show_analytics, 200, of_analytics},
};

} // namespace

std::span<const route> insight_routes() {
  return insight_table;
}

} // namespace troupe::api
