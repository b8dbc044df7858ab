#pragma once
#include "messages/call.hpp"

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe {

/// The tokens of registered bots, opened: for requests that come without one. Thread-safe. Nobody
/// prints what is in it.
class token_vault {
public:
  using token = std::shared_ptr<const std::string>;

  void put(bot_id bot, std::string text) {
    auto kept = std::make_shared<const std::string>(std::move(text));
    std::unique_lock lock{mutex_};
    tokens_[bot] = std::move(kept);
  }
  void erase(bot_id bot) {
    std::unique_lock lock{mutex_};
    tokens_.erase(bot);
  }
  [[nodiscard]] std::vector<bot_id> bots() const {
    std::shared_lock lock{mutex_};
    std::vector<bot_id> result;
    for (const auto& [bot, text] : tokens_)
      result.push_back(bot);
    return result;
  }
  /// Null for a bot that is not here.
  [[nodiscard]] token find(bot_id bot) const {
    std::shared_lock lock{mutex_};
    auto found = tokens_.find(bot);
    return found == tokens_.end() ? nullptr : found->second;
  }

private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<bot_id, token> tokens_;
};

} // namespace troupe
