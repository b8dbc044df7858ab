#pragma once
#include "runtime/api/errors.hpp"
#include "runtime/net/http_server.hpp"

#include <string>
#include <string_view>

namespace troupe::api {

/// What a route answers with.
struct response {
  int status = 200;
  std::string_view content_type = "application/json"; ///< A literal.
  std::string headers;                                ///< Further lines, each with its "\r\n".
  std::string body;
  /// Instead of a body: see net::http_response.
  std::function<net::http_task<bool>(std::string&)> stream{};
};

/// An error as a problem document (RFC 9457): `type`, `title`, `status`, `detail` (a sentence),
/// `advice` (what to do), `code` (stable, for programs), `request_id`.
/// @param detail instead of the table's sentence, if it is not empty
/// @param field the field or parameter that is wrong, if there is one
[[nodiscard]] response problem(const error_text& what, std::string_view request_id,
                               std::string_view detail = {}, std::string_view field = {});

/// A client's own id for its request if it is fit to be shown (letters, digits, '-', '_', '.', at
/// most 64, nothing like a token), else a new one.
[[nodiscard]] std::string request_id_from(std::string_view header);

} // namespace troupe::api
