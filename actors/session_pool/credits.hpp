#pragma once
#include <algorithm>
#include <cstdint>

namespace troupe {

/// Keeps the governor's credits true: credits it has, plus credits on their way back as requests,
/// plus leases of requests, are always as many as there are places, and the debt.
///
/// Each governor is told the free places under a new epoch. Requests that an earlier governor had
/// already let go still come in; they are served while there is a place, and what they take was
/// counted for the new governor too: that debt is settled by the next place that becomes free, or
/// by a request of the new governor that finds none. Places that go while the governor has credits
/// for them are debts, too.
class credit_book {
public:
  explicit credit_book(std::uint32_t first_epoch) : first_(first_epoch), now_(first_epoch) {}

  /// What the governor must name. Credits of this pool's earlier epochs are still good.
  [[nodiscard]] std::uint32_t epoch() const noexcept { return now_; }
  [[nodiscard]] bool knows(std::uint32_t epoch) const noexcept {
    return epoch >= first_ && epoch <= now_;
  }

  /// A governor is told all free places under `epoch`, which is newer than every other.
  /// @param excess leases there are beyond the places
  void announce(std::uint32_t epoch, std::uint32_t excess) noexcept {
    now_ = epoch;
    debt_ = excess;
  }

  /// There are more places, or fewer. @returns credits that the governor gets for them
  std::uint32_t change(std::uint32_t before, std::uint32_t after) noexcept {
    if (after <= before) {
      debt_ += before - after;
      return 0;
    }
    auto settled = std::min(debt_, after - before);
    debt_ -= settled;
    return after - before - settled;
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
