#include "runtime/telegram/multipart.hpp"
#include "runtime/telegram/params.hpp"

namespace troupe::telegram {
namespace {

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view blank = " \t\r\n";
  while (!text.empty() && blank.find(text.front()) != std::string_view::npos)
    text.remove_prefix(1);
  while (!text.empty() && blank.find(text.back()) != std::string_view::npos)
    text.remove_suffix(1);
  return text;
}

/// Takes a value off the front, up to the semicolon behind it: a quoted string or a word.
std::string take_value(std::string_view& text) {
  text = trimmed(text);
  std::string value;
  if (!text.starts_with('"')) {
    auto end = std::min(text.find(';'), text.size());
    value = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    return percent_decode(value, false);
  }
  std::size_t at = 1;
  for (; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\' && at + 1 < text.size())
      ++at;
    value.push_back(text[at]);
  }
  auto next = text.find(';', std::min(at, text.size()));
  text.remove_prefix(next == std::string_view::npos ? text.size() : next + 1);
  return percent_decode(value, false);
}

/// The attributes behind "form-data;".
void read_disposition(std::string_view value, part_head& out) {
  value.remove_prefix(std::min(value.find(';'), value.size() - 1) + 1);
  while (!(value = trimmed(value)).empty()) {
    auto equals = value.find('=');
    if (equals == std::string_view::npos)
      return;
    auto key = trimmed(value.substr(0, equals));
    value.remove_prefix(equals + 1);
    auto text = take_value(value);
    if (key == "name") { // In small letters alone, as the server reads them.
      out.name = std::move(text);
    } else if (key == "filename") {
      out.filename = std::move(text);
      out.is_file = true;
    }
  }
}

} // namespace

part_head read_part_head(std::string_view headers) {
  part_head result;
  while (!headers.empty()) {
    auto end = headers.find("\r\n");
    while (end != std::string_view::npos && end + 2 < headers.size()
           && (headers[end + 2] == ' ' || headers[end + 2] == '\t')) // Goes on in the next line.
      end = headers.find("\r\n", end + 2);
    auto line = headers.substr(0, end);
    headers.remove_prefix(end == std::string_view::npos ? headers.size() : end + 2);
    auto colon = std::min(line.find(':'), line.size());
    auto name = trimmed(line.substr(0, colon));
    auto value = trimmed(line.substr(std::min(colon + 1, line.size())));
    if (same_word(name, "content-disposition") && !value.empty())
      read_disposition(value, result);
    else if (same_word(name, "content-type"))
      result.is_form = value.starts_with("application/x-www-form-urlencoded");
  }
  return result;
}

} // namespace troupe::telegram
