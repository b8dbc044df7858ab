#pragma once
#include "actors/health/health.hpp"
#include "messages/health.hpp"
#include "runtime/policy/breaker.hpp"
#include "runtime/policy/health_window.hpp"

#include <caf/actor_addr.hpp>

namespace troupe {

/// What an ended exchange says about health: failures are transport errors, timeouts and 5xx.
/// @pre `x.what` is not `failure::aborted`: that says nothing.
[[nodiscard]] constexpr verdict judge(const outcome_sample& x) noexcept {
  if (x.what != failure::none || is_server_fault(x.status))
    return verdict::failure;
  if (x.status == 429)
    return verdict::rate_limited;
  return x.status >= 400 ? verdict::client_error : verdict::success;
}

/// What is known about one bot, or about the upstream as a whole.
template <class Window>
struct outcome_record {
  Window window;
  ewma latency;
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;
  std::uint64_t client_errors = 0;
  std::uint64_t rate_limited = 0;
  std::uint32_t consecutive = 0; ///< Failures in a row.
  time_point last_success{};     ///< The epoch: never.
  time_point last_failure{};
  time_point heard{};                          ///< Of the bot, last.
  health_grade stored = health_grade::healthy; ///< At most so well it is ...
  time_point stored_until{};                   ///< ... until then, or until the window tells.
  breaker gate;
  caf::actor_addr who;

  void count(const health_config& cfg, const outcome_sample& x, verdict v);
  [[nodiscard]] health_grade grade_now(const health_config& cfg, time_point now) const {
    return grade_by(cfg, window.sum(cfg.window, now), now);
  }
  [[nodiscard]] health_grade grade_by(const health_config& cfg, const health_totals& sum,
                                      time_point now) const;
  [[nodiscard]] bot_health report(const health_config& cfg, bot_id bot, time_point now) const;
};

using health_record = outcome_record<health_window>;        ///< Of a bot; less than 300 bytes.
using upstream_record = outcome_record<wide_health_window>; ///< Of all bots together.

/// One moment, by two clocks.
struct moment {
  time_point steady;
  wall_ms wall = 0;
};

/// A record as it is stored, and back: `to` is new, its breaker as the row says.
[[nodiscard]] health_row to_row(const health_config& cfg, bot_id bot, const health_record& x,
                                const moment& now);
void from_row(const health_row& x, const health_config& cfg, const moment& now, health_record& to);

} // namespace troupe
