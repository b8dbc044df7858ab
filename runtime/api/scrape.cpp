#include "runtime/api/scrape.hpp"

#include <algorithm>
#include <optional>

namespace troupe::api {
namespace {

std::optional<metrics::budget_scope> scope_from(std::string_view name) {
  auto& names = metrics::budget_scope_names;
  auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    return std::nullopt;
  return static_cast<metrics::budget_scope>(found - names.begin());
}

} // namespace

void scrape::update(const pool_report& x) {
  if (!to_)
    return;
  using metrics::session_state;
  to_->set_sessions(session_state::leased, x.leased);
  to_->set_sessions(session_state::idle, x.idle);
  to_->set_sessions(session_state::polling, x.polls);
  to_->leases->value(static_cast<std::int64_t>(x.leased) + x.polls);
  if (auto more = growth("reclaimed", x.reclaimed_total); more > 0)
    to_->leases_reclaimed->inc(more);
}

void scrape::update(const governor_report& x) {
  if (!to_)
    return;
  std::map<std::string, std::uint64_t> totals;
  for (const auto& budget : x.budgets)
    totals[budget.scope] += budget.throttled;
  for (const auto& [name, total] : totals)
    if (auto scope = scope_from(name))
      to_->count_throttled(*scope, growth("throttled." + name, total));
}

void scrape::update(const health_report& x) {
  if (!to_)
    return;
  for (std::size_t i = 0; i < x.breakers.size(); ++i)
    to_->set_breakers(static_cast<breaker_state>(i), static_cast<std::int64_t>(x.breakers[i]));
}

void scrape::update(const journal_report& x) {
  if (!to_)
    return;
  using metrics::update_stage;
  to_->journal_pending->value(static_cast<std::int64_t>(x.pending));
  to_->dead_letters->value(static_cast<std::int64_t>(x.dead));
  to_->count_updates(update_stage::acknowledged, growth("updates.acknowledged", x.delivered));
  to_->count_updates(update_stage::dead, growth("updates.dead", x.died));
}

void scrape::update_late_calls(std::uint64_t total) {
  if (to_)
    to_->late_calls->inc(growth("late_calls", total));
}

void scrape::update(const std::array<std::uint64_t, bot_phase_names.size()>& bots) {
  if (!to_)
    return;
  for (std::size_t i = 0; i < bots.size(); ++i)
    to_->set_bots(static_cast<bot_phase>(i), static_cast<std::int64_t>(bots[i]));
}

void scrape::update_restarts(std::string_view name, const std::string& place, std::uint64_t total) {
  if (!to_)
    return;
  // Also when there is none: a metric that appears with the first restart cannot be alerted on.
  to_->count_restarts(name, growth("restarts." + place, total));
}

std::int64_t scrape::growth(const std::string& key, std::uint64_t total) {
  std::lock_guard guard{mtx_};
  auto& last = last_[key];
  // Less than before: a new incarnation that began at zero.
  auto more = total >= last ? total - last : total;
  last = total;
  return static_cast<std::int64_t>(more);
}

} // namespace troupe::api
