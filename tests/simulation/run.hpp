#pragma once
#include "tests/simulation/plan.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace troupe::simulation {

/// One history, and what became of the promises.
struct result {
  std::string broken; ///< Which promise; empty: none.
  std::string how;
  std::uint64_t trace = 0; ///< Of all that happened, in its order.
  std::uint64_t steps = 0; ///< Messages taken.
  double seconds = 0;      ///< Simulated.
  std::uint64_t sends = 0;
  std::uint64_t updates = 0;                    ///< That Telegram got rid of.
  std::map<std::string, std::uint64_t> endings; ///< Of calls.
  std::uint64_t lives = 0;                      ///< Of the node.
  std::map<std::string, std::uint64_t> faults;  ///< What happened to it, by its kind.
  std::set<std::string> started; ///< Which actors there were; "a bot" for all of those.
};

struct run_options {
  std::uint64_t most_steps = 20'000'000; ///< Then it ends, wherever it is.
  bool verbose = false;                  ///< Prints what happens.
  bool own_clock = false;                ///< The node is left with the machine's wall clock.
  bool own_entropy = false;              ///< And with its entropy for the tokens' hashes.
};

[[nodiscard]] result run(const plan& what, const run_options& how = {});

} // namespace troupe::simulation
