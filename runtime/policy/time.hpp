#pragma once
#include <chrono>

/// The types that every policy measures time with.
namespace troupe {

using steady = std::chrono::steady_clock;
using time_point = steady::time_point;
using duration = steady::duration;

} // namespace troupe
