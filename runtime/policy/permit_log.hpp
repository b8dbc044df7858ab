#pragma once
#include "runtime/policy/time.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace troupe {

/// What one request is charged to.
struct charge {
  std::int64_t bot = 0;
  std::int64_t chat = 0; ///< 0: none, or the request makes no message.
  std::uint32_t tenant = 0;
  bool group = false; ///< `chat` is a group.
  bool paid = false;  ///< Paid broadcast: the bot's lifted budget applies.
};

/// Recent permits in a bounded ring, so that a new governor can know what an earlier one granted.
/// Grows only while what it would overwrite is younger than `horizon`.
class permit_log {
public:
  struct stamp {
    time_point at{};
    charge what;
    std::uint64_t call = 0;
    bool revoked = false;
  };

  permit_log(duration horizon, std::size_t max_entries) noexcept
    : horizon_(horizon), max_entries_(max_entries) {}

  /// @pre `at` is no earlier than any other stamp.
  void append(time_point at, const charge& what, std::uint64_t call = 0);

  /// A permit was not used: it counts no longer. @returns what it was charged to, if it is known
  /// Several permits may share a stamp; of two that differ only in who pays, the one that paid
  /// goes, because the other binds more.
  std::optional<charge> revoke(time_point at, std::int64_t bot, std::int64_t chat) noexcept;

  /// The same for the last permit of a call, if it is stamped later than `after`.
  std::optional<stamp> revoke_call(std::uint64_t call, time_point after) noexcept;

  /// Those of which `which(charge)` holds count no longer.
  template <class P>
  void revoke_if(P&& which) {
    for (std::size_t i = 0; i < size_; ++i)
      if (auto& entry = at(i); which(entry.what))
        entry.revoked = true;
  }

  /// `from` turned out to be `to`.
  void merge_bot(std::int64_t from, std::int64_t to) noexcept;

  /// Stamps up to this time may be missing; in the distant past if none is.
  [[nodiscard]] time_point lost_until() const noexcept { return lost_until_; }

  /// Calls `f(at, charge)` for each permit that counts, oldest first.
  template <class F>
  void for_each(F&& f) const {
    for (std::size_t i = 0; i < size_; ++i)
      if (auto& entry = at(i); !entry.revoked)
        f(entry.at, entry.what);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
  [[nodiscard]] const stamp& at(std::size_t i) const noexcept {
    return ring_[(first_ + i) & (ring_.size() - 1)];
  }
  [[nodiscard]] stamp& at(std::size_t i) noexcept {
    return ring_[(first_ + i) & (ring_.size() - 1)];
  }
  void grow();

  duration horizon_;
  std::size_t max_entries_;
  std::vector<stamp> ring_; ///< A power of two of them, or none.
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  time_point lost_until_ = time_point::min();
};

} // namespace troupe
