#include "runtime/rules/words.hpp"

#include <locale.h>
#include <wctype.h>

#include <algorithm>

namespace troupe::rules {
namespace {

/// What every character is, by the C library's tables of Unicode; its "C.UTF-8" is built in.
struct characters {
  characters() : unicode(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {}
  ~characters() {
    if (unicode)
      ::freelocale(unicode);
  }
  characters(const characters&) = delete;
  characters& operator=(const characters&) = delete;

  /// Small letters of what is written in several ways are made one by way of the capital (σ, ς).
  [[nodiscard]] char32_t folded(char32_t c) const noexcept {
    if (!unicode)
      return c >= U'A' && c <= U'Z' ? c + 32 : c;
    auto upper = ::towupper_l(static_cast<wint_t>(c), unicode);
    return static_cast<char32_t>(::towlower_l(upper, unicode));
  }
  [[nodiscard]] bool in_word(char32_t c) const noexcept {
    if (c >= 0x300 && c <= 0x36F) // Combining marks belong to the letter before them.
      return true;
    if (!unicode)
      return c > 127 || (c >= U'0' && c <= U'9') || (c >= U'a' && c <= U'z')
             || (c >= U'A' && c <= U'Z');
    return ::iswalnum_l(static_cast<wint_t>(c), unicode) != 0;
  }

  ::locale_t unicode;
};

const characters& table() {
  static const characters the_table;
  return the_table;
}

/// Bytes of the character that begins with `lead`; 0: none does.
std::size_t length_of(unsigned char lead) noexcept {
  if (lead < 0x80)
    return 1;
  if (lead >= 0xC2 && lead < 0xE0)
    return 2;
  if (lead >= 0xE0 && lead < 0xF0)
    return 3;
  return lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
}

struct character {
  char32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

/// The first character of text that is not empty.
character first_of(std::string_view text) noexcept {
  auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto n = length_of(byte(0));
  if (n == 0 || n > text.size())
    return {};
  char32_t code = n == 1 ? byte(0) : byte(0) & (0xFFu >> (n + 1));
  for (std::size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xC0) != 0x80)
      return {};
    code = (code << 6) | (byte(i) & 0x3Fu);
  }
  return {code, n, true};
}

} // namespace

std::vector<std::u32string> words_of(std::string_view text) {
  std::vector<std::u32string> result;
  bool inside = false;
  for (std::size_t seen = 0; !text.empty() && seen < max_text; ++seen) {
    auto c = first_of(text);
    text.remove_prefix(c.bytes);
    bool part = c.valid && table().in_word(c.code);
    if (part && !inside)
      result.emplace_back();
    if (part)
      result.back() += table().folded(c.code);
    inside = part;
  }
  return result;
}

std::size_t utf16_units(std::string_view text) noexcept {
  std::size_t units = 0;
  for (; !text.empty(); text.remove_prefix(first_of(text).bytes))
    units += first_of(text).code > 0xFFFF ? 2 : 1;
  return units;
}

std::string_view first_units(std::string_view text, std::size_t units) noexcept {
  auto rest = text;
  while (!rest.empty()) {
    auto c = first_of(rest);
    std::size_t n = c.code > 0xFFFF ? 2 : 1;
    if (n > units)
      break;
    units -= n;
    rest.remove_prefix(c.bytes);
  }
  return text.substr(0, text.size() - rest.size());
}

} // namespace troupe::rules
