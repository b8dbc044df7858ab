#pragma once
#include "messages/health.hpp"
#include "runtime/store/shards.hpp"

/// Health as of the last time it was saved: what a restarted node shows until there is news.
namespace troupe::store {

struct health_snapshot {
  bot_id bot = 0;
  health_status status = health_status::healthy;
  std::int64_t requests = 0;
  std::int64_t failures = 0;
  std::int64_t client_errors = 0;
  std::int64_t rate_limited = 0;
  std::int64_t latency_us = 0; ///< EWMA, microseconds.
  std::int64_t consecutive_failures = 0;
  std::optional<wall_time> last_success{};
  std::optional<wall_time> last_failure{};
  breaker_state breaker = breaker_state::closed;
  std::optional<wall_time> breaker_until{}; ///< When a probe may go out.
  wall_time saved{};
  friend bool operator==(const health_snapshot&, const health_snapshot&) = default;
};

/// Replaces what is stored of these bots, each at most once; bots that are not registered are left
/// out.
void save_health(unit& u, std::span<const health_snapshot> snapshots);

[[nodiscard]] std::optional<health_snapshot> find_health(unit& u, tenant_id tenant, bot_id bot);

/// For the node: by bot, from behind `after` on.
[[nodiscard]] std::vector<health_snapshot> load_health(unit& u, bot_id after, std::size_t limit);
[[nodiscard]] std::vector<health_snapshot> load_health(unit& u, bot_id after, std::size_t limit,
                                                       const shard_set& of);

} // namespace troupe::store
