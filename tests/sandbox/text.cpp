#include "tests/sandbox/text.hpp"

#include "tests/sandbox/entity.hpp"

#include "runtime/telegram/errors.hpp"

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace troupe::sandbox {

namespace {

constexpr bool is_word(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'
         || static_cast<unsigned char>(c) >= 0x80;
}

constexpr bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// The length of the entity that begins here, or 0.
std::size_t marked_word(std::string_view rest, std::string_view type) {
  std::size_t n = 1;
  while (n < rest.size() && is_word(rest[n]))
    ++n;
  if (type == "bot_command" && n > 1 && n < rest.size() && rest[n] == '@') {
    auto m = n + 1;
    while (m < rest.size() && is_word(rest[m]))
      ++m;
    if (m > n + 1)
      n = m;
  }
  return n > 1 ? n : 0;
}

std::size_t url_length(std::string_view rest) {
  if (!rest.starts_with("http://") && !rest.starts_with("https://"))
    return 0;
  std::size_t n = 0;
  while (n < rest.size() && !is_blank(rest[n]))
    ++n;
  while (n > 0 && std::string_view{".,!?)"}.find(rest[n - 1]) != std::string_view::npos)
    --n;
  return n > 10 ? n : 0;
}

} // namespace

std::size_t utf16_length(std::string_view text) noexcept {
  std::size_t result = 0;
  for (char c : text) {
    auto byte = static_cast<std::uint8_t>(c);
    result += (byte & 0xc0) != 0x80;
    result += byte >= 0xf0; // Outside the basic plane: a surrogate pair.
  }
  return result;
}

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    auto first = static_cast<std::uint8_t>(text[i]);
    if (first < 0x80) {
      ++i;
      continue;
    }
    std::size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || i + more >= text.size())
      return false;
    std::uint32_t code = first & (0x3fu >> more);
    for (std::size_t j = 1; j <= more; ++j) {
      auto byte = static_cast<std::uint8_t>(text[i + j]);
      if ((byte & 0xc0) != 0x80)
        return false;
      code = code << 6 | (byte & 0x3f);
    }
    if ((more == 2 && code < 0x800) || (more == 3 && (code < 0x10000 || code > 0x10ffff))
        || (code >= 0xd800 && code <= 0xdfff))
      return false;
    i += more + 1;
  }
  return true;
}

std::string find_entities(std::string_view text) {
  static constexpr std::array<std::pair<char, std::string_view>, 3> marks{
    {{'/', "bot_command"}, {'@', "mention"}, {'#', "hashtag"}}};
  if (text.find_first_of("/@#") == std::string_view::npos)
    return {};
  std::vector<entity> found;
  std::size_t position = 0;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t length = 0;
    std::string_view type;
    if (i == 0 || !is_word(text[i - 1])) {
      for (auto& [mark, meaning] : marks)
        if (text[i] == mark && (i == 0 || text[i - 1] != '/')) {
          length = marked_word(text.substr(i), meaning);
          type = meaning;
        }
      if (auto url = url_length(text.substr(i)); url > 0) {
        length = url;
        type = "url";
      }
    }
    auto step = length > 0 ? length : 1;
    auto units = utf16_length(text.substr(i, step));
    if (length > 0)
      found.push_back({type, position, units, {}});
    position += units;
    i += step;
  }
  return to_json(found);
}

std::string text_members(std::string_view name, std::string_view entities_name,
                         std::string_view text, std::string_view entities) {
  std::string out;
  out.reserve(text.size() + entities.size() + 32);
  out += ",\"";
  out += name;
  out += "\":";
  telegram::append_json_string(out, text);
  if (!entities.empty()) {
    out += ",\"";
    out += entities_name;
    out += "\":";
    out += entities;
  }
  return out;
}

} // namespace troupe::sandbox
