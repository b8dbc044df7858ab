#pragma once
#include "runtime/store/updates.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <unordered_map>

namespace troupe::journal {

/// Fresh marks (runtime/store/updates.hpp) of the store that have not been merged. A bot's are
/// merged many at once, the bot with the oldest first: a page is then written for many of them
/// instead of for each, as in a log-structured merge tree (O'Neil et al., Acta Informatica 33,
/// 1996).
class fresh_marks {
public:
  static constexpr auto all = std::numeric_limits<std::size_t>::max();

  /// Its number is above those of all that were added before.
  void add(const store::update_mark& x) {
    by_bot_[x.bot].push_back(x);
    order_.emplace_back(x.seq, x.bot);
    ++count_;
  }
  /// The oldest `most` of a bot; they are merged now. Into `to`.
  void take(bot_id bot, std::vector<store::update_mark>& to, std::size_t most = all) {
    auto found = by_bot_.find(bot);
    if (found == by_bot_.end())
      return;
    auto& from = found->second;
    auto end = from.begin() + static_cast<std::ptrdiff_t>(std::min(most, from.size()));
    count_ -= static_cast<std::size_t>(end - from.begin());
    to.insert(to.end(), from.begin(), end);
    if (end == from.end())
      by_bot_.erase(found);
    else
      from.erase(from.begin(), end);
  }
  /// The oldest `most` of the bot with the oldest.
  void take_oldest(std::vector<store::update_mark>& to, std::size_t most) {
    skip_merged();
    if (!order_.empty())
      take(order_.front().second, to, most);
  }
  /// They were not merged after all.
  void put_back(const std::vector<store::update_mark>& marks) {
    for (auto& x : marks) {
      auto& all = by_bot_[x.bot];
      all.insert(std::ranges::upper_bound(all, x.seq, {}, &store::update_mark::seq), x);
      order_.emplace_back(x.seq, x.bot);
      ++count_;
    }
    std::ranges::sort(order_);
  }
  void clear() {
    by_bot_.clear();
    order_.clear();
    count_ = 0;
  }
  [[nodiscard]] bool contains(bot_id bot) const { return by_bot_.contains(bot); }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  /// The lowest number; `none` when there is no mark.
  [[nodiscard]] std::int64_t lowest(std::int64_t none) {
    skip_merged();
    return order_.empty() ? none : order_.front().first;
  }

private:
  void skip_merged() {
    while (!order_.empty()) {
      auto found = by_bot_.find(order_.front().second);
      if (found != by_bot_.end() && found->second.front().seq <= order_.front().first)
        return;
      order_.pop_front();
    }
  }

  std::unordered_map<bot_id, std::vector<store::update_mark>> by_bot_; ///< Each by number.
  std::deque<std::pair<std::int64_t, bot_id>> order_; ///< Also of some that were merged.
  std::size_t count_ = 0;
};

} // namespace troupe::journal
