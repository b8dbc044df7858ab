#pragma once
#include "runtime/policy/time.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace troupe {

/// At most `limit` events in any window of length `length`; 0 = no limit.
struct rate_rule {
  std::uint32_t limit = 0;
  duration length = std::chrono::seconds{1};
};

/// The rules of one kind of window: an event must fit all of them.
struct rate_rules {
  std::array<rate_rule, 2> rules{};

  [[nodiscard]] bool limited() const noexcept { return rules[0].limit > 0 || rules[1].limit > 0; }

  /// Length of the longest rule that limits anything.
  [[nodiscard]] duration longest() const noexcept {
    auto result = duration::zero();
    for (auto& rule : rules)
      if (rule.limit > 0)
        result = std::max(result, rule.length);
    return result;
  }

  /// No rule looks further back than so many events.
  [[nodiscard]] std::uint32_t depth() const noexcept {
    return std::max(rules[0].limit, rules[1].limit);
  }
};

/// Stamps of recent events, so that rules hold in *every* sliding window. Exact, not an average: a
/// bucket that refills while it is emptied allows almost twice its rate in its first second.
///
/// A window is half-open: events at t and t + length are in no common window. The rules belong to
/// the caller, because a hundred thousand windows share a handful of them. Storage grows with use
/// and is bounded by the deepest rule's limit. Time never runs backwards between calls.
class sliding_window {
public:
  sliding_window() = default;

  /// When one more event may happen, given `ahead` earlier ones that will take the first places:
  /// `now` or earlier means at once.
  [[nodiscard]] time_point opens(const rate_rules& rules, time_point now,
                                 std::uint32_t ahead = 0) const noexcept;

  /// Records an event, and forgets those that no rule can see any more. @pre `now` is no earlier
  /// than any recorded stamp
  void record(const rate_rules& rules, time_point now);

  /// Allows nothing before `until`.
  void hold(time_point until) noexcept { held_until_ = std::max(held_until_, until); }

  /// Takes one event out again that did not happen after all. @returns false if it is not there
  bool remove(time_point stamp) noexcept;

  /// Adds another window's events and hold, as when two owners turn out to be one.
  void merge(const rate_rules& rules, const sliding_window& other, time_point now);

  /// Events in the window of length `length` that ends now.
  [[nodiscard]] std::uint32_t used(duration length, time_point now) const noexcept;

  /// Whether nothing is left that could delay an event: only then may the window be forgotten.
  [[nodiscard]] bool empty(duration longest, time_point now) const noexcept {
    return now >= held_until_ && (size_ == 0 || now - at(size_ - 1) >= longest);
  }

  /// When `empty` becomes true if nothing more happens.
  [[nodiscard]] time_point empty_at(duration longest) const noexcept {
    return size_ == 0 ? held_until_ : std::max(held_until_, at(size_ - 1) + longest);
  }

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

private:
  [[nodiscard]] time_point& slot(std::uint32_t i) const noexcept {
    return stamps_[(first_ + i) & (capacity_ - 1)];
  }
  [[nodiscard]] time_point at(std::uint32_t i) const noexcept { return slot(i); }
  void push(const rate_rules& rules, time_point stamp);
  void forget(const rate_rules& rules, time_point now) noexcept;

  std::unique_ptr<time_point[]> stamps_; ///< A ring, oldest first.
  std::uint32_t capacity_ = 0;           ///< A power of two, or 0.
  std::uint32_t first_ = 0;
  std::uint32_t size_ = 0;
  time_point held_until_{};
};

} // namespace troupe
