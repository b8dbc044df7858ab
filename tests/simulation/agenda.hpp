#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace troupe::simulation {

using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::nanoseconds;

/// Where simulated time begins.
inline constexpr time_point beginning{std::chrono::seconds{1000}};

/// What the world outside the node will do, and when. Survives the node.
class agenda {
public:
  void at(time_point when, std::function<void()> what) {
    entries_.emplace(std::pair{when, ++last_}, std::move(what));
  }

  [[nodiscard]] time_point next() const noexcept {
    return entries_.empty() ? time_point::max() : entries_.begin()->first.first;
  }

  /// Does what is due first; it may enter more.
  void run_one() {
    auto what = std::move(entries_.begin()->second);
    entries_.erase(entries_.begin());
    what();
  }

private:
  std::map<std::pair<time_point, std::uint64_t>, std::function<void()>> entries_;
  std::uint64_t last_ = 0; ///< What is due at one moment is done in the order of its entry.
};

} // namespace troupe::simulation
