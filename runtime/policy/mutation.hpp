#pragma once

/// Faults on purpose, by which tests/simulation shows that it finds such faults. In its own build
/// of some sources, and nowhere else, one of them may be switched on; everywhere else this is the
/// word `false`, and no trace of the name is left.
#ifdef TROUPE_SIMULATION_MUTANTS
namespace troupe {
[[nodiscard]] bool mutated(const char* name) noexcept; // tests/simulation/mutants.cpp
} // namespace troupe
#  define TROUPE_MUTATION(name) ::troupe::mutated("mutation:" name)
#else
#  define TROUPE_MUTATION(name) false
#endif
