#pragma once
#include "messages/call.hpp"

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe {

/// Something that happened to a bot, for those who watch it.
struct bot_event {
  std::uint64_t number = 0; ///< Ascending, over all bots of this node since its start.
  std::int64_t at = 0;      ///< Wall clock, milliseconds since 1970.
  std::string_view type;    ///< A literal: "update.received", "call", "phase", …
  std::string data;         ///< A JSON object. Without secrets and bodies.
};

/// Where bots' events go to. Thread-safe. Nobody's watching costs one atomic load at each event;
/// who watches and does not take them in time misses some, and learns how many.
class event_hub {
public:
  static constexpr std::size_t most_kept = 1000; ///< For one watcher.
  static constexpr std::uint64_t unknown = std::numeric_limits<std::uint64_t>::max();

  /// One who watches; until its last owner lets it go.
  class watcher {
  public:
    /// What came since the last time, and how many were dropped before it: `unknown` if nobody
    /// knows.
    [[nodiscard]] std::vector<bot_event> take(std::uint64_t& missed);

  private:
    friend class event_hub;
    std::mutex mutex_;
    std::vector<bot_event> events_;
    std::uint64_t missed_ = 0;
    std::function<void()> wake_;
  };

  /// @param wake called, on any thread, when there is something to take; must not block nor come
  ///   back here. Called once more at most after the watcher was let go
  [[nodiscard]] std::shared_ptr<watcher> watch(bot_id bot, std::function<void()> wake);

  [[nodiscard]] bool watched() const noexcept {
    return watchers_.load(std::memory_order_relaxed) != 0;
  }

  /// Watchers, those let go included until the next event or the next one who watches.
  [[nodiscard]] std::size_t known() const noexcept {
    return watchers_.load(std::memory_order_relaxed);
  }

  /// `data()` makes the JSON, and is not called when nobody watches any bot.
  template <class F>
  void publish(bot_id bot, std::string_view type, F data) {
    if (watched())
      tell(bot, type, data());
  }

  /// Whoever watches learns that something may have happened that nobody told.
  void doubt();

private:
  void tell(bot_id bot, std::string_view type, std::string data);

  std::atomic<std::size_t> watchers_{0}; ///< Entries below, those let go included until the next
                                         ///< event or watcher.
  std::mutex mutex_;
  std::unordered_multimap<bot_id, std::weak_ptr<watcher>> by_bot_;
  std::uint64_t last_ = 0;
};

} // namespace troupe
