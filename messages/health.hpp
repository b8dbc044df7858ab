#pragma once
#include "messages/bot.hpp"

#include <string>
#include <vector>

namespace troupe {

/// How well a bot's (or the upstream's) requests go.
enum class health_status : std::uint8_t { healthy, degraded, unhealthy, suspended };
inline constexpr std::array health_status_names{"healthy", "degraded", "unhealthy", "suspended"};
TROUPE_ENUM(health_status, health_status_names)

/// One finished exchange.
struct outcome_sample {
  std::int64_t finished = 0; ///< Steady clock, ns.
  caf::timespan latency{0};
  std::uint16_t status = 0; ///< HTTP status; 0 when no answer came.
  failure what = failure::none;
  bool probe = false; ///< Made while the breaker was half-open.
  bool poll = false;  ///< A long poll: its latency says how long nothing happened.
};

/// A bot's outcomes since its last batch, oldest first. A bot sends successes in batches and a
/// failure at once, with what it had collected before it. The sender is the bot.
struct outcome_batch {
  bot_id bot = 0;
  bool proven = true; ///< The upstream has accepted the token before.
  std::vector<outcome_sample> samples;
};

/// A bot that starts asks for its breaker: it is told by a breaker_change unless it is closed, and
/// then answered.
struct bot_started {
  bot_id bot = 0;
};

struct bot_health_request {
  bot_id bot = 0;
};

/// Health of one bot, or of the upstream (`bot` 0).
struct bot_health {
  bot_id bot = 0;
  health_status status = health_status::healthy;
  std::uint64_t requests = 0;      ///< Ever.
  std::uint64_t failures = 0;      ///< Ever: transport errors, timeouts, 5xx.
  std::uint64_t client_errors = 0; ///< Ever: 4xx without 429.
  std::uint64_t rate_limited = 0;  ///< Ever: 429.
  std::uint32_t window_requests = 0;
  double error_rate = 0;        ///< In the window, 0 to 1.
  double client_error_rate = 0; ///< In the window, 0 to 1.
  double latency_ewma = 0;      ///< Seconds.
  std::uint32_t consecutive_failures = 0;
  caf::timespan since_success{-1}; ///< Negative: never.
  caf::timespan since_failure{-1}; ///< Negative: never.
  bool rate_limited_now = false;   ///< A 429 in the window.
  breaker_state breaker = breaker_state::closed;
  caf::timespan breaker_opens_in{0}; ///< Until a probe, when open.
};

struct health_report {
  bot_health upstream;
  std::uint64_t bots = 0;                   ///< With records in memory.
  std::array<std::uint64_t, 4> by_status{}; ///< Indexed by health_status.
  std::array<std::uint64_t, 3> breakers{};  ///< Indexed by breaker_state.
  std::vector<bot_health> worst; ///< Bots that are not healthy, worst first, up to the limit.
};

/// When a bot or the upstream counts as unwell, and when breakers open and close; live. A window of
/// another length begins empty.
struct health_limits {
  caf::timespan window = std::chrono::seconds{60}; ///< Error rates look back so far.
  std::uint32_t min_requests = 20;         ///< With fewer in the window, rates decide nothing.
  double ewma_alpha = 0.3;                 ///< Weight of the newest latency.
  double degraded_from = 0.2;              ///< Error rate.
  double unhealthy_from = 0.5;             ///< Error rate.
  std::uint32_t unhealthy_consecutive = 5; ///< Failures in a row that make a bot unhealthy.
  std::uint32_t failure_threshold = 5;     ///< Failures in a row that open a breaker.
  caf::timespan open_timeout = std::chrono::seconds{60};
  std::uint32_t success_threshold = 2;                ///< Successful probes that close it.
  caf::timespan forget_after = std::chrono::hours{1}; ///< Records not heard of for so long go.
  std::uint64_t max_records = 200'000; ///< Beyond, those not heard of for longest go.
};

/// HEALTH: aggregates the outcomes of all calls; decides status; opens, half-opens and closes the
/// breakers, per bot and for the whole upstream.
/// Owns: one record per bot seen in the last hour (bounded), one for the upstream. Blocks: never.
/// Calls: bots (breaker_change, bot_command unauthorized), rate_governor (breaker_change with bot
/// 0). Fails: a restart forgets; a bot whose breaker is open probes by itself when its time is
/// over.
///
///   outcome_batch, bot_started, health_limits: notifications (never an error).
///   stop_bot: the bot is gone for good, and what is known of it goes, too. It has told its last.
///   bot_health_request → bot_health; unknown_bot for a bot without record.

template <class Inspector>
bool inspect(Inspector& f, outcome_sample& x) {
  return f.object(x).fields(f.field("finished", x.finished), f.field("latency", x.latency),
                            f.field("status", x.status), f.field("what", x.what),
                            f.field("probe", x.probe), f.field("poll", x.poll));
}

template <class Inspector>
bool inspect(Inspector& f, outcome_batch& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("proven", x.proven),
                            f.field("samples", x.samples));
}

template <class Inspector>
bool inspect(Inspector& f, bot_started& x) {
  return f.object(x).fields(f.field("bot", x.bot));
}

template <class Inspector>
bool inspect(Inspector& f, health_limits& x) {
  return f.object(x).fields(
    f.field("window", x.window), f.field("min_requests", x.min_requests),
    f.field("ewma_alpha", x.ewma_alpha), f.field("degraded_from", x.degraded_from),
    f.field("unhealthy_from", x.unhealthy_from),
    f.field("unhealthy_consecutive", x.unhealthy_consecutive),
    f.field("failure_threshold", x.failure_threshold), f.field("open_timeout", x.open_timeout),
    f.field("success_threshold", x.success_threshold), f.field("forget_after", x.forget_after),
    f.field("max_records", x.max_records));
}

template <class Inspector>
bool inspect(Inspector& f, bot_health_request& x) {
  return f.object(x).fields(f.field("bot", x.bot));
}

template <class Inspector>
bool inspect(Inspector& f, bot_health& x) {
  return f.object(x).fields(
    f.field("bot", x.bot), f.field("status", x.status), f.field("requests", x.requests),
    f.field("failures", x.failures), f.field("client_errors", x.client_errors),
    f.field("rate_limited", x.rate_limited), f.field("window_requests", x.window_requests),
    f.field("error_rate", x.error_rate), f.field("client_error_rate", x.client_error_rate),
    f.field("latency_ewma", x.latency_ewma),
    f.field("consecutive_failures", x.consecutive_failures),
    f.field("since_success", x.since_success), f.field("since_failure", x.since_failure),
    f.field("rate_limited_now", x.rate_limited_now), f.field("breaker", x.breaker),
    f.field("breaker_opens_in", x.breaker_opens_in));
}

template <class Inspector>
bool inspect(Inspector& f, health_report& x) {
  return f.object(x).fields(f.field("upstream", x.upstream), f.field("bots", x.bots),
                            f.field("by_status", x.by_status), f.field("breakers", x.breakers),
                            f.field("worst", x.worst));
}

} // namespace troupe
