#include "runtime/store/analytics.hpp"

#include "runtime/store/chunks.hpp"

#include <unordered_set>

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

usage read(usage_row& x) {
  decode_detail(x.detail, x.usage);
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

void put(unit& u, const table& t, const usage_map& rows) {
  std::vector<parameter> all;
  for (const auto& [where, x] : rows) {
    const auto& c = x.calls;
    for (auto n : {where.first, where.second, c.requests, c.failures, c.client_errors,
                   c.rate_limited, c.latency_us, x.updates})
      all.push_back(to_parameter(n));
    all.push_back(to_parameter(encode_detail(x)));
  }
  auto time = std::string{t.time};
  row_insert{"INSERT INTO " + std::string{t.name} + " (bot, " + time
               + ", " TROUPE_USAGE_COLUMNS ") VALUES",
             9,
             "ON CONFLICT (bot, " + time
               + ") DO UPDATE SET requests = excluded.requests, failures = excluded.failures, "
                 "client_errors = excluded.client_errors, rate_limited = excluded.rate_limited, "
                 "latency_us = excluded.latency_us, updates = excluded.updates, "
                 "detail = excluded.detail"}
    .run(u, std::move(all));
}

/// What is stored for these keys, and nothing for those that are not there yet.
void read_into(unit& u, const table& t, usage_map& rows) {
  std::map<std::int64_t, std::vector<bot_id>> bots_by_time;
  for (const auto& [where, x] : rows)
    bots_by_time[where.second].push_back(where.first);
  const auto sql = select_from(t) + " WHERE " + std::string{t.time} + " = :" + std::string{t.time}
                   + " AND bot IN ";
  for (auto& [time, bots] : bots_by_time)
    for (auto& one : rows_of<usage_row>(u, sql, {to_parameter(time)}, bots))
      rows[{one.bot, time}] = read(one);
}

} // namespace

std::int64_t hour_of(wall_time x) noexcept {
  return std::chrono::floor<std::chrono::hours>(x).time_since_epoch().count();
}

void add_usage(unit& u, std::span<const usage_sample> samples) {
  std::vector<bot_id> bots;
  for (const auto& one : samples)
    bots.push_back(one.bot);
  std::unordered_set<bot_id> known;
  for (auto& [id] : rows_of<std::tuple<bot_id>>(u, "SELECT id FROM bots WHERE id IN ", {}, bots))
    known.insert(id);
  usage_map by_hour, by_day;
  for (const auto& one : samples)
    if (known.contains(one.bot)) {
      by_hour[{one.bot, one.hour}];
      by_day[{one.bot, one.hour / 24}];
    }
  read_into(u, hours, by_hour);
  read_into(u, days, by_day);
  for (const auto& one : samples) {
    if (!known.contains(one.bot))
      continue;
    auto counted = one.usage;
    counted.hours = {};
    by_hour[{one.bot, one.hour}].add(counted);
    counted.hours[static_cast<std::size_t>(one.hour % 24)] =
      counted.calls.requests + counted.updates;
    by_day[{one.bot, one.hour / 24}].add(counted);
  }
  put(u, hours, by_hour);
  put(u, days, by_day);
}

std::vector<day_usage> usage_by_day(unit& u, tenant_id tenant, bot_id bot, wall_time now,
                                    std::int64_t days_back) {
  static const auto sql =
    select_from(days)
    + " WHERE bot = (SELECT id FROM bots WHERE tenant = :tenant AND id = :bot) "
      "AND day >= :first AND day <= :last ORDER BY day";
  auto today = day_of(now);
  std::vector<day_usage> result;
  for (auto& one : u.rows<usage_row>(sql, tenant, bot, today - days_back + 1, today))
    result.push_back({one.time, read(one)});
  return result;
}

std::vector<usage_sample> usage_by_hour(unit& u, tenant_id tenant, bot_id bot, std::int64_t day) {
  static const auto sql =
    select_from(hours)
    + " WHERE bot = (SELECT id FROM bots WHERE tenant = :tenant AND id = :bot) "
      "AND hour >= :first AND hour < :end ORDER BY hour";
  std::vector<usage_sample> result;
  for (auto& one : u.rows<usage_row>(sql, tenant, bot, day * 24, day * 24 + 24))
    result.push_back({bot, one.time, read(one)});
  return result;
}

std::optional<bot_id> expire_usage(unit& u, bot_id after, std::size_t limit, wall_time now,
                                   const usage_lifetimes& keep) {
  std::vector<bot_id> bots;
  for (auto& [id] : u.rows<std::tuple<bot_id>>(
         "SELECT id FROM bots WHERE id > :after ORDER BY id LIMIT :limit", after, limit))
    bots.push_back(id);
  if (bots.empty())
    return std::nullopt;
  auto first_hour = (day_of(now) - keep.hourly_days + 1) * 24;
  auto first_day = day_of(now) - keep.daily_days + 1;
  remove_of(u, "DELETE FROM usage_hours WHERE hour < :hour AND bot IN ", {to_parameter(first_hour)},
            bots);
  remove_of(u, "DELETE FROM usage_days WHERE day < :day AND bot IN ", {to_parameter(first_day)},
            bots);
  return bots.back();
}

} // namespace troupe::store
