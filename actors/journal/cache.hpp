#pragma once
#include "messages/updates.hpp"

#include <map>

namespace troupe::journal {

/// Updates with their bodies, as many as fit; the oldest go first.
class cache {
public:
  explicit cache(std::uint64_t max_bytes) : max_(max_bytes) {}

  /// `x.seq` is above all that were put before.
  void put(const stored_update& x) {
    auto size = size_of(x);
    if (size > max_)
      return;
    kept_.emplace_hint(kept_.end(), x.seq, x);
    bytes_ += size;
    shrink();
  }
  [[nodiscard]] const stored_update* find(std::int64_t seq) const {
    auto found = kept_.find(seq);
    return found == kept_.end() ? nullptr : &found->second;
  }
  void erase(std::int64_t seq) {
    if (auto found = kept_.find(seq); found != kept_.end())
      drop(found);
  }
  void clear() {
    kept_.clear();
    bytes_ = 0;
  }
  void set_max(std::uint64_t max_bytes) {
    max_ = max_bytes;
    shrink();
  }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

private:
  /// With what a node of the tree and a shared string cost.
  static std::uint64_t size_of(const stored_update& x) noexcept {
    return x.body.str().size() + 200;
  }
  void drop(std::map<std::int64_t, stored_update>::iterator which) {
    bytes_ -= size_of(which->second);
    kept_.erase(which);
  }
  void shrink() {
    while (bytes_ > max_)
      drop(kept_.begin());
  }

  std::uint64_t max_;
  std::uint64_t bytes_ = 0;
  std::map<std::int64_t, stored_update> kept_;
};

} // namespace troupe::journal
