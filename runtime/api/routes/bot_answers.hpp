#pragma once
#include "messages/health.hpp"
#include "messages/intake.hpp"
#include "messages/journal.hpp"
#include "runtime/api/inquiry.hpp"

#include <boost/json/array.hpp>

#include <map>
#include <optional>
#include <set>

/// Bots as they are shown: the stored row, and how well the bot is by the health service.
namespace troupe::api {

/// Bots that are not healthy, and whose health service said so: of the nodes with these desks, the
/// empty one for this node.
struct unwell_bots {
  std::map<bot_id, health_status> unwell;
  std::set<caf::actor> answered;
};
struct asked_health {
  caf::actor desk;
  question<health_report> report;
};

/// Asks every node for all of them at once: they are few.
[[nodiscard]] std::vector<asked_health> ask_unwell(context& ctx, const inquiry& from);
[[nodiscard]] net::http_task<unwell_bots> health_of(std::vector<asked_health>& asked);

/// While a bot's shard is on its way to a node, or nobody has it since its node was lost, questions
/// wait as calls do; for so long at the most.
[[nodiscard]] std::chrono::steady_clock::time_point owner_awaited_until(const context& ctx);
/// Waits a moment, and then while nobody has the bot, but not longer.
[[nodiscard]] net::http_task<void> seek_owner(context& ctx, const inquiry& from, bot_id bot,
                                              std::chrono::steady_clock::time_point until);
/// What the journal that has the bot says, whichever node's it is by then. @throws refused
/// @param changes silence does not mean that nothing happened
template <class Answer, class Request>
[[nodiscard]] net::http_task<Answer> told_by_owner(context& ctx, const inquiry& from, Request what,
                                                   bool changes = false) {
  const auto until = owner_awaited_until(ctx);
  for (;;) {
    auto asked = ctx.template ask_journal<Answer>(from.what.io, what);
    co_await asked.ready();
    auto said = taken_unless_moved(asked, changes);
    if (said)
      co_return std::move(*said);
    if (std::chrono::steady_clock::now() >= until)
      throw refused{api_error::service_unavailable};
    co_await seek_owner(ctx, from, what.bot, until);
  }
}

/// Who is stored as active is passive while it is not in memory: that is written down nowhere.
[[nodiscard]] net::http_task<void> show_passive(context& ctx, const inquiry& from,
                                                std::vector<bot_row>& rows);

[[nodiscard]] boost::json::array bots_json(const context& ctx, const std::vector<bot_row>& rows,
                                           const unwell_bots& all);

/// How a bot's updates stand: whether they come in, what waits, what is dead. Asked for at once.
struct update_state {
  question<pending_count> waiting;
  question<intake_view> intake;
  std::optional<question<live_list>> live; ///< Of another node's bot.
};
[[nodiscard]] update_state ask_update_state(context& ctx, const inquiry& from, bot_id bot);
/// What was asked. @param waits for an owner of the bot if it has none
/// @throws refused when the journal does not answer
[[nodiscard]] net::http_task<boost::json::object>
update_state_of(context& ctx, const inquiry& from, bot_id bot, update_state& asked, bool waits);

/// Adds its state to each of `bots` (of bots_json), as `update_state`; null where the journal does
/// not answer.
[[nodiscard]] net::http_task<void> add_update_states(context& ctx, const inquiry& from,
                                                     boost::json::array& bots);

/// 200 with one bot.
[[nodiscard]] net::http_task<response> bot_answer(context& ctx, const inquiry& from,
                                                  const bot_row& row);

} // namespace troupe::api
