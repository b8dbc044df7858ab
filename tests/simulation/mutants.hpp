#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

/// The faults on purpose of runtime/policy/mutation.hpp; in `simulation-mutants` alone.
namespace troupe::simulation {

[[nodiscard]] std::size_t mutation_count() noexcept;

/// Switches one on, the others off. @returns its name
std::string mutate(std::size_t which);
void mutate_nothing();

/// A seed that found it once.
[[nodiscard]] std::uint64_t seed_of_mutation(std::size_t which);
/// Whether a promise that broke is one that this mutation breaks.
[[nodiscard]] bool is_found(std::size_t which, const std::string& promise);

} // namespace troupe::simulation
