#pragma once
#include "runtime/policy/time.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace troupe {

/// A heap of times by small dense numbers (indices of somebody's array). Each number has at most
/// one time; it can be moved or removed in O(log n), so nothing stale ever stays behind.
class timer_heap {
public:
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }
  [[nodiscard]] time_point first_due() const noexcept { return heap_.front().due; }
  [[nodiscard]] std::uint32_t first() const noexcept { return heap_.front().id; }
  [[nodiscard]] bool contains(std::uint32_t id) const noexcept {
    return id < places_.size() && places_[id] != nowhere;
  }

  /// Sets or moves the time of `id`.
  void set(std::uint32_t id, time_point due) {
    if (id >= places_.size())
      places_.resize(std::size_t{id} + 1, nowhere);
    if (places_[id] == nowhere) {
      places_[id] = static_cast<std::uint32_t>(heap_.size());
      heap_.push_back({due, id});
    } else {
      heap_[places_[id]].due = due;
    }
    up(places_[id]);
    down(places_[id]);
  }

  void remove(std::uint32_t id) noexcept {
    if (!contains(id))
      return;
    auto place = places_[id];
    places_[id] = nowhere;
    auto last = heap_.back();
    heap_.pop_back();
    if (last.id == id)
      return;
    heap_[place] = last;
    places_[last.id] = place;
    up(place);
    down(places_[last.id]);
  }

private:
  static constexpr std::uint32_t nowhere = 0xffffffffu;

  struct item {
    time_point due;
    std::uint32_t id;
  };

  void swap(std::uint32_t a, std::uint32_t b) noexcept {
    std::swap(heap_[a], heap_[b]);
    places_[heap_[a].id] = a;
    places_[heap_[b].id] = b;
  }

  void up(std::uint32_t i) noexcept {
    for (; i > 0 && heap_[i].due < heap_[(i - 1) / 2].due; i = (i - 1) / 2)
      swap(i, (i - 1) / 2);
  }

  void down(std::uint32_t i) noexcept {
    for (;;) {
      auto least = i;
      for (auto child : {2 * i + 1, 2 * i + 2})
        if (child < heap_.size() && heap_[child].due < heap_[least].due)
          least = child;
      if (least == i)
        return;
      swap(i, least);
      i = least;
    }
  }

  std::vector<item> heap_;
  std::vector<std::uint32_t> places_; ///< By id: index in the heap, or nowhere.
};

} // namespace troupe
