#include "tests/sandbox/duration.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <random>
#include <utility>

namespace troupe::sandbox {

using std::chrono::microseconds;

microseconds delay::draw() const {
  if (spread.count() <= 0)
    return mean;
  thread_local std::minstd_rand random{std::random_device{}()};
  std::uniform_int_distribution<std::int64_t> pick{-spread.count(), spread.count()};
  return microseconds{std::max<std::int64_t>(0, mean.count() + pick(random))};
}

std::optional<microseconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 6> units{
    {{"", 1e3}, {"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"h", 3600e6}}};
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !std::isfinite(number) || number < 0)
    return std::nullopt;
  auto unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (auto& [name, factor] : units)
    if (unit == name && number * factor < 1e15)
      return microseconds{static_cast<std::int64_t>(number * factor)};
  return std::nullopt;
}

std::optional<delay> parse_delay(std::string_view text) {
  for (std::string_view joint : {"±", "+-"})
    if (auto at = text.find(joint); at != std::string_view::npos) {
      auto mean = parse_duration(text.substr(0, at));
      auto spread = parse_duration(text.substr(at + joint.size()));
      if (!mean || !spread)
        return std::nullopt;
      return delay{*mean, *spread};
    }
  auto mean = parse_duration(text);
  return mean ? std::optional{delay{*mean, {}}} : std::nullopt;
}

} // namespace troupe::sandbox
