#pragma once
#include "messages/call.hpp"
#include "runtime/policy/recent_map.hpp"

#include <chrono>
#include <optional>

namespace troupe::webhook {

/// Bots of other nodes that were registered when the store was asked, so that it need not be asked
/// for each update. For one thread. Holds 16,384 of them at most; what is older than a minute says
/// nothing any more.
class bots_abroad {
public:
  using time_point = std::chrono::steady_clock::time_point;
  struct entry {
    bool pending = false; ///< Its owner was not proven then.
    time_point until{};
  };
  static constexpr std::size_t most = 16'384;
  static constexpr std::chrono::seconds lifetime{60};

  [[nodiscard]] std::optional<entry> find(bot_id bot, time_point now) const {
    const auto* found = known_.find(bot);
    return found == nullptr || found->until <= now ? std::nullopt : std::optional{*found};
  }
  void put(bot_id bot, bool pending, time_point now) {
    known_.touch(bot) = {pending, now + lifetime};
    if (known_.size() > most)
      known_.erase_oldest();
  }
  void erase(bot_id bot) { known_.erase(bot); }

private:
  recent_map<bot_id, entry> known_;
};

} // namespace troupe::webhook
