#include "runtime/registry/event_hub.hpp"

#include <chrono>
#include <utility>

namespace troupe {

std::vector<bot_event> event_hub::watcher::take(std::uint64_t& missed) {
  std::lock_guard lock{mutex_};
  missed = std::exchange(missed_, 0);
  return std::exchange(events_, {});
}

std::shared_ptr<event_hub::watcher> event_hub::watch(bot_id bot, std::function<void()> wake) {
  auto result = std::make_shared<watcher>();
  result->wake_ = std::move(wake);
  std::lock_guard lock{mutex_};
  // On a node where nothing happens nobody else would take out those who left.
  watchers_ -= std::erase_if(by_bot_, [](const auto& x) { return x.second.expired(); });
  by_bot_.emplace(bot, result);
  ++watchers_;
  return result;
}

void event_hub::doubt() {
  std::lock_guard lock{mutex_};
  for (auto& [bot, one] : by_bot_)
    if (auto to = one.lock()) {
      {
        std::lock_guard inner{to->mutex_};
        to->missed_ = unknown;
      }
      if (to->wake_)
        to->wake_();
    }
}

void event_hub::tell(bot_id bot, std::string_view type, std::string data) {
  auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
               .count();
  std::lock_guard lock{mutex_};
  for (auto at = by_bot_.begin(); at != by_bot_.end();) { // A few: people who look.
    auto to = at->second.lock();
    if (!to) {
      at = by_bot_.erase(at);
      --watchers_;
      continue;
    }
    if (at->first == bot) {
      bool first = false;
      {
        std::lock_guard inner{to->mutex_};
        first = to->events_.empty();
        if (to->events_.size() < most_kept)
          to->events_.push_back({++last_, now, type, data});
        else if (to->missed_ != unknown)
          ++to->missed_;
      }
      if (first && to->wake_)
        to->wake_();
    }
    ++at;
  }
}

} // namespace troupe
