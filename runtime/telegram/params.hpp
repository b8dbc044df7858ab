#pragma once
#include "messages/call.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace troupe::telegram {

/// What budgets and retries need to know of a request's parameters, found in the query, then in the
/// form, the JSON or the multipart body. They merge; what comes first wins, as at the official
/// server (Query::arg), so that no call is judged by other words than those that it is carried out
/// by.
struct call_params {
  chat_ref chat;               ///< From `chat_id`.
  bool paid_broadcast = false; ///< `allow_paid_broadcast`.
  std::string method;          ///< The `method` parameter, for a path without one.
  long poll_timeout = 0;       ///< `timeout`, seconds.
  std::uint8_t seen = 0;       ///< Which of them came already.
};

/// A chat as budgets see it: a number as itself, whatever stands behind it (the server reads no
/// further either); anything else (an @name, a number that no chat can have) as a hash that counts
/// as a group.
[[nodiscard]] chat_ref parse_chat(std::string_view text) noexcept;

/// Reads a query string or an urlencoded body.
void read_form(std::string_view text, call_params& out);

/// Reads a JSON object's top level (json_members.hpp); invalid JSON gives what stood before the
/// fault.
void read_json(std::string_view text, call_params& out);

/// Whether a body of that type has parts, of which some may be files.
[[nodiscard]] bool is_multipart(std::string_view content_type) noexcept;

/// Reads the parts of a multipart body's beginning that are complete in `text`.
void read_multipart(std::string_view text, std::string_view content_type, call_params& out);

/// Reads a body by its content type and content encoding (gzip and deflate are opened up to 64
/// KiB).
void read_body(std::string_view body, std::string_view content_type,
               std::string_view content_encoding, call_params& out);

using parameter_sink = std::function<void(std::string_view name, std::string_view value)>;

/// All parameters of a query string or an urlencoded body, decoded.
void each_in_form(std::string_view text, const parameter_sink& out);

/// All parameters of a body of any of the kinds above. What is no text in JSON is given as JSON.
void each_in_body(std::string_view body, std::string_view content_type,
                  std::string_view content_encoding, const parameter_sink& out);

/// Undoes percent-encoding; `plus` turns + into a blank. Invalid escapes stay as they are.
[[nodiscard]] std::string percent_decode(std::string_view text, bool plus);

} // namespace troupe::telegram
