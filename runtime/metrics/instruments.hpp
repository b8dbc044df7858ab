#pragma once
#include "messages/bot.hpp"
#include "messages/errors.hpp"

#include <caf/telemetry/counter.hpp>
#include <caf/telemetry/gauge.hpp>
#include <caf/telemetry/histogram.hpp>
#include <caf/telemetry/metric_family_impl.hpp>
#include <caf/telemetry/metric_registry.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::metrics {

/// The values of the label `outcome` of `troupe_calls_total`: an answer's kind, else where the
/// exchange broke (`failure`), else why Troupe refused (`ec`).
[[nodiscard]] std::span<const std::string_view> outcome_labels() noexcept;

/// Which budget made a request wait, for `troupe_throttled_total`.
enum class budget_scope : std::uint8_t { global, tenant, bot, chat, group };
inline constexpr std::array budget_scope_names{"global", "tenant", "bot", "chat", "group"};

/// What a pool's session does, for `troupe_sessions`.
enum class session_state : std::uint8_t { leased, idle, polling };
inline constexpr std::array session_state_names{"leased", "idle", "polling"};

/// Where an update is, for `troupe_updates_total`.
enum class update_stage : std::uint8_t { received, journaled, delivered, acknowledged, dead };
inline constexpr std::array update_stage_names{"received", "journaled", "delivered", "acknowledged",
                                               "dead"};

/// How updates leave the node, and what comes of it, for `troupe_deliveries_total`.
inline constexpr std::array delivery_mode_names{"pull", "relay", "native", "rules"};
inline constexpr std::array delivery_result_names{"delivered", "failed", "dead", "expired"};

/// Every instrument of a node. Made once per registry, shared by all; every function is thread-safe
/// and, but for a label's first use, takes no lock. The registry must outlive it.
class instruments {
public:
  /// @param methods the Bot API's methods by index; an empty name counts as "other"
  instruments(caf::telemetry::metric_registry& registry, std::span<const std::string_view> methods);

  instruments(const instruments&) = delete;
  instruments& operator=(const instruments&) = delete;

  /// Counts a finished call. An index out of range and a label that is none of `outcome_labels`
  /// count as "other".
  void count_call(std::size_t method, std::string_view outcome) noexcept;
  /// Counts `n` requests that a budget made wait.
  void count_throttled(budget_scope scope, std::int64_t n = 1) noexcept;
  /// Counts `n` restarts of the child called `name` (a dotted actor name, "bot" for bots).
  void count_restarts(std::string_view name, std::int64_t n = 1);
  void count_updates(update_stage stage, std::int64_t n = 1) noexcept;
  /// Counts an attempt, or the end of an update that is not delivered. Indexes into
  /// `delivery_mode_names` and `delivery_result_names`; others are not counted.
  void count_delivery(std::size_t mode, std::size_t result) noexcept;

  void set_sessions(session_state state, std::int64_t n) noexcept;
  void set_bots(bot_phase phase, std::int64_t n) noexcept;
  void set_breakers(breaker_state state, std::int64_t n) noexcept;

  /// A call's time from its head to the end of its answer.
  void observe_call(caf::timespan took) noexcept { observe(call_seconds, took); }
  /// The part of it spent waiting for permit and session.
  void observe_permit_wait(caf::timespan waited) noexcept { observe(permit_wait_seconds, waited); }

  caf::telemetry::dbl_histogram* call_seconds;
  caf::telemetry::dbl_histogram* permit_wait_seconds;
  caf::telemetry::dbl_histogram* update_lag_seconds;
  caf::telemetry::dbl_histogram* activation_seconds;
  caf::telemetry::int_counter* evictions;
  caf::telemetry::int_gauge* leases;
  caf::telemetry::int_counter* leases_reclaimed;
  caf::telemetry::int_gauge* journal_pending;
  caf::telemetry::int_gauge* dead_letters;
  caf::telemetry::int_counter* late_calls;

private:
  using counter = caf::telemetry::int_counter;
  using gauge = caf::telemetry::int_gauge;
  template <class T>
  using family = caf::telemetry::metric_family_impl<T>;

  static void observe(caf::telemetry::dbl_histogram* to, caf::timespan value) noexcept;
  counter* resolve(std::size_t method, std::size_t outcome);

  family<counter>* calls_;
  family<counter>* restarts_;
  std::vector<std::string> methods_;
  /// One place per method and outcome, filled at first use: most pairs never happen.
  std::vector<std::atomic<counter*>> call_counters_;
  std::array<counter*, budget_scope_names.size()> throttled_{};
  std::array<counter*, update_stage_names.size()> updates_{};
  std::array<std::array<counter*, delivery_result_names.size()>, delivery_mode_names.size()>
    deliveries_{};
  std::array<gauge*, session_state_names.size()> sessions_{};
  std::array<gauge*, bot_phase_names.size()> bots_{};
  std::array<gauge*, breaker_state_names.size()> breakers_{};
};

/// @copydoc instruments
[[nodiscard]] std::shared_ptr<instruments> make(caf::telemetry::metric_registry& registry,
                                                std::span<const std::string_view> methods);

} // namespace troupe::metrics
