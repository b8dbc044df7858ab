#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace troupe {

/// Mixes the bits of a 64-bit key (the finalizer of splitmix64, Steele et al. 2014): bot and chat
/// ids are near each other.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

struct mixed_hash {
  template <class T>
  [[nodiscard]] std::uint64_t operator()(T x) const noexcept {
    return mix(static_cast<std::uint64_t>(x));
  }
};

/// A hash map that knows the order in which its entries were last touched, so that what is stale
/// can be found at the front without a scan. One array of entries and one of buckets; the memory of
/// erased entries is used again. Pointers to values last until the next insertion.
template <class Key, class Value, class Hash = mixed_hash>
class recent_map {
public:
  static constexpr std::uint32_t none = 0xffffffffu;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  [[nodiscard]] Value* find(const Key& key) noexcept {
    auto i = index_of(key);
    return i == none ? nullptr : &entries_[i].value;
  }

  [[nodiscard]] const Value* find(const Key& key) const noexcept {
    auto i = index_of(key);
    return i == none ? nullptr : &entries_[i].value;
  }

  /// The value of `key`, made if it is not there, now the most recent one.
  Value& touch(const Key& key) {
    auto i = index_of(key);
    if (i == none) {
      i = insert(key);
    } else if (i != last_) {
      unlink(i);
      append(i);
    }
    return entries_[i].value;
  }

  bool erase(const Key& key) {
    if (buckets_.empty())
      return false;
    for (auto* link = &buckets_[bucket(key)]; *link != none; link = &entries_[*link].chain)
      if (entries_[*link].key == key) {
        auto i = *link;
        *link = entries_[i].chain;
        unlink(i);
        entries_[i].value = Value{};
        entries_[i].chain = free_;
        free_ = i;
        --size_;
        return true;
      }
    return false;
  }

  /// The entry touched longest ago. @pre `!empty()`
  [[nodiscard]] const Key& oldest_key() const noexcept { return entries_[first_].key; }
  [[nodiscard]] Value& oldest() noexcept { return entries_[first_].value; }
  [[nodiscard]] const Value& oldest() const noexcept { return entries_[first_].value; }
  void erase_oldest() { erase(Key{entries_[first_].key}); }

  /// Calls `f(key, value)` for each entry, oldest first. `f` must not insert or erase.
  template <class F>
  void for_each(F&& f) {
    for (auto i = first_; i != none; i = entries_[i].next)
      f(std::as_const(entries_[i].key), entries_[i].value);
  }

  template <class F>
  void for_each(F&& f) const {
    for (auto i = first_; i != none; i = entries_[i].next)
      f(entries_[i].key, entries_[i].value);
  }

private:
  struct entry {
    Key key{};
    Value value{};
    std::uint32_t chain = none; ///< Next in the bucket, or next free one.
    std::uint32_t previous = none;
    std::uint32_t next = none;
  };

  [[nodiscard]] std::size_t bucket(const Key& key) const noexcept {
    return static_cast<std::size_t>(Hash{}(key)) & (buckets_.size() - 1);
  }

  [[nodiscard]] std::uint32_t index_of(const Key& key) const noexcept {
    if (size_ == 0)
      return none;
    auto i = buckets_[bucket(key)];
    while (i != none && !(entries_[i].key == key))
      i = entries_[i].chain;
    return i;
  }

  std::uint32_t insert(const Key& key) {
    if (size_ >= buckets_.size())
      rehash(buckets_.empty() ? 16 : buckets_.size() * 2);
    auto i = free_;
    if (i == none) {
      i = static_cast<std::uint32_t>(entries_.size());
      entries_.emplace_back();
    } else {
      free_ = entries_[i].chain;
    }
    entries_[i].key = key;
    auto& head = buckets_[bucket(key)];
    entries_[i].chain = head;
    head = i;
    append(i);
    ++size_;
    return i;
  }

  void rehash(std::size_t n) {
    buckets_.assign(n, none);
    for (auto i = first_; i != none; i = entries_[i].next) {
      auto& head = buckets_[bucket(entries_[i].key)];
      entries_[i].chain = head;
      head = i;
    }
  }

  void append(std::uint32_t i) noexcept {
    entries_[i].previous = last_;
    entries_[i].next = none;
    (last_ == none ? first_ : entries_[last_].next) = i;
    last_ = i;
  }

  void unlink(std::uint32_t i) noexcept {
    auto& e = entries_[i];
    (e.previous == none ? first_ : entries_[e.previous].next) = e.next;
    (e.next == none ? last_ : entries_[e.next].previous) = e.previous;
  }

  std::vector<entry> entries_;
  std::vector<std::uint32_t> buckets_; ///< A power of two of them.
  std::uint32_t free_ = none;
  std::uint32_t first_ = none;
  std::uint32_t last_ = none;
  std::size_t size_ = 0;
};

} // namespace troupe
