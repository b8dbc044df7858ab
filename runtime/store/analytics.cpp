#include "runtime/store/analytics.hpp"

#include "runtime/store/chunks.hpp"

namespace troupe::store {
namespace {

/// A row of either table; `time` is its hour or its day.
struct usage_row {
  bot_id bot = 0;
  std::int64_t time = 0;
  store::usage usage;
  std::string detail;
};

auto columns(usage_row& x) {
  auto& c = x.usage.calls;
  return std::tie(x.bot, x.time, c.requests, c.failures, c.client_errors, c.rate_limited,
                  c.latency_us, x.usage.updates, x.detail);
}

/// A row's usage, with its hours of the day if it is one hour.
usage read(usage_row& x, bool hourly) {
  decode_detail(x.detail, x.usage);
  if (hourly)
    x.usage.hours[static_cast<std::size_t>(x.time % 24)] = x.usage.calls.requests + x.usage.updates;
  return std::move(x.usage);
}

using key = std::pair<bot_id, std::int64_t>;
using usage_map = std::map<key, usage>;

#define TROUPE_USAGE_COLUMNS                                                                       \
  "requests, failures, client_errors, rate_limited, latency_us, updates, detail"

struct table {
  std::string_view name;
  std::string_view time;
};
constexpr table hours{"usage_hours", "hour"};
constexpr table days{"usage_days", "day"};

std::string select_from(const table& t) {
  return "SELECT bot, " + std::string{t.time} + ", " TROUPE_USAGE_COLUMNS " FROM "
         + std::string{t.name};
}

std::string insert_into(const table& t, std::size_t rows) {
  std::string sql = "INSERT INTO " + std::string{t.name} + " (bot, " + std::string{t.time}
                    + ", " TROUPE_USAGE_COLUMNS ") VALUES ";
  for (std::size_t row = 0; row < rows; ++row) {
    sql += row == 0 ? "(" : ", (";
    for (std::size_t i = 0; i < 9; ++i)
      sql += (i == 0 ? ":p" : ", :p") + std::to_string(row * 9 + i);
    sql += ')';
  }
  sql += " ON CONFLICT (bot, " + std::string{t.time} + ") DO UPDATE SET ";
  for (std::string_view column : {"requests", "failures", "client_errors", "rate_limited",
                                  "latency_us", "updates", "detail"}) {
    if (!sql.ends_with("SET "))
      sql += ", ";
    sql.append(column).append(" = excluded.").append(column);
  }
  return sql;
}

/// Writes rows, many in a statement, the rest one by one: two statements to prepare.
void put(unit& u, const table& t, const usage_map& rows) {
  constexpr std::size_t together = 50;
  std::vector<parameter> parameters;
  auto many = insert_into(t, together);
  auto one = insert_into(t, 1);
  auto left = rows.size();
  for (const auto& [where, x] : rows) {
    auto add = [&](const auto& value) { parameters.push_back(to_parameter(value)); };
    add(where.first);
    add(where.second);
    const auto& c = x.calls;
    for (auto n :
         {c.requests, c.failures, c.client_errors, c.rate_limited, c.latency_us, x.updates})
      add(n);
    add(encode_detail(x));
    auto full = left >= together;
    if (!full || parameters.size() == together * 9) {
      left -= parameters.size() / 9;
      u.execute_with(full ? many : one, std::exchange(parameters, {}));
    }
  }
}

/// An hour's own hours of the day follow from its key.
usage without_hours(usage x) {
  x.hours = {};
  return x;
}

} // namespace

std::int64_t hour_of(wall_time x) noexcept {
  return std::chrono::floor<std::chrono::hours>(x).time_since_epoch().count();
}

void add_usage(unit& u, std::span<const usage_sample> samples) {
  std::map<std::int64_t, std::vector<bot_id>> bots_by_hour;
  for (const auto& one : samples)
    bots_by_hour[one.hour].push_back(one.bot);
  const auto sql = select_from(hours) + " WHERE hour = :hour AND bot IN ";
  usage_map rows;
  for (auto& [hour, bots] : bots_by_hour) {
    for (auto& [id] : rows_of<std::tuple<bot_id>>(u, "SELECT id FROM bots WHERE id IN ", {}, bots))
      rows[{id, hour}];
    for (auto& one : rows_of<usage_row>(u, sql, {to_parameter(hour)}, bots))
      rows[{one.bot, hour}] = without_hours(read(one, false));
  }
  for (const auto& one : samples)
    if (auto found = rows.find({one.bot, one.hour}); found != rows.end())
      found->second.add(without_hours(one.usage));
  put(u, hours, rows);
}

std::vector<day_usage> usage_by_day(unit& u, tenant_id tenant, bot_id bot, wall_time now,
                                    std::int64_t days_back) {
  auto first = day_of(now) - days_back + 1;
  static const auto of_bot =
    std::string{" WHERE bot = (SELECT id FROM bots WHERE tenant = :tenant AND id = :bot) AND "};
  static const auto daily = select_from(days) + of_bot + "day >= :day";
  static const auto hourly = select_from(hours) + of_bot + "hour >= :hour";
  std::map<std::int64_t, usage> found;
  for (auto& one : u.rows<usage_row>(daily, tenant, bot, first))
    found[one.time].add(read(one, false));
  for (auto& one : u.rows<usage_row>(hourly, tenant, bot, first * 24))
    found[one.time / 24].add(read(one, true));
  std::vector<day_usage> result;
  for (auto& [day, x] : found)
    result.push_back({day, std::move(x)});
  return result;
}

std::vector<usage_sample> usage_by_hour(unit& u, tenant_id tenant, bot_id bot, std::int64_t day) {
  static const auto sql =
    select_from(hours)
    + " WHERE bot = (SELECT id FROM bots WHERE tenant = :tenant AND id = :bot) "
      "AND hour >= :first AND hour < :end ORDER BY hour";
  std::vector<usage_sample> result;
  for (auto& one : u.rows<usage_row>(sql, tenant, bot, day * 24, day * 24 + 24))
    result.push_back({bot, one.time, read(one, true)});
  return result;
}

std::optional<bot_id> fold_usage(unit& u, bot_id after, std::size_t limit, wall_time now,
                                 const usage_lifetimes& keep) {
  std::vector<bot_id> bots;
  for (auto& [id] : u.rows<std::tuple<bot_id>>(
         "SELECT id FROM bots WHERE id > :after ORDER BY id LIMIT :limit", after, limit))
    bots.push_back(id);
  if (bots.empty())
    return std::nullopt;
  auto last_bot = bots.back();
  auto first_hour = (day_of(now) - keep.hourly_days + 1) * 24;
  auto first_day = day_of(now) - keep.daily_days + 1;
  usage_map folded;
  for (auto& one : rows_of<usage_row>(u, select_from(hours) + " WHERE hour < :hour AND bot IN ",
                                      {to_parameter(first_hour)}, bots))
    if (one.time / 24 >= first_day)
      folded[{one.bot, one.time / 24}].add(read(one, true));
  std::map<std::int64_t, std::vector<bot_id>> bots_by_day;
  for (auto& [where, x] : folded)
    bots_by_day[where.second].push_back(where.first);
  for (auto& [day, some] : bots_by_day)
    for (auto& one : rows_of<usage_row>(u, select_from(days) + " WHERE day = :day AND bot IN ",
                                        {to_parameter(day)}, some))
      folded[{one.bot, day}].add(read(one, false));
  put(u, days, folded);
  remove_of(u, "DELETE FROM usage_hours WHERE hour < :hour AND bot IN ", {to_parameter(first_hour)},
            bots);
  remove_of(u, "DELETE FROM usage_days WHERE day < :day AND bot IN ", {to_parameter(first_day)},
            bots);
  return last_bot;
}

} // namespace troupe::store
