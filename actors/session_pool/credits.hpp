#pragma once
#include <cstdint>

namespace troupe {

/// Keeps the governor's credits true: credits it has, plus credits on their way back as requests,
/// plus leases of requests, are always as many as there are places.
///
/// Each governor is told the free places under a new epoch. Requests that an earlier governor had
/// already let go still come in; they are served while there is a place, and what they take was
/// counted for the new governor too: that debt is settled by the next place that becomes free, or
/// by a request of the new governor that finds none.
class credit_book {
public:
  explicit credit_book(std::uint32_t first_epoch) : first_(first_epoch), now_(first_epoch) {}

  /// What the governor must name. Credits of this pool's earlier epochs are still good.
  [[nodiscard]] std::uint32_t epoch() const noexcept { return now_; }
  [[nodiscard]] bool knows(std::uint32_t epoch) const noexcept {
    return epoch >= first_ && epoch <= now_;
  }

  /// A governor is told all free places under `epoch`, which is newer than every other.
  void announce(std::uint32_t epoch) noexcept {
    now_ = epoch;
    debt_ = 0;
  }

  /// A request that names a known epoch asks for one of the places. True: it takes one.
  bool spend(std::uint32_t epoch, bool has_place) noexcept {
    if (epoch != now_) {
      if (has_place)
        ++debt_;
      return has_place;
    }
    if (!has_place && debt_ > 0)
      --debt_;
    return has_place;
  }

  /// A place became free. True: the governor gets its credit.
  bool settle() noexcept {
    if (debt_ == 0)
      return true;
    --debt_;
    return false;
  }

private:
  std::uint32_t first_;
  std::uint32_t now_;
  std::uint32_t debt_ = 0;
};

} // namespace troupe
