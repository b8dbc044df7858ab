#include "runtime/metrics/instruments.hpp"

#include <algorithm>
#include <chrono>

namespace troupe::metrics {
namespace {

using caf::telemetry::metric_registry;

constexpr std::string_view other = "other";

constexpr auto make_labels() {
  // Both enums begin with "none", which is "ok" here.
  std::array<std::string_view, 4 + failure_names.size() - 1 + ec_names.size() - 1 + 1> all{
    "ok", "client_error", "rate_limited", "server_error"};
  auto end = std::copy(failure_names.begin() + 1, failure_names.end(), all.begin() + 4);
  end = std::copy(ec_names.begin() + 1, ec_names.end(), end);
  *end = other;
  return all;
}

constexpr auto labels = make_labels();

/// From a fast local answer to a call that waited out its deadline.
constexpr std::array seconds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                             0.5,   1.0,    2.5,   5.0,  10.0,  30.0, 60.0};

caf::string_view view(std::string_view text) {
  return {text.data(), text.size()};
}

caf::telemetry::dbl_histogram* histogram(metric_registry& registry, caf::string_view name,
                                         caf::string_view help) {
  return registry.histogram_singleton<double>(
    "troupe", name, caf::span<const double>{seconds.data(), seconds.size()}, help, "seconds");
}

/// One counter or gauge per name: `family{label="name"}`.
template <class Family, class Instruments, class Names>
void fill(Family* from, caf::string_view label, Instruments& to, const Names& names) {
  for (std::size_t i = 0; i < names.size(); ++i)
    to[i] = from->get_or_add({{label, view(names[i])}});
}

} // namespace

std::span<const std::string_view> outcome_labels() noexcept {
  return labels;
}

instruments::instruments(metric_registry& registry, std::span<const std::string_view> methods)
  : methods_(methods.begin(), methods.end()), call_counters_((methods.size() + 1) * labels.size()) {
  for (auto& name : methods_)
    if (name.empty())
      name = other;
  methods_.emplace_back(other);
  calls_ =
    registry.counter_family("troupe", "calls", {"method", "outcome"},
                            "Calls of clients, by Bot API method and how they ended.", "1", true);
  restarts_ = registry.counter_family("troupe", "restarts", {"child"},
                                      "Restarts by supervisors, by the child's name.", "1", true);
  call_seconds = histogram(registry, "call", "Time from a call's head to the end of its answer.");
  permit_wait_seconds =
    histogram(registry, "permit-wait", "Time that calls waited for permit and session.");
  update_lag_seconds =
    histogram(registry, "update-lag", "Time from an update's arrival to its delivery.");
  activation_seconds = histogram(registry, "activation", "Time until an evicted bot was back.");
  evictions =
    registry.counter_singleton("troupe", "evictions", "Idle bots that left memory.", "1", true);
  leases = registry.gauge_singleton("troupe", "leases", "Sessions leased now.");
  leases_reclaimed = registry.counter_singleton(
    "troupe", "leases-reclaimed", "Leases taken back from lessees that died.", "1", true);
  journal_pending =
    registry.gauge_singleton("troupe", "journal-pending", "Updates waiting for delivery.");
  late_calls = registry.counter_singleton(
    "troupe", "late-calls",
    "Requests that went out behind the end of the lease of a node of many, under which they began.",
    "1", true);
  dead_letters =
    registry.gauge_singleton("troupe", "dead-letters", "Updates that could not be delivered.");
  fill(registry.counter_family("troupe", "throttled", {"scope"},
                               "Requests that a budget made wait, by the budget's scope.", "1",
                               true),
       "scope", throttled_, budget_scope_names);
  fill(registry.counter_family("troupe", "updates", {"stage"}, "Updates, by stage reached.", "1",
                               true),
       "stage", updates_, update_stage_names);
  auto* deliveries =
    registry.counter_family("troupe", "deliveries", {"mode", "result"},
                            "Attempts to deliver updates, and updates that ended without, by mode "
                            "of delivery.",
                            "1", true);
  for (std::size_t i = 0; i < deliveries_.size(); ++i)
    for (std::size_t k = 0; k < delivery_result_names.size(); ++k)
      deliveries_[i][k] = deliveries->get_or_add(
        {{"mode", view(delivery_mode_names[i])}, {"result", view(delivery_result_names[k])}});
  fill(registry.gauge_family("troupe", "sessions", {"state"}, "Sessions of the pool, by state."),
       "state", sessions_, session_state_names);
  fill(registry.gauge_family("troupe", "bots", {"phase"}, "Bots, by phase."), "phase", bots_,
       bot_phase_names);
  fill(registry.gauge_family("troupe", "breakers", {"state"}, "Circuit breakers, by state."),
       "state", breakers_, breaker_state_names);
}

void instruments::count_call(std::size_t method, std::string_view outcome) noexcept {
  auto row = std::min(method, methods_.size() - 1);
  // The likely ones come first.
  auto found_at = std::find(labels.begin(), labels.end() - 1, outcome);
  auto column = static_cast<std::size_t>(found_at - labels.begin());
  auto& place = call_counters_[row * labels.size() + column];
  auto* found = place.load(std::memory_order_acquire);
  if (found == nullptr) {
    found = resolve(row, column);
    place.store(found, std::memory_order_release);
  }
  found->inc();
}

instruments::counter* instruments::resolve(std::size_t method, std::size_t outcome) {
  // The registry hands the same counter to everybody who asks for it.
  return calls_->get_or_add(
    {{"method", view(methods_[method])}, {"outcome", view(labels[outcome])}});
}

void instruments::count_throttled(budget_scope scope, std::int64_t n) noexcept {
  if (n > 0)
    throttled_[static_cast<std::size_t>(scope)]->inc(n);
}

void instruments::count_restarts(std::string_view name, std::int64_t n) {
  restarts_->get_or_add({{"child", view(name)}})->inc(n);
}

void instruments::count_updates(update_stage stage, std::int64_t n) noexcept {
  if (n > 0)
    updates_[static_cast<std::size_t>(stage)]->inc(n);
}

void instruments::count_delivery(std::size_t mode, std::size_t result) noexcept {
  if (mode < deliveries_.size() && result < deliveries_[mode].size())
    deliveries_[mode][result]->inc();
}

void instruments::set_sessions(session_state state, std::int64_t n) noexcept {
  sessions_[static_cast<std::size_t>(state)]->value(n);
}

void instruments::set_bots(bot_phase phase, std::int64_t n) noexcept {
  bots_[static_cast<std::size_t>(phase)]->value(n);
}

void instruments::set_breakers(breaker_state state, std::int64_t n) noexcept {
  breakers_[static_cast<std::size_t>(state)]->value(n);
}

void instruments::observe(caf::telemetry::dbl_histogram* to, caf::timespan value) noexcept {
  to->observe(std::chrono::duration<double>(value).count());
}

std::shared_ptr<instruments> make(metric_registry& registry,
                                  std::span<const std::string_view> methods) {
  return std::make_shared<instruments>(registry, methods);
}

} // namespace troupe::metrics
