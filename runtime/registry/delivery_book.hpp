#pragma once
#include "messages/call.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace troupe {

namespace updates {
struct update_settings; // runtime/updates/settings.hpp
} // namespace updates

/// How the updates of registered bots are received and delivered: written by the registrar, asked
/// at each use, so that a change holds at once. Bots with the defaults share one value.
/// Thread-safe.
class delivery_book {
public:
  using entry = std::shared_ptr<const updates::update_settings>;

  void put(bot_id bot, entry settings) {
    std::unique_lock lock{mutex_};
    entries_[bot] = std::move(settings);
  }
  void erase(bot_id bot) {
    std::unique_lock lock{mutex_};
    entries_.erase(bot);
    pauses_.erase(bot);
    errors_.erase(bot);
    resting_.erase(bot);
    any_rests_ = !resting_.empty();
  }
  /// Null for a bot that is not registered here.
  [[nodiscard]] entry find(bot_id bot) const {
    std::shared_lock lock{mutex_};
    auto found = entries_.find(bot);
    return found == entries_.end() ? nullptr : found->second;
  }

  /// The bot is about to leave this node: until it is erased it begins no delivery.
  void rest(bot_id bot) {
    std::unique_lock lock{mutex_};
    if (entries_.contains(bot))
      resting_.insert(bot);
    any_rests_ = !resting_.empty();
  }
  [[nodiscard]] bool rests(bot_id bot) const {
    if (!any_rests_.load(std::memory_order_relaxed))
      return false;
    std::shared_lock lock{mutex_};
    return resting_.contains(bot);
  }

  /// A delivery that rests by itself, because its receiver asked for it; told by the bot. Another
  /// entry, or an `updates_ready` to the bot after one, ends it.
  struct pause {
    std::int64_t until = 0; ///< Wall clock, milliseconds since 1970.
    std::string reason;     ///< For people, without secrets.
  };
  void set_pause(bot_id bot, pause what) {
    std::unique_lock lock{mutex_};
    if (entries_.contains(bot)) // Else it ends after its removal, and nobody would take this out.
      pauses_[bot] = std::move(what);
  }
  void end_pause(bot_id bot) {
    std::unique_lock lock{mutex_};
    pauses_.erase(bot);
  }
  [[nodiscard]] std::optional<pause> paused(bot_id bot) const {
    std::shared_lock lock{mutex_};
    auto found = pauses_.find(bot);
    return found == pauses_.end() ? std::nullopt : std::optional{found->second};
  }

  /// The last attempt at a bot's receiver that failed; told by the bot. Kept while the bot is here:
  /// a success does not undo it, and for another URL it says nothing.
  struct error {
    std::int64_t at = 0; ///< Wall clock, milliseconds since 1970.
    std::string reason;  ///< For people, without secrets.
    std::string url;     ///< Whose it is. A secret.
  };
  void set_error(bot_id bot, error what) {
    std::unique_lock lock{mutex_};
    if (entries_.contains(bot))
      errors_[bot] = std::move(what);
  }
  [[nodiscard]] std::optional<error> last_error(bot_id bot, const std::string& url) const {
    std::shared_lock lock{mutex_};
    auto found = errors_.find(bot);
    return found == errors_.end() || found->second.url != url ? std::nullopt
                                                              : std::optional{found->second};
  }

private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<bot_id, entry> entries_;
  std::unordered_map<bot_id, pause> pauses_;
  std::unordered_map<bot_id, error> errors_;
  std::unordered_set<bot_id> resting_;
  std::atomic<bool> any_rests_{false}; ///< Mostly not: then nobody looks for a bot.
};

} // namespace troupe
