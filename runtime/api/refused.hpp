#pragma once
#include "runtime/api/problem.hpp"

#include <caf/error.hpp>

#include <chrono>
#include <exception>

namespace troupe::api {

/// Ends a request with a problem document: thrown by whatever finds that it cannot be served.
struct refused : std::exception {
  explicit refused(const error_text& what, std::string detail = {}, std::string field = {})
    : text(&what), detail(std::move(detail)), field(std::move(field)) {}
  explicit refused(api_error what, std::string detail = {}, std::string field = {})
    : refused(text_of(what), std::move(detail), std::move(field)) {}

  [[nodiscard]] const char* what() const noexcept override { return "request refused"; }

  const error_text* text;
  std::string detail; ///< Instead of the table's sentence.
  std::string field;
  std::string headers; ///< Further lines, each with its "\r\n".
};

/// `Retry-After: N`: whole seconds, at least 1.
[[nodiscard]] std::string retry_after(std::chrono::nanoseconds wait);

/// For an actor's error. A `refusal` in it becomes Retry-After, as for all that is worth trying
/// again.
[[nodiscard]] refused refused_by(const caf::error& why);

[[nodiscard]] response problem(const refused& why, std::string_view request_id);

} // namespace troupe::api
