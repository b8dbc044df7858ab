#include "runtime/store/health.hpp"

#include "runtime/store/chunks.hpp"

#include <unordered_set>

namespace troupe::store {

#define TROUPE_HEALTH_COLUMNS                                                                      \
  "bot, status, requests, failures, client_errors, rate_limited, latency_us, "                     \
  "consecutive_failures, last_success, last_failure, breaker, breaker_until, saved"

static auto columns(health_snapshot& x) {
  return std::tie(x.bot, x.status, x.requests, x.failures, x.client_errors, x.rate_limited,
                  x.latency_us, x.consecutive_failures, x.last_success, x.last_failure, x.breaker,
                  x.breaker_until, x.saved);
}

void save_health(unit& u, std::span<const health_snapshot> snapshots) {
  std::vector<bot_id> ids;
  for (const auto& one : snapshots)
    ids.push_back(one.bot);
  std::unordered_set<bot_id> known;
  for (auto& [id] : rows_of<std::tuple<bot_id>>(u, "SELECT id FROM bots WHERE id IN ", {}, ids))
    known.insert(id);
  std::vector<parameter> all;
  for (auto x : snapshots)
    if (known.contains(x.bot))
      std::apply([&](const auto&... value) { (all.push_back(to_parameter(value)), ...); },
                 columns(x));
  static const row_insert into{
    "INSERT INTO bot_health (" TROUPE_HEALTH_COLUMNS ") VALUES", 13,
    "ON CONFLICT (bot) DO UPDATE SET status = excluded.status, "
    "requests = excluded.requests, failures = excluded.failures, "
    "client_errors = excluded.client_errors, rate_limited = excluded.rate_limited, "
    "latency_us = excluded.latency_us, "
    "consecutive_failures = excluded.consecutive_failures, "
    "last_success = excluded.last_success, last_failure = excluded.last_failure, "
    "breaker = excluded.breaker, breaker_until = excluded.breaker_until, "
    "saved = excluded.saved"};
  into.run(u, std::move(all));
}

std::optional<health_snapshot> find_health(unit& u, tenant_id tenant, bot_id bot) {
  return u.row<health_snapshot>(
    "SELECT " TROUPE_HEALTH_COLUMNS " FROM bot_health "
    "WHERE bot = (SELECT id FROM bots WHERE tenant = :tenant AND id = :bot)",
    tenant, bot);
}

std::vector<health_snapshot> load_health(unit& u, bot_id after, std::size_t limit) {
  return u.rows<health_snapshot>("SELECT " TROUPE_HEALTH_COLUMNS
                                 " FROM bot_health WHERE bot > :after ORDER BY bot LIMIT :limit",
                                 after, limit);
}

std::vector<health_snapshot> load_health(unit& u, bot_id after, std::size_t limit,
                                         const shard_set& of) {
  return u.rows<health_snapshot>("SELECT " TROUPE_HEALTH_COLUMNS
                                 " FROM bot_health WHERE bot > :after AND EXISTS (SELECT 1 FROM "
                                 "bot_shards s WHERE s.bot = bot_health.bot AND " TROUPE_IN_SHARDS(
                                   "s.shard") ") ORDER BY bot LIMIT :limit",
                                 after, of.text(), limit);
}

} // namespace troupe::store
