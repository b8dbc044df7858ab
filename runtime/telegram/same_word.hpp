#pragma once
#include <algorithm>
#include <string_view>

namespace troupe::telegram {

/// Whether two words are the same but for the case of their ASCII letters. Not Beast's `iequals`:
/// that of 1.81 reads behind the end of words that differ in case.
[[nodiscard]] inline bool same_word(std::string_view x, std::string_view y) noexcept {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(x, y, {}, lower, lower);
}

} // namespace troupe::telegram
