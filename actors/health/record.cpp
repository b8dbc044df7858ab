#include "actors/health/record.hpp"

#include <algorithm>

namespace troupe {
namespace {

static_assert(static_cast<int>(health_grade::unhealthy)
              == static_cast<int>(health_status::unhealthy));
static_assert(static_cast<int>(breaker_phase::open) == static_cast<int>(breaker_state::open));
static_assert(static_cast<int>(breaker_phase::half_open)
              == static_cast<int>(breaker_state::half_open));

health_thresholds thresholds(const health_config& cfg) {
  return {cfg.min_requests, cfg.degraded_from, cfg.unhealthy_from, cfg.unhealthy_consecutive};
}

double rate(std::uint32_t part, std::uint32_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / whole;
}

caf::timespan since(time_point then, time_point now) {
  return then == time_point{} ? caf::timespan{-1}
                              : std::max<caf::timespan>(now - then, caf::timespan{0});
}

} // namespace

template <class Window>
void outcome_record<Window>::count(const health_config& cfg, const outcome_sample& x, verdict v) {
  auto at = time_point{duration{x.finished}};
  window.record(cfg.window, at, v);
  ++requests;
  if (v == verdict::failure) {
    ++failures;
    ++consecutive;
    last_failure = std::max(last_failure, at);
    return;
  }
  // An answer came, so that latency means something and the row of failures ends.
  consecutive = 0;
  last_success = std::max(last_success, at);
  latency.record(std::chrono::duration<double>(x.latency).count(), cfg.ewma_alpha);
  client_errors += v == verdict::client_error;
  rate_limited += v == verdict::rate_limited;
}

template <class Window>
health_grade outcome_record<Window>::grade_now(const health_config& cfg, time_point now) const {
  return grade(thresholds(cfg), window.sum(cfg.window, now), consecutive);
}

template <class Window>
bot_health outcome_record<Window>::report(const health_config& cfg, bot_id bot,
                                          time_point now) const {
  auto sum = window.sum(cfg.window, now);
  bot_health result;
  result.bot = bot;
  result.status = static_cast<health_status>(grade(thresholds(cfg), sum, consecutive));
  result.requests = requests;
  result.failures = failures;
  result.client_errors = client_errors;
  result.rate_limited = rate_limited;
  result.window_requests = sum.requests;
  result.error_rate = rate(sum.failures, sum.requests);
  result.client_error_rate = rate(sum.client_errors, sum.requests);
  result.latency_ewma = latency.value();
  result.consecutive_failures = consecutive;
  result.since_success = since(last_success, now);
  result.since_failure = since(last_failure, now);
  result.rate_limited_now = sum.rate_limited > 0;
  result.breaker = static_cast<breaker_state>(gate.phase(now));
  result.breaker_opens_in = gate.opens_in(now);
  return result;
}

static_assert(sizeof(health_record) < 300);
template struct outcome_record<health_window>;
template struct outcome_record<wide_health_window>;

} // namespace troupe
