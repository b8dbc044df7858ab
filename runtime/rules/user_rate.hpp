#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>

namespace troupe::rules {

/// How often each user was answered: at most `limit` times in the minute that begins with the
/// first answer. Bounded: with very many users the longest known are forgotten first.
class user_rate {
public:
  using time_point = std::chrono::steady_clock::time_point;
  enum class verdict : std::uint8_t {
    pass,
    just_over, ///< The first one above the limit.
    over,
  };
  static constexpr std::size_t max_users = 2000;
  static constexpr std::chrono::minutes window{1};

  verdict count(std::int64_t user, std::uint32_t limit, time_point now) {
    while (!order_.empty() && order_.front().first + window <= now)
      forget_first();
    auto [found, is_new] = answers_.try_emplace(user, 0u);
    if (is_new) {
      if (answers_.size() > max_users)
        forget_first();
      order_.emplace_back(now, user);
    }
    auto n = ++found->second;
    if (n <= limit)
      return verdict::pass;
    found->second = limit + 1 < n ? limit + 2 : n; // No overflow, whatever comes.
    return n == limit + 1 ? verdict::just_over : verdict::over;
  }

  /// When the last minute that is counted ends.
  [[nodiscard]] time_point until() const noexcept {
    return order_.empty() ? time_point{} : order_.back().first + window;
  }

  [[nodiscard]] std::size_t users() const noexcept { return answers_.size(); }

private:
  void forget_first() {
    answers_.erase(order_.front().second);
    order_.pop_front();
  }

  std::unordered_map<std::int64_t, std::uint32_t> answers_;
  std::deque<std::pair<time_point, std::int64_t>> order_; ///< By the beginning of their minute.
};

} // namespace troupe::rules
