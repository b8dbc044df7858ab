#pragma once
#include "messages/call.hpp"

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace troupe {

namespace updates {
struct update_settings; // runtime/updates/settings.hpp
} // namespace updates

/// How the updates of registered bots are received and delivered: written by the registrar, asked
/// at each use, so that a change holds at once. Bots with the defaults share one value. Thread-safe.
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
  }
  /// Null for a bot that is not registered here.
  [[nodiscard]] entry find(bot_id bot) const {
    std::shared_lock lock{mutex_};
    auto found = entries_.find(bot);
    return found == entries_.end() ? nullptr : found->second;
  }

private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<bot_id, entry> entries_;
};

} // namespace troupe
