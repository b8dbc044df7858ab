#include "runtime/relay/retry_after.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <string>

namespace troupe::relay {
namespace {

constexpr std::int64_t longest = 100LL * 366 * 86400;

} // namespace

std::optional<std::chrono::seconds> read_retry_after(std::string_view value, std::int64_t now) {
  while (value.starts_with(' '))
    value.remove_prefix(1);
  while (value.ends_with(' '))
    value.remove_suffix(1);
  std::int64_t seconds = 0;
  auto [end, err] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (err == std::errc{} && end == value.data() + value.size() && seconds >= 0)
    return std::chrono::seconds{std::min(seconds, longest)};
  if (value.empty() || value.size() > 64)
    return std::nullopt;
  std::string text{value};
  for (const char* form :
       {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"}) {
    std::tm when{};
    const auto* rest = ::strptime(text.c_str(), form, &when);
    if (rest != nullptr && *rest == '\0')
      return std::chrono::seconds{
        std::clamp<std::int64_t>(::timegm(&when) - now, 0, longest)};
  }
  return std::nullopt;
}

} // namespace troupe::relay
