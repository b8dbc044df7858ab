#pragma once
#include <string>
#include <vector>

/// The faults on purpose of runtime/policy/mutation.hpp, of which one may be on; in
/// `troupe-cluster-simulation` alone.
namespace troupe::simulation::clustered {

struct mutation {
  const char* name;
  const char* promises; ///< What it breaks, one of these.
};

[[nodiscard]] const std::vector<mutation>& mutations();
/// Nothing: none is on.
void mutate(const mutation* which);

} // namespace troupe::simulation::clustered
