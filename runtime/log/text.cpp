#include "runtime/log/text.hpp"

#include <cstddef>
#include <cstdint>

namespace troupe::log {
namespace {

struct code_point {
  std::uint32_t value = 0;
  std::size_t length = 1; ///< Bytes taken.
  bool valid = false;
};

std::uint8_t byte_at(std::string_view text, std::size_t pos) noexcept {
  return static_cast<std::uint8_t>(text[pos]);
}

/// Decodes strictly: no overlong forms, no surrogates, nothing beyond U+10FFFF (RFC 3629).
code_point decode(std::string_view text, std::size_t pos) noexcept {
  auto first = byte_at(text, pos);
  if (first < 0x80)
    return {first, 1, true};
  std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4)
    return {};
  std::uint32_t value = first & (0xffU >> (length + 1));
  std::size_t taken = 1;
  for (; taken < length && pos + taken < text.size(); ++taken) {
    auto next = byte_at(text, pos + taken);
    auto low = taken > 1 ? 0x80 : first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    auto high = taken > 1 ? 0xbf : first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (next < low || next > high)
      break;
    value = (value << 6) | (next & 0x3fU);
  }
  return taken == length ? code_point{value, length, true} : code_point{0, taken, false};
}

void append_escape(std::string& out, std::uint32_t value) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4)
    out += digits[(value >> shift) & 0xfU];
}

void append_escaped(std::string& out, std::string_view text, bool escape_quotes) {
  for (std::size_t pos = 0; pos < text.size();) {
    auto c = text[pos];
    if (escape_quotes && (c == '"' || c == '\\')) {
      out += '\\';
      out += c;
      ++pos;
      continue;
    }
    auto point = decode(text, pos);
    if (!point.valid)
      out += "\xef\xbf\xbd";
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\r')
      out += "\\r";
    else if (point.value < 0x20 || (point.value >= 0x7f && point.value < 0xa0))
      append_escape(out, point.value);
    else
      out.append(text, pos, point.length);
    pos += point.length;
  }
}

} // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text, true);
  out += '"';
}

void append_plain(std::string& out, std::string_view text) {
  if (text.empty() || text.find_first_of(" \"=\\") != std::string_view::npos)
    append_json_string(out, text);
  else
    append_sentence(out, text);
}

void append_sentence(std::string& out, std::string_view text) {
  append_escaped(out, text, false);
}

} // namespace troupe::log
