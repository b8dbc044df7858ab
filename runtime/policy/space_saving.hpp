#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe {

/// The busiest of very many keys in bounded memory: the Space-Saving summary (Metwally, Agrawal,
/// El Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005).
/// With k places and n events in all: a key that had more than n / k of them is there; no count is
/// too small, and none is too large by more than its `error`, which is at most n / k. Exact while
/// there are no more than k keys. Adding takes O(k); k is a few dozen.
template <class Key>
class space_saving {
public:
  struct counter {
    Key key{};
    std::int64_t count = 0;
    std::int64_t error = 0; ///< So many of `count` may have been others'.
  };

  explicit space_saving(std::size_t places) : places_(places == 0 ? 1 : places) {}

  void add(const Key& key, std::int64_t times = 1) {
    auto found = std::ranges::find(counters_, key, &counter::key);
    if (found != counters_.end()) {
      found->count += times;
    } else if (counters_.size() < places_) {
      counters_.push_back({key, times, 0});
    } else { // The least busy one gives its place, and its count.
      auto least = std::ranges::min_element(counters_, {}, &counter::count);
      *least = {key, least->count + times, least->count};
    }
  }

  /// The busiest first; of equals, the one that can have had more.
  [[nodiscard]] std::vector<counter> sorted() const {
    auto result = counters_;
    std::ranges::sort(result, [](const counter& a, const counter& b) {
      return a.count != b.count ? a.count > b.count : a.error < b.error;
    });
    return result;
  }

  [[nodiscard]] std::size_t size() const noexcept { return counters_.size(); }

private:
  std::size_t places_;
  std::vector<counter> counters_;
};

} // namespace troupe
