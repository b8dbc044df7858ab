#pragma once
#include <cstddef>
#include <string>

/// The faults on purpose of runtime/policy/mutation.hpp; in `simulation-mutants` alone.
namespace troupe::simulation {

[[nodiscard]] std::size_t mutation_count() noexcept;

/// Switches one on, the others off. @returns its name
std::string mutate(std::size_t which);

} // namespace troupe::simulation
