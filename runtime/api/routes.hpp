#pragma once
#include "runtime/api/ports.hpp"
#include "runtime/api/problem.hpp"
#include "runtime/net/http_server.hpp"

#include <memory>

namespace troupe::api {

/// One request, as the routes see it. Valid until it is answered.
struct request {
  std::string_view method;
  std::string_view path;  ///< Without the query; not decoded, since no route needs that.
  std::string_view query; ///< What follows the question mark.
  std::string_view request_id;
  net::http_executor io; ///< Where the answer is awaited.
};

/// What lives as long as the listener.
struct context;
[[nodiscard]] std::shared_ptr<context> make_context(ports from);

/// Answers one request: GET /, /metrics, /healthz, /readyz, /v1/health, /v1/supervision,
/// /v1/sessions, /v1/budgets. Lists take `?limit=N` (1 to 10000, default 200). Whatever is wrong is
/// a problem document: bad_request, not_found, method_not_allowed, service_unavailable.
/// @throws boost::system::system_error when the client went away meanwhile
net::http_task<response> handle(std::shared_ptr<context> ctx, request what);

} // namespace troupe::api
