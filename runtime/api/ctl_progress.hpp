#pragma once
#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>

/// How far long work is, on a line of its own that is written over.
namespace troupe::api {

/// "[#####-----]  50 %  500 of 1000  25/s  20 s left"; without an end (`of` 0): "500  25/s".
[[nodiscard]] std::string progress_line(std::uint64_t done, std::uint64_t of,
                                        std::chrono::duration<double> took);

/// Draws that line on a terminal, at most ten times a second; elsewhere nothing at all. Not
/// thread-safe.
class progress {
public:
  using clock = std::chrono::steady_clock;

  progress(std::ostream& to, bool terminal, std::uint64_t of)
    : to_(to), terminal_(terminal), of_(of) {}

  void show(std::uint64_t done);
  /// Takes the line away, so that others can be written; the next show() draws it again.
  void clear();

private:
  std::ostream& to_;
  bool terminal_;
  std::uint64_t of_;
  clock::time_point begun_ = clock::now();
  clock::time_point drawn_{};
};

} // namespace troupe::api
