#include "runtime/api/routes/bot_answers.hpp"

#include "runtime/api/rows.hpp"

namespace troupe::api {

namespace {

namespace json = boost::json;

constexpr std::uint32_t most_unwell = 100'000;

/// How updates come in; null when nobody says.
json::value shown_intake(const caf::expected<intake_view>& found) {
  if (!found)
    return nullptr;
  return json::object{{"state", to_string(found->state)},
                      {"reason", none_if_empty(found->reason)},
                      {"elsewhere", none_if_empty(found->elsewhere)},
                      {"checked_at", shown_time(found->checked)},
                      {"pending_at_telegram", found->pending},
                      {"last_error", none_if_empty(found->last_error)},
                      {"last_error_at", shown_time(found->last_error_at)}};
}

json::object shown_state(const pending_count& found, json::value intake,
                         const std::optional<delivery_book::pause>& rest) {
  return {{"intake", std::move(intake)},
          {"pending", found.pending},
          {"oldest_at", shown_time(found.oldest)},
          {"full", found.full},
          {"dead_letters", found.dead},
          {"rests_until", shown_time(rest ? rest->until : 0)},
          {"rests_because", rest ? json::value(rest->reason) : json::value(nullptr)}};
}

} // namespace

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

void show_passive(const context& ctx, bot_row& row) {
  if (row.phase == bot_phase::active && ctx.p.is_passive && ctx.p.is_passive(row.id))
    row.phase = bot_phase::passive;
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

// -- updates ---------------------------------------------------------------------------------------

update_state ask_update_state(context& ctx, const inquiry& from, bot_id bot) {
  intake_query where{bot};
  pending_query what{bot};
  auto intake = ask<intake_view>(*ctx.p.system, from.what.io, context::handle(ctx.p.webhooks),
                                 where, ctx.p.answer_timeout);
  return {ctx.ask_journal<pending_count>(from.what.io, what), std::move(intake)};
}

net::http_task<boost::json::object> update_state_of(context& ctx, bot_id bot, update_state& asked) {
  auto found = co_await answer_to(asked.waiting);
  co_await asked.intake.ready();
  auto comes = shown_intake(asked.intake.take());
  auto rest = ctx.p.delivery_pause ? ctx.p.delivery_pause(bot) : std::nullopt;
  co_return shown_state(found, std::move(comes), rest);
}

net::http_task<void> add_update_states(context& ctx, const inquiry& from,
                                       boost::json::array& bots) {
  std::vector<update_state> asked;
  asked.reserve(bots.size());
  for (auto& one : bots)
    asked.push_back(ask_update_state(ctx, from, one.at("id").as_int64()));
  for (std::size_t i = 0; i < bots.size(); ++i) {
    auto& one = bots[i].as_object();
    boost::json::value state;
    try {
      state = co_await update_state_of(ctx, one.at("id").as_int64(), asked[i]);
    } catch (const refused&) {
      state = nullptr; // The list is worth something without it.
    }
    one["update_state"] = std::move(state);
  }
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
  auto shown = row;
  show_passive(ctx, shown);
  co_return json_response(to_json(shown, health));
}

} // namespace troupe::api
