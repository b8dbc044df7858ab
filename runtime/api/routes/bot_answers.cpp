#include "runtime/api/routes/bot_answers.hpp"

#include "runtime/api/rows.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>

namespace troupe::api {

namespace {

using pause_timer =
  boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                    boost::asio::wait_traits<std::chrono::steady_clock>,
                                    net::http_executor>;

/// Before an owner is looked for again.
constexpr std::chrono::milliseconds seek_pause{25};

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

std::vector<asked_health> ask_unwell(context& ctx, const inquiry& from) {
  std::vector<asked_health> all;
  all.push_back({{}, ctx.report_of<health_report>(ctx.p.health, from.what.io, most_unwell)});
  if (ctx.p.cluster)
    for (auto& [node, desk] : ctx.p.cluster->desks())
      all.push_back({desk, ctx.ask_desk<health_report>(from.what.io, desk, peer_part::health,
                                                       get_report{most_unwell})});
  return all;
}

net::http_task<unwell_bots> health_of(std::vector<asked_health>& asked) {
  unwell_bots all;
  for (auto& node : asked) {
    co_await node.report.ready();
    auto report = node.report.take();
    if (!report)
      continue;
    all.answered.insert(node.desk);
    for (auto& one : report->worst)
      all.unwell.emplace(one.bot, one.status);
  }
  co_return all;
}

net::http_task<void> show_passive(context& ctx, const inquiry& from, std::vector<bot_row>& rows) {
  std::map<caf::actor, live_query> others;
  std::set<bot_id> passive;
  for (auto& row : rows) {
    if (row.phase != bot_phase::active)
      continue;
    if (auto desk = ctx.abroad(row.id); !desk) {
      if (ctx.p.is_passive && ctx.p.is_passive(row.id))
        passive.insert(row.id);
    } else if (*desk) {
      others[*desk].bots.push_back(row.id);
    }
  }
  std::vector<question<live_list>> asked;
  for (auto& [desk, what] : others)
    asked.push_back(ctx.ask_desk<live_list>(from.what.io, desk, peer_part::registrar, what));
  for (auto& one : asked) {
    co_await one.ready();
    auto said = one.take();
    if (!said) // They are shown as they are stored.
      continue;
    for (auto& bot : said->bots)
      if (bot.passive)
        passive.insert(bot.bot);
  }
  for (auto& row : rows)
    if (passive.contains(row.id))
      row.phase = bot_phase::passive;
}

boost::json::array bots_json(const context& ctx, const std::vector<bot_row>& rows,
                             const unwell_bots& all) {
  boost::json::array result;
  for (auto& row : rows) {
    auto desk = ctx.abroad(row.id);
    std::optional<health_status> health;
    bool nobody = desk && !*desk;
    if (!nobody && all.answered.contains(desk.value_or(caf::actor{}))) {
      auto found = all.unwell.find(row.id);
      health = found == all.unwell.end() ? health_status::healthy : found->second;
    }
    result.push_back(to_json(row, health));
  }
  return result;
}

std::chrono::steady_clock::time_point owner_awaited_until(const context& ctx) {
  return std::chrono::steady_clock::now() + ctx.p.long_timeout / 3;
}

net::http_task<void> seek_owner(context& ctx, const inquiry& from, bot_id bot,
                                std::chrono::steady_clock::time_point until) {
  for (bool sought = false; !sought;) {
    pause_timer pause{from.what.io, seek_pause};
    auto token = boost::asio::as_tuple(net::use_http_task);
    auto [ended] = co_await pause.async_wait(token);
    if (ended) // The client went away.
      throw boost::system::system_error{ended};
    auto desk = ctx.abroad(bot);
    sought = !desk || *desk || std::chrono::steady_clock::now() >= until;
  }
}

// -- updates ---------------------------------------------------------------------------------------

update_state ask_update_state(context& ctx, const inquiry& from, bot_id bot) {
  intake_query where{bot};
  pending_query what{bot};
  auto io = from.what.io;
  auto intake = ctx.ask_of<intake_view>(io, bot, peer_part::webhooks, ctx.p.webhooks, where);
  update_state all{ctx.ask_journal<pending_count>(io, what), std::move(intake), {}};
  if (auto desk = ctx.abroad(bot); desk && *desk)
    all.live.emplace(ctx.ask_desk<live_list>(io, *desk, peer_part::registrar, live_query{{bot}}));
  return all;
}

namespace {

/// Until when, and why, a bot's delivery rests; of another node's, when that said so in time.
net::http_task<std::optional<delivery_book::pause>> pause_of(context& ctx, bot_id bot,
                                                             update_state& asked) {
  if (!asked.live)
    co_return ctx.p.delivery_pause ? ctx.p.delivery_pause(bot) : std::nullopt;
  co_await asked.live->ready();
  auto said = asked.live->take();
  if (!said || said->bots.empty() || said->bots.front().rests_until == 0)
    co_return std::nullopt;
  auto& x = said->bots.front();
  co_return delivery_book::pause{x.rests_until, std::move(x.rests_because)};
}

} // namespace

net::http_task<boost::json::object> update_state_of(context& ctx, const inquiry& from, bot_id bot,
                                                    update_state& asked, bool waits) {
  co_await asked.waiting.ready();
  auto found = taken_unless_moved(asked.waiting, false);
  if (!found && !waits)
    throw refused{api_error::service_unavailable};
  pending_query again{bot};
  if (!found)
    found = co_await told_by_owner<pending_count>(ctx, from, again);
  co_await asked.intake.ready();
  auto comes = shown_intake(asked.intake.take());
  auto rest = co_await pause_of(ctx, bot, asked);
  co_return shown_state(*found, std::move(comes), rest);
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
      state = co_await update_state_of(ctx, from, one.at("id").as_int64(), asked[i], false);
    } catch (const refused&) {
      state = nullptr; // The list is worth something without it.
    }
    one["update_state"] = std::move(state);
  }
}

net::http_task<response> bot_answer(context& ctx, const inquiry& from, const bot_row& row) {
  bot_health_request what{row.id};
  auto asked = ctx.ask_of<bot_health>(from.what.io, row.id, peer_part::health, ctx.p.health, what);
  co_await asked.ready();
  auto report = asked.take();
  std::optional<health_status> health;
  if (report)
    health = report->status;
  else if (report.error() == ec::unknown_bot) // Without a record: nothing went wrong lately.
    health = health_status::healthy;
  std::vector<bot_row> shown{row};
  co_await show_passive(ctx, from, shown);
  co_return json_response(to_json(shown.front(), health));
}

} // namespace troupe::api
