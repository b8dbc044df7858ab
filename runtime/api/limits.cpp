#include "runtime/api/limits.hpp"

#include <algorithm>

namespace troupe::api {

quota::quota(std::uint32_t per_minute, std::size_t most_names) : most_(most_names) {
  rules_.rules[0] = {per_minute, std::chrono::minutes{1}};
}

void quota::set(std::uint32_t per_minute) {
  std::lock_guard guard{mtx_};
  rules_.rules[0].limit = per_minute;
}

std::uint32_t quota::limit() const {
  std::lock_guard guard{mtx_};
  return rules_.rules[0].limit;
}

std::optional<duration> quota::wait(std::string_view name, time_point now) const {
  std::lock_guard guard{mtx_};
  if (!rules_.limited())
    return std::nullopt;
  auto* window = windows_.find(std::string{name});
  if (window == nullptr)
    return std::nullopt;
  auto opens = window->opens(rules_, now);
  return opens > now ? std::optional{opens - now} : std::nullopt;
}

std::optional<duration> quota::take(std::string_view name, time_point now) {
  std::lock_guard guard{mtx_};
  if (!rules_.limited())
    return std::nullopt;
  // Two threads may have read the clock in another order than they come here.
  now = latest_ = std::max(latest_, now);
  // Entries stand in the order of their last event, so those that are over stand in front.
  while (!windows_.empty() && windows_.oldest().empty(rules_.longest(), now))
    windows_.erase_oldest();
  std::string key{name};
  auto* window = windows_.find(key);
  if (window == nullptr && windows_.size() >= most_)
    return windows_.oldest().empty_at(rules_.longest()) - now;
  if (window != nullptr)
    if (auto opens = window->opens(rules_, now); opens > now)
      return opens - now;
  windows_.touch(key).record(rules_, now);
  return std::nullopt;
}

std::size_t quota::names() const {
  std::lock_guard guard{mtx_};
  return windows_.size();
}

} // namespace troupe::api
