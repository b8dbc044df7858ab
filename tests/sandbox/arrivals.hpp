#pragma once
#include "tests/sandbox/limits.hpp"

#include <deque>
#include <mutex>

namespace troupe::sandbox {

/// Which bot's counted requests arrived when: the newest, for windows that only the test knows.
class arrival_log {
public:
  /// Keeps so many; 0: none.
  explicit arrival_log(std::size_t capacity) : capacity_(capacity) {}

  void note(std::int64_t bot);

  /// `{"next":3,"arrivals":[[bot,microseconds],…]}`: those from the `from`-th on, oldest first.
  /// `"lost":true` if some of them are kept no more.
  [[nodiscard]] std::string report(std::uint64_t from) const;
  void reset();

private:
  struct entry {
    std::int64_t bot;
    clock::time_point at;
  };

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::deque<entry> entries_;
  std::uint64_t first_ = 0; ///< The number of the oldest that is kept.
};

} // namespace troupe::sandbox
