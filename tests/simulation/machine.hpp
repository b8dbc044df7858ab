#pragma once
#include <cstdint>

/// What a run may not depend on: the machine's clocks and its entropy. The program puts its own in
/// their place (`machine.cpp`): two runs of one seed under different ones must be the same.
namespace troupe::simulation {

struct machine_state {
  std::int64_t wall_offset_s = 0;   ///< Added to the wall clock.
  std::int64_t steady_offset_s = 0; ///< Added to all others.
  std::uint64_t entropy = 0;        ///< Where OpenSSL's random bytes and std::random_device start.
};

/// From now on, for this process.
void set_machine(const machine_state& x) noexcept;

/// How often they were asked since the process began.
struct machine_reads {
  std::uint64_t clock = 0;
  std::uint64_t entropy = 0;
};
[[nodiscard]] machine_reads reads_of_machine() noexcept;

} // namespace troupe::simulation
