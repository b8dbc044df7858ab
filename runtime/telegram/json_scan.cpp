#include "runtime/telegram/json_scan.hpp"

#include <bit>
#include <charconv>
#include <cstring>

namespace troupe::telegram {
namespace {

constexpr bool is_json_digit(char x) noexcept {
  return x >= '0' && x <= '9';
}

constexpr bool is_json_hex(char x) noexcept {
  return is_json_digit(x) || (x >= 'a' && x <= 'f') || (x >= 'A' && x <= 'F');
}

/// How many of eight bytes of a string are ordinary (ASCII, no control character, quote, backslash)
/// before the first that is not.
int plain(const char* at) noexcept {
  constexpr std::uint64_t ones = 0x0101'0101'0101'0101u;
  constexpr std::uint64_t highs = ones << 7;
  std::uint64_t x = 0;
  std::memcpy(&x, at, sizeof(x));
  auto has_zero = [](std::uint64_t v) { return (v - ones) & ~v; };
  auto bad =
    x | ((x - ones * 0x20) & ~x) | has_zero(x ^ (ones * '"')) | has_zero(x ^ (ones * '\\'));
  // What is borrowed makes others bad only above a byte that is.
  static_assert(std::endian::native == std::endian::little);
  return std::countr_zero(bad & highs) / 8;
}

} // namespace

bool json_scan::escape() noexcept {
  if (++at_ == end_)
    return false;
  switch (*at_++) {
  case '"':
  case '\\':
  case '/':
  case 'b':
  case 'f':
  case 'n':
  case 'r':
  case 't':
    return true;
  case 'u':
    for (int i = 0; i < 4; ++i, ++at_)
      if (at_ == end_ || !is_json_hex(*at_))
        return false;
    return true;
  default:
    return false;
  }
}

// One character of two to four bytes (RFC 3629): neither overlong, nor a surrogate, nor above
// U+10FFFF.
bool json_scan::beyond_ascii() noexcept {
  auto first = static_cast<unsigned char>(*at_++);
  int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  if (first < 0xC2 || first > 0xF4)
    return false;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (first == 0xE0)
    low = 0xA0;
  else if (first == 0xED)
    high = 0x9F;
  else if (first == 0xF0)
    low = 0x90;
  else if (first == 0xF4)
    high = 0x8F;
  for (; more > 0; --more, ++at_) {
    if (at_ == end_)
      return false;
    auto next = static_cast<unsigned char>(*at_);
    if (next < low || next > high)
      return false;
    low = 0x80;
    high = 0xBF;
  }
  return true;
}

bool json_scan::string(std::string_view& text) noexcept {
  if (!take('"'))
    return false;
  auto* begin = at_;
  while (at_ != end_) {
    for (int ordinary = 8; ordinary == 8 && end_ - at_ >= 8; at_ += ordinary)
      ordinary = plain(at_);
    if (at_ == end_)
      return false;
    auto x = static_cast<unsigned char>(*at_);
    if (x == '"') {
      text = {begin, static_cast<std::size_t>(at_ - begin)};
      ++at_;
      return true;
    }
    if (x < 0x20)
      return false;
    if (x == '\\') {
      if (!escape())
        return false;
    } else if (x >= 0x80) {
      if (!beyond_ascii())
        return false;
    } else {
      ++at_;
    }
  }
  return false;
}

bool json_scan::pass() noexcept {
  blanks();
  auto* begin = at_;
  for (int open = 0; at_ != end_;) {
    auto x = *at_;
    if (open == 0 && (x == ',' || x == ']' || x == '}'))
      return at_ != begin;
    ++at_;
    if (x == '"') {
      while (at_ != end_ && *at_ != '"')
        at_ += *at_ == '\\' && end_ - at_ > 1 ? 2 : 1;
      if (at_ == end_)
        return false;
      ++at_;
    } else if (x == '{' || x == '[') {
      ++open;
    } else if (x == '}' || x == ']') {
      --open;
    }
    if (open == 0 && (x == '"' || x == '}' || x == ']'))
      return true;
  }
  return false;
}

bool json_scan::word(std::string_view what) noexcept {
  if (!std::string_view{at_, static_cast<std::size_t>(end_ - at_)}.starts_with(what))
    return false;
  at_ += what.size();
  return true;
}

bool json_scan::number() noexcept {
  auto digits = [this] {
    auto* begin = at_;
    while (at_ != end_ && is_json_digit(*at_))
      ++at_;
    return at_ != begin;
  };
  if (at_ != end_ && *at_ == '-')
    ++at_;
  auto* begin = at_;
  if (!digits() || (*begin == '0' && at_ - begin > 1))
    return false;
  if (at_ != end_ && *at_ == '.') {
    ++at_;
    if (!digits())
      return false;
  }
  if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
    ++at_;
    if (at_ != end_ && (*at_ == '+' || *at_ == '-'))
      ++at_;
    if (!digits())
      return false;
  }
  return true;
}

bool json_scan::skip() noexcept {
  std::string_view text;
  switch (peek()) {
  case '{':
    return object([this](std::string_view) { return skip(); });
  case '[':
    return array([this] { return skip(); });
  case '"':
    return string(text);
  case 't':
    return word("true");
  case 'f':
    return word("false");
  case 'n':
    return word("null");
  default:
    return number();
  }
}

bool json_scan::whole(std::int64_t& result, bool& is_one) noexcept {
  std::string_view text;
  is_one = false;
  if (peek() == '"') {
    if (!string(text))
      return false;
  } else {
    auto* begin = at_;
    if (!skip())
      return false;
    text = {begin, static_cast<std::size_t>(at_ - begin)};
  }
  std::int64_t value = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec == std::errc{} && end == text.data() + text.size()) {
    result = value;
    is_one = true;
  }
  return true;
}

} // namespace troupe::telegram
