#pragma once
#include "tests/simulation/run.hpp"

#include <string>
#include <vector>

namespace troupe::simulation {

/// What is kept of a seed's plan.
struct cut {
  std::string faults; ///< Indices, "0,3,7"; "none"; empty: all.
  std::int64_t load_until =
    -1; ///< Calls and updates after these milliseconds are left out; -1: none.
};

[[nodiscard]] std::vector<fault> chosen(const std::vector<fault>& all, const std::string& only);
[[nodiscard]] plan plan_of(std::uint64_t seed, const cut& kept);

struct shrunk {
  cut kept;
  result how; ///< Of that plan.
};

/// Leaves out faults, halves first, then smaller parts, and then the end of the load, as long as
/// the same promise breaks.
[[nodiscard]] shrunk shrink(std::uint64_t seed, const std::string& broken);

/// The options that replay it.
[[nodiscard]] std::string options_of(std::uint64_t seed, const shrunk& x);

} // namespace troupe::simulation
