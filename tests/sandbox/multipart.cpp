#include "tests/sandbox/multipart.hpp"

#include <algorithm>
#include <string>

namespace troupe::sandbox {

namespace {

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view trimmed(std::string_view x) noexcept {
  while (!x.empty() && (x.front() == ' ' || x.front() == '\t'))
    x.remove_prefix(1);
  while (!x.empty() && (x.back() == ' ' || x.back() == '\t'))
    x.remove_suffix(1);
  return x;
}

bool starts_with_word(std::string_view text, std::string_view word) noexcept {
  return text.size() >= word.size()
         && std::equal(word.begin(), word.end(), text.begin(),
                       [](char x, char y) { return lower(x) == lower(y); });
}

// The value of `key` in `form-data; name="photo"; filename=x.jpg`. False: no such key.
bool find_attribute(std::string_view header, std::string_view key, std::string_view& value) {
  while (!header.empty()) {
    std::size_t end = 0;
    for (bool quoted = false; end < header.size() && (quoted || header[end] != ';'); ++end)
      if (header[end] == '"' && (end == 0 || header[end - 1] != '\\'))
        quoted = !quoted;
    auto piece = trimmed(header.substr(0, end));
    header.remove_prefix(std::min(header.size(), end + 1));
    auto equals = piece.find('=');
    if (equals == std::string_view::npos)
      continue;
    auto name = trimmed(piece.substr(0, equals));
    if (name.size() != key.size() || !starts_with_word(name, key))
      continue;
    value = trimmed(piece.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    return true;
  }
  return false;
}

void read_part_header(std::string_view line, part& result) {
  auto colon = line.find(':');
  if (colon == std::string_view::npos)
    return;
  auto name = trimmed(line.substr(0, colon));
  auto value = trimmed(line.substr(colon + 1));
  if (name.size() == 19 && starts_with_word(name, "content-disposition")) {
    find_attribute(value, "name", result.name);
    result.is_file = find_attribute(value, "filename", result.file_name);
  } else if (name.size() == 12 && starts_with_word(name, "content-type")) {
    result.content_type = value;
  }
}

} // namespace

std::string_view multipart_boundary(std::string_view content_type) noexcept {
  std::string_view result;
  find_attribute(content_type, "boundary", result);
  return result;
}

namespace multipart_details {

bool skip_preamble(std::string_view& body, std::string_view boundary) {
  auto mark = "--" + std::string{boundary};
  auto at = body.find(mark);
  if (at == std::string_view::npos)
    return false;
  body.remove_prefix(at + mark.size());
  return true;
}

bool at_end(std::string_view body) noexcept {
  return body.starts_with("--");
}

bool next_part(std::string_view& body, std::string_view boundary, part& result) {
  auto line_end = body.find("\r\n"); // After the boundary, blanks may stand.
  if (line_end == std::string_view::npos)
    return false;
  body.remove_prefix(line_end + 2);
  for (;;) {
    auto end = body.find("\r\n");
    if (end == std::string_view::npos)
      return false;
    auto line = body.substr(0, end);
    body.remove_prefix(end + 2);
    if (line.empty())
      break;
    read_part_header(line, result);
  }
  auto mark = "\r\n--" + std::string{boundary};
  auto end = body.find(mark);
  if (end == std::string_view::npos)
    return false;
  result.content = body.substr(0, end);
  body.remove_prefix(end + mark.size());
  return true;
}

} // namespace multipart_details

} // namespace troupe::sandbox
