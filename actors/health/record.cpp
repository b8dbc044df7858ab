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
  if (!x.poll)
    latency.record(std::chrono::duration<double>(x.latency).count(), cfg.ewma_alpha);
  client_errors += v == verdict::client_error;
  rate_limited += v == verdict::rate_limited;
}

template <class Window>
health_grade outcome_record<Window>::grade_by(const health_config& cfg, const health_totals& sum,
                                              time_point now) const {
  auto by_window = grade(thresholds(cfg), sum, consecutive);
  // What was in the window before the node started again would still be there.
  bool knows = sum.requests >= cfg.min_requests || now >= stored_until;
  return knows ? by_window : std::max(by_window, stored);
}

template <class Window>
bot_health outcome_record<Window>::report(const health_config& cfg, bot_id bot,
                                          time_point now) const {
  auto sum = window.sum(cfg.window, now);
  bot_health result;
  result.bot = bot;
  result.status = static_cast<health_status>(grade_by(cfg, sum, now));
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

namespace {

wall_ms ms_of(duration x) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(x).count();
}

} // namespace

health_row to_row(const health_config& cfg, bot_id bot, const health_record& x,
                  const moment& when) {
  auto now = when.steady;
  auto at = when.wall;
  auto wall = [&](time_point then) { return then == time_point{} ? 0 : at - ms_of(now - then); };
  health_row row;
  row.bot = bot;
  row.status = static_cast<health_status>(x.grade_now(cfg, now));
  row.requests = x.requests;
  row.failures = x.failures;
  row.client_errors = x.client_errors;
  row.rate_limited = x.rate_limited;
  row.latency_us = static_cast<std::int64_t>(x.latency.value() * 1e6);
  row.consecutive_failures = x.consecutive;
  row.last_success = wall(x.last_success);
  row.last_failure = wall(x.last_failure);
  row.breaker = static_cast<breaker_state>(x.gate.phase(now));
  if (row.breaker == breaker_state::open)
    row.breaker_until = at + ms_of(x.gate.opens_in(now));
  row.saved = at;
  return row;
}

void from_row(const health_row& x, const health_config& cfg, const moment& when,
              health_record& to) {
  auto now = when.steady;
  auto at = when.wall;
  auto steady = [&](wall_ms then) {
    return then == 0 ? time_point{}
                     : now - std::chrono::milliseconds{std::max<wall_ms>(at - then, 0)};
  };
  to.requests = x.requests;
  to.failures = x.failures;
  to.client_errors = x.client_errors;
  to.rate_limited = x.rate_limited;
  if (x.latency_us > 0)
    to.latency.record(static_cast<double>(x.latency_us) / 1e6, 1.0);
  to.consecutive = x.consecutive_failures;
  to.last_success = steady(x.last_success);
  to.last_failure = steady(x.last_failure);
  to.heard = now;
  if (x.status <= health_status::unhealthy)
    to.stored = static_cast<health_grade>(x.status);
  to.stored_until = steady(x.saved) + cfg.window;
  to.gate = breaker{{cfg.failure_threshold, cfg.open_timeout, cfg.success_threshold}};
  if (x.breaker == breaker_state::closed)
    return;
  // As if it had been opened so long ago that it half-opens when it was going to.
  auto left = std::chrono::milliseconds{std::max<wall_ms>(x.breaker_until - at, 0)};
  to.gate.force(breaker_phase::open,
                now + std::min<duration>(left, cfg.open_timeout) - cfg.open_timeout);
}

static_assert(sizeof(health_record) < 300);
template struct outcome_record<health_window>;
template struct outcome_record<wide_health_window>;

} // namespace troupe
