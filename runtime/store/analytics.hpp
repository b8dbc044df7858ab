#pragma once
#include "runtime/store/database.hpp"
#include "runtime/store/usage.hpp"

/// Usage as it is stored: per bot and hour for a week, and per bot and day for 90 days. Both are
/// written at once, so that neither is ever made from the other, and a question about 90 days reads
/// 90 rows.
namespace troupe::store {

/// Hours and days since 1970, UTC.
[[nodiscard]] std::int64_t hour_of(wall_time x) noexcept;
[[nodiscard]] inline std::int64_t day_of(wall_time x) noexcept {
  return hour_of(x) / 24;
}

struct usage_sample {
  bot_id bot = 0;
  std::int64_t hour = 0;
  store::usage usage{};
};

/// Adds what was counted since the last time; a sample's own `hours` are not read. Bots that are
/// not registered (any more) are left out. Not to be repeated after an unknown outcome: it would
/// count twice.
void add_usage(unit& u, std::span<const usage_sample> samples);

struct day_usage {
  std::int64_t day = 0;
  store::usage usage{};
};

/// The last `days` days including today's, oldest first, without those on which nothing happened.
/// Empty for a bot that the tenant does not have.
[[nodiscard]] std::vector<day_usage> usage_by_day(unit& u, tenant_id tenant, bot_id bot,
                                                  wall_time now, std::int64_t days);

/// A day's hours by themselves, while they are kept.
[[nodiscard]] std::vector<usage_sample> usage_by_hour(unit& u, tenant_id tenant, bot_id bot,
                                                      std::int64_t day);

struct usage_lifetimes {
  std::int64_t hourly_days = 7; ///< Hours of the last so many days are kept.
  std::int64_t daily_days = 90;
};

/// Removes what is older, for the next `limit` bots behind `after`.
/// @returns the last of them, or nothing when there are no more
[[nodiscard]] std::optional<bot_id> expire_usage(unit& u, bot_id after, std::size_t limit,
                                                 wall_time now, const usage_lifetimes& keep = {});

} // namespace troupe::store
