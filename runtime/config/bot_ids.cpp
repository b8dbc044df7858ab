#include "runtime/config/bot_ids.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace troupe::config {

std::optional<std::vector<std::int64_t>> parse_bot_ids(std::string_view text) {
  std::vector<std::int64_t> result;
  for (std::size_t at = text.find_first_not_of(", "); at != text.npos;
       at = text.find_first_not_of(", ", at)) {
    auto end = std::min(text.find_first_of(", ", at), text.size());
    std::int64_t number = 0;
    auto [stop, wrong] = std::from_chars(text.data() + at, text.data() + end, number);
    if (wrong != std::errc{} || stop != text.data() + end || number <= 0)
      return std::nullopt;
    result.push_back(number);
    at = end;
  }
  return result;
}

} // namespace troupe::config
