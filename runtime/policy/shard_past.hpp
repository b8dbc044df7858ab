#pragma once
#include "runtime/policy/shard_map.hpp"
#include "runtime/policy/time.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace troupe {

/// What an owner that gives a shard up knows of its bots' messages, as far as it may count for the
/// next one. Ages are as of then: the next owner takes them to be so when it begins, which is
/// later, so what it inherits counts for longer than it must, never shorter.
struct shard_past {
  struct permit {
    std::int64_t bot = 0;
    std::int64_t chat = 0;
    bool group = false;
    duration age{0};
  };
  duration seen{0};            ///< For so long nothing is missing.
  std::vector<permit> permits; ///< Oldest first.

  /// No window looks back further.
  static constexpr duration longest = std::chrono::seconds{60};
  static constexpr duration longest_private = std::chrono::seconds{20};
};

/// Since when what the bots of each shard do is seen here; `time_point::min()`: always was.
struct shards_seen {
  using times = std::array<time_point, shard_count>;
  times rates = never();
  times chats = never();

private:
  static times never() noexcept {
    times result;
    result.fill(time_point::min());
    return result;
  }
};

} // namespace troupe
