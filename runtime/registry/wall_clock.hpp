#pragma once
#include <chrono>
#include <cstdint>
#include <functional>

namespace troupe {

/// Wall clock, milliseconds since 1970, UTC: for what is stored and shown. What waits or is paced goes
/// by its actor's own clock.
[[nodiscard]] inline std::int64_t wall_now() {
  using namespace std::chrono;
  return floor<milliseconds>(system_clock::now()).time_since_epoch().count();
}

/// Where those who deal with updates read it: the system's, or one that a test or a simulation drives.
using wall_clock = std::function<std::int64_t()>;

} // namespace troupe
