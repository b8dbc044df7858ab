#pragma once
#include <string>
#include <string_view>

namespace troupe::api {

/// What a route answers with.
struct response {
  int status = 200;
  std::string_view content_type = "application/json"; ///< A literal.
  std::string headers;                                ///< Further lines, each with its "\r\n".
  std::string body;
};

/// An error as a problem document (RFC 9457): `type`, `title`, `status`, `detail`, `code`,
/// `request_id`. @param code stable, for programs; @param detail a sentence that a person can act
/// on
[[nodiscard]] response problem(int status, std::string_view code, std::string_view detail,
                               std::string_view request_id);

/// A client's own id for its request if it is fit to be shown (letters, digits, '-', '_', '.', at
/// most 64, nothing like a token), else a new one.
[[nodiscard]] std::string request_id_from(std::string_view header);

} // namespace troupe::api
