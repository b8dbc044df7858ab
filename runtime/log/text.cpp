#include "runtime/log/text.hpp"

#include <cstddef>
#include <cstdint>

namespace troupe::log {
namespace {

constexpr std::size_t shortest_secret = 20;

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

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

bool is_token_char(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

/// A secret's place in a text: [begin, end), or end == npos when there is none.
struct secret {
  std::size_t begin = 0;
  std::size_t end = std::string_view::npos;
};

secret next_secret(std::string_view text, std::size_t from) noexcept {
  for (auto pos = text.find_first_of(":%", from); pos != std::string_view::npos;
       pos = text.find_first_of(":%", pos + 1)) {
    if (pos == 0 || !is_digit(text[pos - 1]))
      continue;
    auto begin = pos + 1;
    if (text[pos] == '%') {
      auto code = text.substr(begin, 2);
      if (code != "3A" && code != "3a")
        continue;
      begin += 2;
    }
    auto end = begin;
    while (end < text.size() && is_token_char(text[end]))
      ++end;
    if (end - begin >= shortest_secret)
      return {begin, end};
  }
  return {};
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

bool holds_token(std::string_view text) noexcept {
  return next_secret(text, 0).end != std::string_view::npos;
}

std::string mask_tokens(std::string_view text) {
  std::string out;
  std::size_t done = 0;
  for (auto found = next_secret(text, 0); found.end != std::string_view::npos;
       found = next_secret(text, done)) {
    out.append(text, done, found.begin - done);
    out += "***";
    done = found.end;
  }
  out.append(text, done);
  return out;
}

} // namespace troupe::log
