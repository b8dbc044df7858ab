#include "tests/simulation/cluster/mutants.hpp"

#include "runtime/policy/mutation.hpp"

#include <cstring>

namespace troupe {
namespace {

const simulation::clustered::mutation* current = nullptr;

} // namespace

bool mutated(const char* name) noexcept {
  return current != nullptr && std::strcmp(current->name, name) == 0;
}

} // namespace troupe

namespace troupe::simulation::clustered {

const std::vector<mutation>& mutations() {
  static const std::vector<mutation> all{
    {"mutation:slice-not-rested", "budgets"},  {"mutation:slice-unconfirmed", "budgets"},
    {"mutation:leader-impatient", "budgets"},  {"mutation:grants-without-lease", "owners"},
    {"mutation:owner-beyond-lease", "owners"}, {"mutation:past-forgotten", "budgets"},
  };
  return all;
}

void mutate(const mutation* which) {
  current = which;
}

} // namespace troupe::simulation::clustered
