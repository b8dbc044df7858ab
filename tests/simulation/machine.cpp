#include "tests/simulation/machine.hpp"

#include "tests/simulation/dice.hpp"

#include <atomic>
#include <ctime>
#include <mutex>
#include <random>
#include <sys/syscall.h>
#include <unistd.h>

namespace troupe::simulation {
namespace {

std::atomic<std::int64_t> wall_offset{0};
std::atomic<std::int64_t> steady_offset{0};
std::atomic<std::uint64_t> clock_reads{0};
std::atomic<std::uint64_t> entropy_reads{0};

std::mutex& guard() {
  static std::mutex one;
  return one;
}

dice& entropy() {
  static dice one{0};
  return one;
}

void draw(std::span<std::uint8_t> out) {
  ++entropy_reads;
  std::lock_guard lock{guard()};
  entropy().fill(out);
}

int read_clock(clockid_t which, timespec* out) noexcept {
  ++clock_reads;
  auto result = static_cast<int>(::syscall(SYS_clock_gettime, which, out));
  if (result == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
    out->tv_sec += wall_offset.load();
  else if (result == 0 && (which == CLOCK_MONOTONIC || which == CLOCK_BOOTTIME))
    out->tv_sec += steady_offset.load();
  return result;
}

} // namespace

void set_machine(const machine_state& x) noexcept {
  wall_offset = x.wall_offset_s;
  steady_offset = x.steady_offset_s;
  std::lock_guard lock{guard()};
  entropy() = dice{x.entropy};
}

machine_reads reads_of_machine() noexcept {
  return {clock_reads.load(), entropy_reads.load()};
}

} // namespace troupe::simulation

// The program's own definitions are taken instead of the libraries'. libstdc++'s clocks ask here.
extern "C" int clock_gettime(clockid_t which, timespec* out) noexcept {
  return troupe::simulation::read_clock(which, out);
}

extern "C" std::time_t time(std::time_t* out) noexcept {
  timespec now{};
  troupe::simulation::read_clock(CLOCK_REALTIME, &now);
  if (out != nullptr)
    *out = now.tv_sec;
  return now.tv_sec;
}

extern "C" int RAND_bytes(unsigned char* out, int size) {
  troupe::simulation::draw({out, static_cast<std::size_t>(size)});
  return 1;
}

extern "C" int RAND_priv_bytes(unsigned char* out, int size) {
  return RAND_bytes(out, size);
}

std::random_device::result_type std::random_device::_M_getval() {
  std::uint8_t raw[sizeof(result_type)];
  troupe::simulation::draw(raw);
  result_type result = 0;
  for (auto x : raw)
    result = result << 8 | x;
  return result;
}
