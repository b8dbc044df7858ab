#pragma once
#include <cstdint>

/// Doubly linked lists of indices, for nodes that live in arrays. A list is a struct with `first`
/// and `last`; `get(i)` gives node i's links, a struct with `previous` and `next`.
namespace troupe::index_chain {

inline constexpr std::uint32_t none = 0xffffffffu;

template <class Chain, class Get>
void append(Chain& list, std::uint32_t i, Get get) {
  get(i) = {list.last, none};
  (list.last == none ? list.first : get(list.last).next) = i;
  list.last = i;
}

template <class Chain, class Get>
void insert_before(Chain& list, std::uint32_t place, std::uint32_t i, Get get) {
  if (place == none)
    return append(list, i, get);
  auto before = get(place).previous;
  get(i) = {before, place};
  get(place).previous = i;
  (before == none ? list.first : get(before).next) = i;
}

template <class Chain, class Get>
void unlink(Chain& list, std::uint32_t i, Get get) {
  auto [before, after] = get(i);
  (before == none ? list.first : get(before).next) = after;
  (after == none ? list.last : get(after).previous) = before;
}

} // namespace troupe::index_chain
