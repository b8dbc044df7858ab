#pragma once
#include "runtime/telegram/same_word.hpp"

#include <algorithm>
#include <string>
#include <string_view>

/// Content types, and multipart bodies as far as they go. For the files of this folder only.
namespace troupe::telegram {

/// A content type without its parameters.
[[nodiscard]] inline std::string_view kind_of(std::string_view content_type) noexcept {
  auto kind = content_type.substr(0, std::min(content_type.find(';'), content_type.size()));
  while (!kind.empty() && kind.back() == ' ')
    kind.remove_suffix(1);
  return kind;
}

/// The `boundary` of a content type; empty without one.
[[nodiscard]] inline std::string_view boundary_of(std::string_view content_type) noexcept {
  for (std::size_t at = content_type.find(';'); at != std::string_view::npos;
       at = content_type.find(';', at)) {
    ++at;
    while (at < content_type.size() && content_type[at] == ' ')
      ++at;
    constexpr std::string_view key = "boundary=";
    if (same_word(content_type.substr(at, key.size()), key)) {
      auto value = content_type.substr(at + key.size());
      if (!value.empty() && value.front() == '"')
        return value.substr(1, std::min(value.find('"', 1), value.size()) - 1);
      return value.substr(0, std::min(value.find_first_of("; \t"), value.size()));
    }
  }
  return {};
}

/// What a part's header block says after `key` ("name="): quoted or not, any case, any blanks.
[[nodiscard]] inline std::string_view part_field(std::string_view headers,
                                                 std::string_view key) noexcept {
  for (std::size_t at = 0; at < headers.size(); ++at) {
    auto semicolon = headers.find(';', at);
    if (semicolon == std::string_view::npos)
      return {};
    at = semicolon + 1;
    auto start = headers.find_first_not_of(" \t", at);
    if (start == std::string_view::npos || !same_word(headers.substr(start, key.size()), key))
      continue;
    auto value = headers.substr(start + key.size());
    if (!value.empty() && value.front() == '"')
      return value.substr(1, std::min(value.find('"', 1), value.size()) - 1);
    return value.substr(0, std::min(value.find_first_of("; \t\r\n"), value.size()));
  }
  return {};
}

/// Calls `f(headers, value)` for each part that is complete in `text`.
/// @returns whether the last of them is the body's last
template <class F>
bool visit_parts(std::string_view text, std::string_view content_type, F f) {
  auto boundary = boundary_of(content_type);
  if (boundary.empty())
    return false;
  auto delimiter = "--" + std::string{boundary};
  auto at = text.find(delimiter);
  while (at != std::string_view::npos) {
    auto head = at + delimiter.size();
    if (text.substr(head, 2) == "--")
      return true;
    auto blank = text.find("\r\n\r\n", head);
    if (blank == std::string_view::npos)
      return false;
    auto body = blank + 4;
    auto end = text.find("\r\n" + delimiter, body);
    if (end == std::string_view::npos)
      return false;
    f(text.substr(head, blank - head), text.substr(body, end - body));
    at = end + 2;
  }
  return false;
}

} // namespace troupe::telegram
