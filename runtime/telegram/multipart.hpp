#pragma once
#include "runtime/telegram/same_word.hpp"

#include <algorithm>
#include <string>
#include <string_view>

/// Content types, and multipart bodies as far as they go. For the files of this folder only.
namespace troupe::telegram {

inline constexpr std::string_view multipart_kind = "multipart/form-data";
inline constexpr std::string_view form_kind = "application/x-www-form-urlencoded";
inline constexpr std::string_view json_kind = "application/json";

/// Whether a content type names `kind` ("application/json"), wherever: the official server looks no
/// closer.
[[nodiscard]] inline bool is_kind(std::string_view content_type, std::string_view kind) noexcept {
  for (; content_type.size() >= kind.size(); content_type.remove_prefix(1))
    if (same_word(content_type.substr(0, kind.size()), kind))
      return true;
  return false;
}

/// A longer boundary the server refuses (td, HttpReader).
inline constexpr std::size_t longest_boundary = 70;

/// The `boundary` of a content type, as the server finds it: up to a semicolon, without the quotes
/// around it. Empty without one that it takes.
[[nodiscard]] inline std::string_view boundary_of(std::string_view content_type) noexcept {
  constexpr std::string_view key = "boundary";
  while (content_type.size() >= key.size() && !same_word(content_type.substr(0, key.size()), key))
    content_type.remove_prefix(1);
  auto at = content_type.find('=');
  if (content_type.size() < key.size() || at == std::string_view::npos)
    return {};
  auto value = content_type.substr(at + 1);
  value = value.substr(0, std::min(value.find(';'), value.size()));
  if (value.size() > 1 && value.front() == '"' && value.back() == '"')
    value = value.substr(1, value.size() - 2);
  return value.size() > longest_boundary ? std::string_view{} : value;
}

/// What a part's header block says.
struct part_head {
  std::string name;
  std::string filename;
  bool is_file = false; ///< Has a file name, be it empty: no parameter.
  bool is_form = false; ///< Its content is urlencoded: parameters of their own.
};

/// Reads a part's header block: quoted or not, any case, any blanks, names encoded or not.
[[nodiscard]] part_head read_part_head(std::string_view headers);

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
