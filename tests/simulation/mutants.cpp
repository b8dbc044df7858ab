#include "tests/simulation/mutants.hpp"

#include "runtime/policy/mutation.hpp"

#ifdef TROUPE_SIMULATION_MUTANTS

#include <cstring>
#include <string_view>

namespace troupe {
namespace {

struct mutation {
  const char* name;
  const char* promises; ///< What it breaks, one of these.
  std::uint64_t seed;   ///< One that was seen to find it; others are tried as well.
};

constexpr mutation all[] = {
  {"mutation:window-off-by-one", "budgets", 1},
  {"mutation:windows-forgotten", "budgets", 1}, // Over a restart of the governor.
  {"mutation:lease-kept", "leases", 1},
  {"mutation:repeated-blindly", "answers", 2},
  {"mutation:deadline-ignored", "deadlines", 1},
  {"mutation:update-dropped", "updates order", 13},
  {"mutation:chat-overtaken", "order", 2},
  {"mutation:children-orphaned", "orphans", 2},
  {"mutation:restarts-unbounded", "restarts", 7},
  {"mutation:breaker-unproven", "breakers", 4},
  {"mutation:needed-again-ignored", "deadlines rest", 6}, // And a place became free for it.
  {"mutation:pin-ignored", "passivation", 1},
};

const char* current = nullptr;

} // namespace

bool mutated(const char* name) noexcept {
  return current != nullptr && std::strcmp(current, name) == 0;
}

} // namespace troupe

namespace troupe::simulation {

std::size_t mutation_count() noexcept {
  return std::size(all);
}

std::string mutate(std::size_t which) {
  current = all[which].name;
  return current;
}

void mutate_nothing() {
  current = nullptr;
}

std::uint64_t seed_of_mutation(std::size_t which) {
  return all[which].seed;
}

bool is_found(std::size_t which, const std::string& promise) {
  return !promise.empty()
         && std::string_view{all[which].promises}.find(promise) != std::string_view::npos;
}

} // namespace troupe::simulation

#endif
