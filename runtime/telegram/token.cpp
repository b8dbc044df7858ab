#include "runtime/telegram/token.hpp"

#include <algorithm>
#include <charconv>
#include <ostream>

namespace troupe::telegram {

namespace {

constexpr std::size_t secret_length = 35;

constexpr bool is_secret_char(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'
         || c == '-';
}

} // namespace

std::optional<bot_token> bot_token::parse(std::string_view text) {
  auto colon = text.find(':');
  if (colon == std::string_view::npos)
    return std::nullopt;
  auto number = text.substr(0, colon);
  auto secret = text.substr(colon + 1);
  if (number.empty() || number.front() == '-' || secret.size() != secret_length
      || !std::all_of(secret.begin(), secret.end(), is_secret_char))
    return std::nullopt;
  bot_token result;
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), result.id_);
  if (error != std::errc{} || end != number.data() + number.size() || result.id_ <= 0)
    return std::nullopt;
  result.text_ = text;
  return result;
}

std::string bot_token::masked() const {
  return id_ == 0 ? std::string{"(no token)"} : std::to_string(id_) + ":***";
}

std::string to_string(const bot_token& x) {
  return x.masked();
}

std::ostream& operator<<(std::ostream& out, const bot_token& x) {
  return out << x.masked();
}

} // namespace troupe::telegram
