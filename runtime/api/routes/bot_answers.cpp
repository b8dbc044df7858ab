#include "runtime/api/routes/bot_answers.hpp"

#include "runtime/api/rows.hpp"

namespace troupe::api {

constexpr std::uint32_t most_unwell = 100'000;

question<health_report> ask_unwell(context& ctx, const inquiry& from) {
  return ctx.report_of<health_report>(ctx.p.health, from.what.io, most_unwell);
}

net::http_task<unwell_bots> health_of(question<health_report>& asked) {
  co_await asked.ready();
  auto report = asked.take();
  if (!report)
    co_return std::nullopt;
  std::map<bot_id, health_status> all;
  for (auto& one : report->worst)
    all.emplace(one.bot, one.status);
  co_return all;
}

boost::json::array bots_json(const std::vector<bot_row>& rows, const unwell_bots& unwell) {
  boost::json::array all;
  for (auto& row : rows) {
    std::optional<health_status> health;
    if (unwell) {
      auto found = unwell->find(row.id);
      health = found == unwell->end() ? health_status::healthy : found->second;
    }
    all.push_back(to_json(row, health));
  }
  return all;
}

net::http_task<response> bot_answer(context& ctx, const inquiry& from, const bot_row& row) {
  auto whom = context::handle(ctx.p.health);
  bot_health_request what{row.id};
  auto asked
    = ask<bot_health>(*ctx.p.system, from.what.io, std::move(whom), what, ctx.p.answer_timeout);
  co_await asked.ready();
  auto report = asked.take();
  std::optional<health_status> health;
  if (report)
    health = report->status;
  else if (report.error() == ec::unknown_bot) // Without a record: nothing went wrong lately.
    health = health_status::healthy;
  co_return json_response(to_json(row, health));
}

} // namespace troupe::api
