#pragma once
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <fstream>

/// What benchmarks measure with.
namespace troupe::benchmarks {

using bench_clock = std::chrono::steady_clock;

/// Seconds since `begin`.
inline double since(bench_clock::time_point begin) {
  return std::chrono::duration<double>(bench_clock::now() - begin).count();
}

/// Resident bytes of this process, without what bursts left free.
inline std::size_t resident_bytes() {
  malloc_trim(0);
  std::size_t pages = 0, resident = 0;
  std::ifstream{"/proc/self/statm"} >> pages >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

} // namespace troupe::benchmarks
