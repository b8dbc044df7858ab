#pragma once
#include <cstdint>
#include <vector>

namespace troupe {

inline constexpr std::uint32_t no_index = 0xffffffffu;

/// What an element of a vector needs to be in one list at a time.
struct list_links {
  std::uint32_t previous = no_index;
  std::uint32_t next = no_index;
};

/// A doubly linked list over elements of a vector, by index: no allocation, O(1) everything.
/// `T` derives from list_links.
struct index_list {
  std::uint32_t first = no_index;
  std::uint32_t last = no_index;

  [[nodiscard]] bool empty() const noexcept { return first == no_index; }

  template <class T>
  void push_back(std::vector<T>& all, std::uint32_t i) noexcept {
    all[i].previous = last;
    all[i].next = no_index;
    (last == no_index ? first : all[last].next) = i;
    last = i;
  }

  template <class T>
  void push_front(std::vector<T>& all, std::uint32_t i) noexcept {
    all[i].previous = no_index;
    all[i].next = first;
    (first == no_index ? last : all[first].previous) = i;
    first = i;
  }

  template <class T>
  void remove(std::vector<T>& all, std::uint32_t i) noexcept {
    auto& links = all[i];
    (links.previous == no_index ? first : all[links.previous].next) = links.next;
    (links.next == no_index ? last : all[links.next].previous) = links.previous;
    links.previous = links.next = no_index;
  }
};

} // namespace troupe
