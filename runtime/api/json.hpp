#pragma once
#include "messages/cluster.hpp"
#include "messages/gateway.hpp"
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "messages/supervisor.hpp"

#include <boost/json/object.hpp>

/// Reports as JSON. Durations are seconds, names are snake_case, "never" and "none" are null.
namespace troupe::api {

[[nodiscard]] boost::json::object to_json(const session_info& x);
[[nodiscard]] boost::json::object to_json(const budget_usage& x);
[[nodiscard]] boost::json::object to_json(const pool_report& x);
[[nodiscard]] boost::json::object to_json(const governor_report& x);
[[nodiscard]] boost::json::object to_json(const bot_health& x);
[[nodiscard]] boost::json::object to_json(const health_report& x);
[[nodiscard]] boost::json::object to_json(const gateway_report& x);
[[nodiscard]] boost::json::object to_json(const cluster_report& x);

/// Without what the supervisors among its children say.
[[nodiscard]] boost::json::object to_json(const child_info& x);

/// Without `rows`.
[[nodiscard]] boost::json::object head_of(const supervision_report& x);

} // namespace troupe::api
