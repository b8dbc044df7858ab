#include "runtime/telegram/json_members.hpp"

#include <cstdint>

namespace troupe::telegram {
namespace {

/// As deep as the official server follows.
constexpr int deepest_member = 100;

int member_hex(char c) noexcept {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

/// Four hexadecimal digits; -1 if there are none.
int member_unit(std::string_view text) noexcept {
  if (text.size() < 4)
    return -1;
  int result = 0;
  for (char c : text.substr(0, 4)) {
    auto digit = member_hex(c);
    if (digit < 0)
      return -1;
    result = result * 16 + digit;
  }
  return result;
}

constexpr bool is_surrogate(int unit) noexcept {
  return unit >= 0xD800 && unit < 0xE000;
}

void append_utf8(std::string& out, std::uint32_t c) {
  auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80)
    return put(c);
  if (c < 0x800) {
    put(0xC0 | (c >> 6));
  } else {
    if (c < 0x10000) {
      put(0xE0 | (c >> 12));
    } else {
      put(0xF0 | (c >> 18));
      put(0x80 | ((c >> 12) & 0x3F));
    }
    put(0x80 | ((c >> 6) & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

constexpr bool in_number(char c) noexcept {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

} // namespace

void json_members::blanks() noexcept {
  constexpr std::string_view blank{" \t\r\n\0\v", 6};
  while (at_ != end_ && blank.find(*at_) != std::string_view::npos)
    ++at_;
}

bool json_members::take(char what) noexcept {
  blanks();
  if (at_ == end_ || *at_ != what)
    return false;
  ++at_;
  return true;
}

bool json_members::string(std::string_view& out, bool& escaped) noexcept {
  if (!take('"'))
    return false;
  auto* begin = at_;
  for (escaped = false; at_ != end_; ++at_) {
    if (*at_ == '"') {
      out = {begin, static_cast<std::size_t>(at_++ - begin)};
      return true;
    }
    if (*at_ != '\\')
      continue;
    escaped = true;
    if (++at_ == end_)
      return false;
    if (*at_ == 'u') {
      if (member_unit({at_ + 1, static_cast<std::size_t>(end_ - at_ - 1)}) < 0)
        return false;
      at_ += 4;
    }
  }
  return false;
}

/// What stands in an object or an array, its opening bracket behind us.
bool json_members::skip_all(char close, bool named, int depth) noexcept {
  std::string_view name;
  bool escaped = false;
  if (take(close))
    return true;
  for (;;) {
    if ((named && (!string(name, escaped) || !take(':'))) || !skip(depth))
      return false;
    if (take(close))
      return true;
    if (!take(','))
      return false;
  }
}

bool json_members::skip(int depth) noexcept {
  if (depth < 0)
    return false;
  blanks();
  if (at_ == end_)
    return false;
  for (std::string_view word : {"true", "false", "null"})
    if (std::string_view{at_, static_cast<std::size_t>(end_ - at_)}.starts_with(word)) {
      at_ += word.size();
      return true;
    }
  std::string_view text;
  bool escaped = false;
  if (*at_ == '"')
    return string(text, escaped);
  if (take('['))
    return skip_all(']', false, depth - 1);
  if (take('{'))
    return skip_all('}', true, depth - 1);
  auto* begin = at_;
  while (at_ != end_ && in_number(*at_))
    ++at_;
  return at_ != begin;
}

bool json_members::next(json_member& out) noexcept {
  if (begun_ ? !take(',') : !take('{')) {
    whole_ = begun_ && take('}');
    blanks();
    whole_ = whole_ && at_ == end_;
    return false;
  }
  begun_ = true;
  blanks();
  if (at_ != end_ && *at_ == '}') {
    ++at_;
    blanks();
    whole_ = at_ == end_;
    return false;
  }
  out = {};
  if (!string(out.name, out.name_escaped) || !take(':'))
    return false;
  blanks();
  out.is_text = at_ != end_ && *at_ == '"';
  if (out.is_text)
    return string(out.value, out.value_escaped);
  auto* begin = at_;
  if (!skip(deepest_member))
    return false;
  out.value = {begin, static_cast<std::size_t>(at_ - begin)};
  return true;
}

std::string unescaped_json(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\' || ++i == raw.size()) {
      if (i < raw.size())
        out.push_back(raw[i]);
      continue;
    }
    constexpr std::string_view names = "bfnrt";
    constexpr std::string_view meant = "\b\f\n\r\t";
    if (auto known = names.find(raw[i]); known != std::string_view::npos) {
      out.push_back(meant[known]);
    } else if (auto unit = raw[i] == 'u' ? member_unit(raw.substr(i + 1)) : -1; unit >= 0) {
      i += 4;
      auto pair = raw.substr(i + 1).starts_with("\\u") ? member_unit(raw.substr(i + 3)) : -1;
      if (is_surrogate(unit) && is_surrogate(pair)) {
        i += 6;
        append_utf8(out, (((unit & 0x3FFu) << 10) | (pair & 0x3FFu)) + 0x10000u);
      } else {
        append_utf8(out, static_cast<std::uint32_t>(unit));
      }
    } else {
      out.push_back(raw[i]);
    }
  }
  return out;
}

} // namespace troupe::telegram
