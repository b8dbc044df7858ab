#pragma once
#include "runtime/api/ports.hpp"
#include "runtime/api/problem.hpp"
#include "runtime/net/http_server.hpp"

#include <memory>
#include <span>

namespace troupe::api {

/// One request, as it came. Valid until it is answered.
struct request {
  std::string_view method;
  std::string_view path;  ///< Without the query; not decoded, since no route needs that.
  std::string_view query; ///< What follows the question mark.
  std::string_view request_id;
  net::http_executor io; ///< Where the answer is awaited.
  std::string_view body{};
  std::span<const net::http_header> headers{};
  std::string_view peer{}; ///< The address of the connection's other end.

  /// The first header of that name (any case), or empty.
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept;
};

/// What lives as long as the listener.
struct context;
[[nodiscard]] std::shared_ptr<context> make_context(ports from);

/// Largest body of a request, bytes.
inline constexpr std::size_t largest_body = 4 * 1024 * 1024;

/// Answers one request: see router.hpp for the table of routes and /openapi.json for what they
/// take. In this order: path and method (404, 405), key (401), quota (429), role (403), query and
/// body (400, 413, 415). Whatever is wrong is a problem document.
/// @throws boost::system::system_error when the client went away meanwhile
net::http_task<response> handle(std::shared_ptr<context> ctx, request what);

} // namespace troupe::api
