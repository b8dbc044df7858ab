#include "runtime/telegram/errors.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace troupe::telegram {

namespace {

using std::chrono::seconds;

std::optional<seconds> believed(double wait) {
  if (!(wait >= 0)) // Also refuses NaN.
    return std::nullopt;
  auto longest = static_cast<double>(longest_retry_after.count());
  return seconds{static_cast<std::int64_t>(std::ceil(std::min(wait, longest)))};
}

} // namespace

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += '"';
  for (char c : text) {
    auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (code < 0x20) {
      out += "\\u00";
      out += digits[code >> 4];
      out += digits[code & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

std::string to_json(const api_error& error) {
  std::string out =
    R"({"ok":false,"error_code":)" + std::to_string(error.code) + R"(,"description":)";
  append_json_string(out, error.description);
  if (error.migrate_to_chat_id != 0)
    out +=
      R"(,"parameters":{"migrate_to_chat_id":)" + std::to_string(error.migrate_to_chat_id) + '}';
  else if (error.retry_after.count() > 0)
    out += R"(,"parameters":{"retry_after":)" + std::to_string(error.retry_after.count()) + '}';
  out += '}';
  return out;
}

api_error unauthorized() {
  return {.code = 401, .description = "Unauthorized"};
}

api_error method_not_found() {
  return {.code = 404, .description = "Not Found: method not found"};
}

api_error bad_request(std::string_view what) {
  return {.code = 400, .description = "Bad Request: " + std::string{what}};
}

api_error conflict(std::string_view what) {
  return {.code = 409, .description = "Conflict: " + std::string{what}};
}

api_error too_many_requests(seconds wait) {
  auto rounded = std::max(wait, seconds{1});
  return {.code = 429,
          .description = "Too Many Requests: retry after " + std::to_string(rounded.count()),
          .retry_after = rounded};
}

std::optional<seconds> retry_after_of_body(std::string_view body) {
  boost::system::error_code error;
  auto parsed = boost::json::parse({body.data(), body.size()}, error);
  if (error || !parsed.is_object())
    return std::nullopt;
  auto* parameters = parsed.get_object().if_contains("parameters");
  if (parameters == nullptr || !parameters->is_object())
    return std::nullopt;
  auto* wait = parameters->get_object().if_contains("retry_after");
  if (wait == nullptr || !wait->is_number())
    return std::nullopt;
  return believed(wait->to_number<double>());
}

std::optional<seconds> retry_after_of_header(std::string_view value) {
  auto first = value.find_first_not_of(" \t");
  auto last = value.find_last_not_of(" \t");
  if (first == std::string_view::npos)
    return std::nullopt;
  value = value.substr(first, last - first + 1);
  if (!std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  std::int64_t wait = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), wait);
  return error == std::errc{} ? std::min(seconds{wait}, longest_retry_after) : longest_retry_after;
}

} // namespace troupe::telegram
