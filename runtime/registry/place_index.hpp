#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace troupe {

/// Leads from 64-bit keys to places where they stand themselves, with 4 bytes a cell: a key is
/// compared where it stands. Open addressing, linear probing, deletion by shifting back. Every
/// operation takes `key_at(place)`, which says the key that stands there, for all places in the
/// index. Not thread-safe. A key may stand in it once.
class place_index {
public:
  static constexpr std::uint32_t none = ~std::uint32_t{0}; ///< No place.

  template <class KeyAt>
  [[nodiscard]] std::optional<std::uint32_t> find(std::uint64_t key, KeyAt key_at) const {
    if (count_ == 0)
      return std::nullopt;
    for (auto i = home(key); cells_[i] != none; i = next(i))
      if (key_at(cells_[i]) == key)
        return cells_[i];
    return std::nullopt;
  }

  /// A place that is not in it. @pre place != none, and no other has its key
  template <class KeyAt>
  void add(std::uint32_t place, KeyAt key_at) {
    if ((count_ + 1) * 5 > cells_.size() * 4)
      grow(key_at);
    ++count_;
    put(place, key_at);
  }

  /// @returns false when no place has this key
  template <class KeyAt>
  bool erase(std::uint64_t key, KeyAt key_at) {
    if (count_ == 0)
      return false;
    auto hole = home(key);
    for (; cells_[hole] == none || key_at(cells_[hole]) != key; hole = next(hole))
      if (cells_[hole] == none)
        return false;
    // Whoever could have stood in the hole moves there, or it could not be found any more.
    for (auto i = next(hole); cells_[i] != none; i = next(i)) {
      if (((i - home(key_at(cells_[i]))) & mask()) < ((i - hole) & mask()))
        continue;
      cells_[hole] = cells_[i];
      hole = i;
    }
    cells_[hole] = none;
    --count_;
    return true;
  }

  [[nodiscard]] std::size_t size() const noexcept { return count_; }

  /// Memory held, in bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return cells_.capacity() * 4; }

private:
  [[nodiscard]] std::size_t mask() const noexcept { return cells_.size() - 1; }
  [[nodiscard]] std::size_t next(std::size_t i) const noexcept { return (i + 1) & mask(); }
  [[nodiscard]] std::size_t home(std::uint64_t key) const noexcept {
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> 20) & mask();
  }

  template <class KeyAt>
  void put(std::uint32_t place, KeyAt key_at) {
    auto i = home(key_at(place));
    while (cells_[i] != none)
      i = next(i);
    cells_[i] = place;
  }

  template <class KeyAt>
  void grow(KeyAt key_at) {
    auto cells = std::move(cells_);
    cells_.assign(cells.empty() ? 16 : cells.size() * 2, none);
    for (auto place : cells)
      if (place != none)
        put(place, key_at);
  }

  std::vector<std::uint32_t> cells_; ///< Its size is 0 or a power of two.
  std::size_t count_ = 0;
};

} // namespace troupe
