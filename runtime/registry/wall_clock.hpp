#pragma once
#include <chrono>
#include <cstdint>

namespace troupe {

/// Wall clock, milliseconds since 1970, UTC: for what is stored and shown. What waits or is paced goes
/// by its actor's own clock.
[[nodiscard]] inline std::int64_t wall_now() {
  using namespace std::chrono;
  return floor<milliseconds>(system_clock::now()).time_since_epoch().count();
}

} // namespace troupe
