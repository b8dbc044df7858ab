#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Errors as the Bot API writes them.
namespace troupe::telegram {

/// An answer with `ok: false`. The HTTP status is `code`.
struct api_error {
  int code = 400;
  std::string description;
  std::chrono::seconds retry_after{0}; ///< 0: none. Also sent as the `Retry-After` header.
  std::int64_t migrate_to_chat_id = 0; ///< 0: none. The group became this supergroup.
};

/// `{"ok":false,"error_code":…,"description":…,"parameters":{…}}`; `parameters` only if it holds
/// something.
[[nodiscard]] std::string to_json(const api_error& error);

/// The usual errors, with the official server's words.
[[nodiscard]] api_error unauthorized();
[[nodiscard]] api_error method_not_found();
[[nodiscard]] api_error bad_request(std::string_view what); ///< "Bad Request: " + what
[[nodiscard]] api_error conflict(std::string_view what);    ///< "Conflict: " + what
/// 429; `wait` of less than a second counts as one.
[[nodiscard]] api_error too_many_requests(std::chrono::seconds wait);

/// The longest wait that is believed; longer ones are cut to it.
inline constexpr std::chrono::seconds longest_retry_after{7 * 24 * 3600};

/// `parameters.retry_after` of an error's body, whole seconds rounded up; nullopt if the body is
/// no JSON object or has none.
[[nodiscard]] std::optional<std::chrono::seconds> retry_after_of_body(std::string_view body);

/// The value of a `Retry-After` header given in seconds; nullopt otherwise (the Bot API never
/// sends the form with a date).
[[nodiscard]] std::optional<std::chrono::seconds> retry_after_of_header(std::string_view value);

/// Appends `text` as a JSON string, quotes included, without validating its UTF-8.
void append_json_string(std::string& out, std::string_view text);

} // namespace troupe::telegram
