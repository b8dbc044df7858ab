#pragma once
#include "tests/simulation/cluster/plan.hpp"

#include <string>

namespace troupe::simulation::clustered {

/// What is kept of a seed's plan.
struct cut {
  std::string faults;           ///< Indices, "0,3,7"; "none"; empty: all.
  std::int64_t load_until = -1; ///< Calls after these milliseconds are left out; -1: none.
};

[[nodiscard]] plan plan_of(std::uint64_t seed, const cut& kept);

/// Leaves out one fault after the other, then the end of the load, as long as the same promise
/// breaks.
[[nodiscard]] cut shrink(std::uint64_t seed, const std::string& broken);

/// The options that replay it.
[[nodiscard]] std::string options_of(std::uint64_t seed, const cut& x);

} // namespace troupe::simulation::clustered
