#pragma once
#include "messages/health.hpp"
#include "runtime/api/inquiry.hpp"

#include <boost/json/array.hpp>

#include <map>
#include <optional>

/// Bots as they are shown: the stored row, and how well the bot is by the health service.
namespace troupe::api {

/// Bots that are not healthy. Nothing when the health service did not answer.
using unwell_bots = std::optional<std::map<bot_id, health_status>>;

/// Asks for all of them at once: they are few.
[[nodiscard]] question<health_report> ask_unwell(context& ctx, const inquiry& from);
[[nodiscard]] net::http_task<unwell_bots> health_of(question<health_report>& asked);

[[nodiscard]] boost::json::array bots_json(const std::vector<bot_row>& rows,
                                           const unwell_bots& unwell);

/// 200 with one bot.
[[nodiscard]] net::http_task<response> bot_answer(context& ctx, const inquiry& from,
                                                  const bot_row& row);

} // namespace troupe::api
