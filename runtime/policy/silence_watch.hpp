#pragma once
#include "runtime/policy/recent_map.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace troupe {

/// Times are milliseconds of one clock.
struct silence_limits {
  std::uint32_t at_least = 5;           ///< Events before a silence says anything.
  double times = 10;                    ///< A silence is so many usual pauses,
  std::int64_t shortest = 60'000;       ///< at least this long,
  std::int64_t longest = 3'600'000;     ///< and needs to be no longer than this.
  std::size_t most = 20'000;            ///< Those heard of latest are watched.
};

/// Knows whose events stopped though they were coming. Thread-safe; O(1) for an event.
class silence_watch {
public:
  explicit silence_watch(silence_limits how = {}) : limits_(how) {}

  /// Something came from `who`.
  void note(std::int64_t who, std::int64_t now) {
    std::lock_guard lock{mutex_};
    auto& x = heard_.touch(who);
    if (x.events > 0) {
      auto pause = static_cast<double>(std::clamp<std::int64_t>(now - x.last, 0, limits_.longest));
      x.usual = x.events == 1 ? pause : x.usual + weight * (pause - x.usual);
    }
    x.last = std::max(x.last, now);
    x.events = std::min(x.events + 1, limits_.at_least);
    x.told = false;
    if (heard_.size() > limits_.most)
      heard_.erase_oldest();
  }

  /// Those that have fallen silent, longest ago first; each once for a silence.
  [[nodiscard]] std::vector<std::int64_t> take(std::int64_t now) {
    std::lock_guard lock{mutex_};
    std::vector<std::int64_t> result;
    heard_.for_each([&](std::int64_t who, heard& x) {
      auto limit = std::clamp(limits_.times * x.usual, static_cast<double>(limits_.shortest),
                              static_cast<double>(limits_.longest));
      if (x.told || x.events < limits_.at_least || static_cast<double>(now - x.last) < limit)
        return;
      x.told = true;
      result.push_back(who);
    });
    return result;
  }

private:
  static constexpr double weight = 0.2; ///< Of the newest pause.

  struct heard {
    std::int64_t last = 0;
    double usual = 0; ///< Pause between two events.
    std::uint32_t events = 0;
    bool told = false;
  };

  std::mutex mutex_;
  silence_limits limits_;
  recent_map<std::int64_t, heard> heard_;
};

} // namespace troupe
