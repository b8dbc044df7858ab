#pragma once
#include "tests/simulation/cluster/plan.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace troupe::simulation::clustered {

struct run_options {
  bool verbose = false; ///< Prints what happens.
};

struct result {
  std::string broken; ///< The promise; empty: none.
  std::string how;
  std::uint64_t trace = 0;
  std::uint64_t steps = 0;
  double seconds = 0; ///< Simulated.
  std::uint64_t sends = 0;
  double used = -1; ///< Part of the budget, once all was at rest; below 0: not judged.
  std::map<std::string, std::uint64_t> endings;
  std::map<std::string, std::uint64_t> happened;
};

[[nodiscard]] result run(const plan& what, const run_options& how = {});

} // namespace troupe::simulation::clustered
