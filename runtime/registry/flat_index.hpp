#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace troupe {

/// Maps 64-bit keys to 32-bit places with 12 bytes a cell and no allocation per entry: open
/// addressing, linear probing, deletion by shifting back. Not thread-safe.
/// A key may stand in it once; every key but the reserved value `empty` (2^64 − 1) is allowed.
class flat_index {
public:
  static constexpr std::uint64_t empty = ~std::uint64_t{0};

  [[nodiscard]] std::optional<std::uint32_t> find(std::uint64_t key) const noexcept {
    if (count_ == 0)
      return std::nullopt;
    for (auto i = home(key);; i = next(i)) {
      if (keys_[i] == key)
        return places_[i];
      if (keys_[i] == empty)
        return std::nullopt;
    }
  }

  /// Inserts the key or overwrites its place.
  void set(std::uint64_t key, std::uint32_t place) {
    if ((count_ + 1) * 5 > keys_.size() * 4)
      grow();
    auto i = home(key);
    while (keys_[i] != empty && keys_[i] != key)
      i = next(i);
    count_ += keys_[i] == empty ? 1 : 0;
    keys_[i] = key;
    places_[i] = place;
  }

  bool erase(std::uint64_t key) noexcept {
    if (count_ == 0)
      return false;
    auto hole = home(key);
    for (; keys_[hole] != key; hole = next(hole))
      if (keys_[hole] == empty)
        return false;
    // Whoever could have stood in the hole moves there, or it could not be found any more.
    for (auto i = next(hole); keys_[i] != empty; i = next(i)) {
      if (((i - home(keys_[i])) & mask()) < ((i - hole) & mask()))
        continue;
      keys_[hole] = keys_[i];
      places_[hole] = places_[i];
      hole = i;
    }
    keys_[hole] = empty;
    --count_;
    return true;
  }

  [[nodiscard]] std::size_t size() const noexcept { return count_; }

  /// Memory held, in bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return keys_.capacity() * 12; }

private:
  [[nodiscard]] std::size_t mask() const noexcept { return keys_.size() - 1; }
  [[nodiscard]] std::size_t next(std::size_t i) const noexcept { return (i + 1) & mask(); }
  [[nodiscard]] std::size_t home(std::uint64_t key) const noexcept {
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> 20) & mask();
  }

  void grow() {
    auto keys = std::move(keys_);
    auto places = std::move(places_);
    keys_.assign(keys.empty() ? 16 : keys.size() * 2, empty);
    places_.assign(keys_.size(), 0);
    count_ = 0;
    for (std::size_t i = 0; i < keys.size(); ++i)
      if (keys[i] != empty)
        set(keys[i], places[i]);
  }

  std::vector<std::uint64_t> keys_; ///< Its size is 0 or a power of two.
  std::vector<std::uint32_t> places_;
  std::size_t count_ = 0;
};

} // namespace troupe
