#include "runtime/policy/sliding_window.hpp"

#include "runtime/policy/mutation.hpp"

#include <vector>

namespace troupe {

time_point sliding_window::opens(const rate_rules& rules, time_point now,
                                 std::uint32_t ahead) const noexcept {
  auto result = std::max(held_until_, now);
  for (auto& rule : rules.rules) {
    if (rule.limit == 0)
      continue;
    // The event after `ahead` others shares a window with the one `limit` places before it. Whole
    // rounds of `limit` events take whole lengths.
    auto rounds = ahead / rule.limit;
    auto index = std::int64_t{size_} - rule.limit + ahead % rule.limit;
    if (TROUPE_MUTATION("window-off-by-one"))
      --index;
    auto start =
      index >= 0 ? std::max(at(static_cast<std::uint32_t>(index)) + rule.length, now) : now;
    result = std::max(result, std::max(start, held_until_) + rounds * rule.length);
  }
  return result;
}

void sliding_window::record(const rate_rules& rules, time_point now) {
  forget(rules, now);
  push(rules, now);
}

void sliding_window::push(const rate_rules& rules, time_point stamp) {
  if (size_ == capacity_ && size_ >= 2 * rules.depth() + 16) {
    // More events than any rule looks back on, twice over (they were charged without asking): the
    // oldest decides nothing.
    first_ = (first_ + 1) & (capacity_ - 1);
    --size_;
  }
  if (size_ == capacity_) {
    auto capacity = std::max(2u, capacity_ * 2);
    auto stamps = std::make_unique<time_point[]>(capacity);
    for (std::uint32_t i = 0; i < size_; ++i)
      stamps[i] = at(i);
    stamps_ = std::move(stamps);
    capacity_ = capacity;
    first_ = 0;
  }
  slot(size_++) = stamp;
}

void sliding_window::forget(const rate_rules& rules, time_point now) noexcept {
  auto longest = rules.longest();
  while (size_ > 0 && now - at(0) >= longest) {
    first_ = (first_ + 1) & (capacity_ - 1);
    --size_;
  }
}

bool sliding_window::remove(time_point stamp) noexcept {
  auto i = size_; // From the newest: what is taken back is milliseconds old.
  while (i > 0 && at(i - 1) > stamp)
    --i;
  if (i == 0 || at(i - 1) != stamp)
    return false;
  for (; i < size_; ++i)
    slot(i - 1) = at(i);
  --size_;
  return true;
}

void sliding_window::merge(const rate_rules& rules, const sliding_window& other, time_point now) {
  std::vector<time_point> all;
  all.reserve(size_ + other.size_);
  for (std::uint32_t i = 0; i < size_; ++i)
    all.push_back(at(i));
  for (std::uint32_t i = 0; i < other.size_; ++i)
    all.push_back(other.at(i));
  std::sort(all.begin(), all.end());
  first_ = size_ = 0;
  for (auto stamp : all)
    push(rules, stamp);
  hold(other.held_until_);
  forget(rules, now);
}

std::uint32_t sliding_window::used(duration length, time_point now) const noexcept {
  std::uint32_t result = 0;
  while (result < size_ && now - at(size_ - 1 - result) < length)
    ++result;
  return result;
}

} // namespace troupe
