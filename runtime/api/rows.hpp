#pragma once
#include "messages/store.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <optional>

/// The store's rows as JSON. Times are ISO 8601 in UTC, "never" and "none" are null.
namespace troupe::api {

/// "2026-01-31T12:00:00.000Z"; null for 0.
[[nodiscard]] boost::json::value shown_time(wall_ms x);
/// "2026-01-31" for a number of days since 1970.
[[nodiscard]] std::string shown_day(std::int64_t day);
[[nodiscard]] boost::json::value none_if_empty(const std::string& x);

/// @param health as the health service sees it now; null in the answer without it
[[nodiscard]] boost::json::object to_json(const bot_row& x,
                                          std::optional<health_status> health);
[[nodiscard]] boost::json::object to_json(const tenant_row& x);
[[nodiscard]] boost::json::object to_json(const user_row& x);
[[nodiscard]] boost::json::object to_json(const key_row& x);
[[nodiscard]] boost::json::object to_json(const virtual_token_row& x);
[[nodiscard]] boost::json::object to_json(const health_row& x);
[[nodiscard]] boost::json::object to_json(const audit_row& x);

/// Days, sums, hours, methods, chats of a bot's last `days` days.
[[nodiscard]] boost::json::object analytics_json(const usage_report& x, std::uint32_t days);

template <class Row>
boost::json::array list_of(const std::vector<Row>& rows) {
  boost::json::array all;
  for (const auto& row : rows)
    all.push_back(to_json(row));
  return all;
}

} // namespace troupe::api
