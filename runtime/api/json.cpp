#include "runtime/api/json.hpp"

#include <boost/json/array.hpp>

#include <chrono>

namespace troupe::api {
namespace {

namespace json = boost::json;

double seconds(caf::timespan x) {
  return std::chrono::duration<double>(x).count();
}

/// Negative means never.
json::value seconds_or_never(caf::timespan x) {
  if (x.count() < 0)
    return nullptr;
  return seconds(x);
}

json::value id_or_none(std::int64_t id) {
  if (id == 0)
    return nullptr;
  return id;
}

/// {"healthy": 3, "degraded": 0, …}
template <class Counts, class Names>
json::object by_name(const Counts& counts, const Names& names) {
  json::object all;
  for (std::size_t i = 0; i < names.size(); ++i)
    all[names[i]] = counts[i];
  return all;
}

template <class Rows>
json::array list(const Rows& rows) {
  json::array all;
  for (const auto& row : rows)
    all.push_back(to_json(row));
  return all;
}

} // namespace

json::object to_json(const session_info& x) {
  return {{"id", x.id},
          {"lane", x.lane},
          {"kind", to_string(x.kind)},
          {"bot", id_or_none(x.lessee)},
          {"leases", x.leases},
          {"age_seconds", seconds(x.age)},
          {"idle_seconds", seconds(x.idle)}};
}

json::object to_json(const budget_usage& x) {
  return {{"scope", x.scope},
          {"limit", x.limited ? json::value(x.limit) : json::value(nullptr)},
          {"window_seconds", seconds(x.window)},
          {"used", x.used},
          {"windows", x.windows},
          {"throttled", x.throttled}};
}

json::object to_json(const pool_report& x) {
  return {{"max_connections", x.max_connections},
          {"max_per_host", x.max_per_host},
          {"max_polls", x.max_polls},
          {"max_downloads", x.max_downloads},
          {"leased", x.leased},
          {"idle", x.idle},
          {"polls", x.polls},
          {"downloads", x.downloads},
          {"waiting", x.waiting},
          {"leases_total", x.leases_total},
          {"reclaimed_total", x.reclaimed_total},
          {"opened_total", x.opened_total},
          {"closed_total", x.closed_total},
          {"epoch", x.epoch},
          {"sessions", list(x.sessions)}};
}

json::object to_json(const governor_report& x) {
  return {{"granted_total", x.granted}, {"refused_total", x.refused},
          {"waiting", x.waiting},       {"credits", x.credits},
          {"holds", x.holds},           {"upstream_breaker", to_string(x.upstream)},
          {"budgets", list(x.budgets)}};
}

json::object to_json(const bot_health& x) {
  return {{"bot", id_or_none(x.bot)},
          {"status", to_string(x.status)},
          {"breaker", to_string(x.breaker)},
          {"probe_in_seconds", seconds(x.breaker_opens_in)},
          {"requests", x.requests},
          {"failures", x.failures},
          {"client_errors", x.client_errors},
          {"rate_limited", x.rate_limited},
          {"rate_limited_now", x.rate_limited_now},
          {"window_requests", x.window_requests},
          {"error_rate", x.error_rate},
          {"client_error_rate", x.client_error_rate},
          {"latency_ewma_seconds", x.latency_ewma},
          {"consecutive_failures", x.consecutive_failures},
          {"since_success_seconds", seconds_or_never(x.since_success)},
          {"since_failure_seconds", seconds_or_never(x.since_failure)}};
}

json::object to_json(const health_report& x) {
  return {{"upstream", to_json(x.upstream)},
          {"bots", x.bots},
          {"by_status", by_name(x.by_status, health_status_names)},
          {"breakers", by_name(x.breakers, breaker_state_names)},
          {"worst", list(x.worst)}};
}

json::object to_json(const gateway_report& x) {
  return {{"connections", x.connections},
          {"calls", x.calls},
          {"accepted_total", x.accepted_total},
          {"calls_total", x.calls_total}};
}

json::object to_json(const cluster_report& x) {
  json::array nodes;
  for (const auto& one : x.nodes)
    nodes.push_back(json::object{{"name", one.name},
                                 {"version", one.version},
                                 {"address", one.address},
                                 {"capacity", one.capacity},
                                 {"shards", one.shards},
                                 {"draining", one.draining},
                                 {"leader", one.leader},
                                 {"reachable", one.reachable},
                                 {"joined_revision", one.joined}});
  return {{"clustered", x.clustered},
          {"node", x.self},
          {"member", x.member},
          {"leader", x.leader.empty() ? json::value(nullptr) : json::value(x.leader)},
          {"nodes", std::move(nodes)},
          {"unowned_shards", x.unowned},
          {"moving_shards", x.moving},
          {"budget_slice", x.limited ? json::value(x.budget) : json::value(nullptr)}};
}

json::object to_json(const child_info& x) {
  return {{"name", x.name},
          {"state", x.state},
          {"bot", id_or_none(x.bot)},
          {"restarts", x.restarts},
          {"uptime_seconds", seconds(x.uptime)}};
}

json::object head_of(const supervision_report& x) {
  return {{"name", x.name},
          {"strategy", x.strategy},
          {"children_total", x.children},
          {"restarts_total", x.restarts}};
}

} // namespace troupe::api
