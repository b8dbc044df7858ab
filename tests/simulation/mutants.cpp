#include "tests/simulation/mutants.hpp"

#include "runtime/policy/mutation.hpp"

#ifdef TROUPE_SIMULATION_MUTANTS

#include <cstring>

namespace troupe {
namespace {

constexpr const char* names[] = {
  "mutation:window-off-by-one", // budgets
  "mutation:windows-forgotten", // budgets, over a restart of the governor
  "mutation:lease-kept",        // leases
  "mutation:repeated-blindly",  // answers
  "mutation:deadline-ignored",  // deadlines
  "mutation:update-dropped",    // updates
  "mutation:chat-overtaken",    // order
  "mutation:children-orphaned", // orphans
  "mutation:restarts-unbounded", // restarts
  "mutation:breaker-unproven",  // breakers
};

const char* current = nullptr;

} // namespace

bool mutated(const char* name) noexcept {
  return current != nullptr && std::strcmp(current, name) == 0;
}

} // namespace troupe

namespace troupe::simulation {

std::size_t mutation_count() noexcept {
  return std::size(names);
}

std::string mutate(std::size_t which) {
  current = names[which];
  return current;
}

} // namespace troupe::simulation

#endif
