#pragma once
#include "runtime/telegram/updates.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe::sandbox {

using clock = std::chrono::steady_clock;

/// What two updates must share to be delivered in order.
struct queue_key {
  telegram::queue_key_kind kind = telegram::queue_key_kind::chat;
  std::int64_t id = 0;
  friend auto operator<=>(const queue_key&, const queue_key&) = default;
};

struct update {
  std::string json; ///< The whole update, `update_id` first.
  queue_key key;
  clock::time_point expires;
};

/// The updates that wait for one bot, in order. Not thread-safe.
class update_queue {
public:
  /// Further updates are dropped when so many wait.
  static constexpr std::size_t capacity = 100'000;

  update_queue();

  /// Adds `{"update_id":N,"KIND":object}`; returns N, or 0 if the queue is full.
  std::int64_t add(const telegram::update_kind& kind, queue_key key, std::string_view object,
                   clock::time_point now);

  /// Appends up to `limit` updates from `offset` on as the elements of a JSON array (no brackets);
  /// returns how many.
  std::size_t read(std::int64_t offset, std::size_t limit, clock::time_point now, std::string& out);

  /// Forgets everything below `offset`. An offset beyond the last id plus one confirms nothing.
  void confirm_below(std::int64_t offset);
  /// Forgets all but the last `count`.
  void keep_last(std::size_t count);
  void clear();

  /// Delivered by webhook: forgets that one.
  void remove(std::int64_t id);
  /// Removes what nobody wants any more.
  void expire(clock::time_point now);

  [[nodiscard]] const std::map<std::int64_t, update>& waiting() const noexcept { return updates_; }
  [[nodiscard]] std::size_t size() const noexcept { return updates_.size(); }

  struct counts {
    std::uint64_t made = 0;
    std::uint64_t confirmed = 0;
    std::uint64_t delivered_by_webhook = 0;
    std::uint64_t expired = 0;
    std::uint64_t dropped = 0; ///< By capacity, or because somebody asked for it.
  };
  [[nodiscard]] const counts& totals() const noexcept { return totals_; }

private:
  std::map<std::int64_t, update> updates_;
  std::int64_t next_id_;
  clock::time_point next_expiry_ = clock::time_point::max();
  counts totals_;
};

} // namespace troupe::sandbox
