#pragma once
#include <cstddef>
#include <string>
#include <string_view>

/// Finds and masks what is shaped like a bot token. Header-only, so that no room needs the logger.
namespace troupe::log {

namespace detail {

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

constexpr bool is_token_char(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

/// A secret's place in a text: [begin, end), or end == npos when there is none.
struct secret_place {
  std::size_t begin = 0;
  std::size_t end = std::string_view::npos;
};

constexpr std::size_t shortest_secret = 20;

constexpr secret_place next_secret(std::string_view text, std::size_t from) noexcept {
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

} // namespace detail

/// Whether `text` holds something shaped like a bot token: digits, a colon (or `%3A`), then at
/// least 20 of the characters that tokens are made of (a whole token has 35; a cut one counts too).
[[nodiscard]] constexpr bool holds_token(std::string_view text) noexcept {
  return detail::next_secret(text, 0).end != std::string_view::npos;
}

/// `text` with every such token's part after the colon replaced by `***`.
[[nodiscard]] inline std::string mask_tokens(std::string_view text) {
  std::string out;
  std::size_t done = 0;
  for (auto found = detail::next_secret(text, 0); found.end != std::string_view::npos;
       found = detail::next_secret(text, done)) {
    out.append(text, done, found.begin - done);
    out += "***";
    done = found.end;
  }
  out.append(text, done);
  return out;
}

} // namespace troupe::log
