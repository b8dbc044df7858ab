#pragma once
#include "runtime/policy/backoff.hpp"
#include "runtime/policy/recent_map.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

/// Which of a bot's updates is handed to its receiver when.
namespace troupe::inbox {

/// Updates that share one are handed over one after the other.
struct key {
  std::uint8_t kind = 0;
  std::int64_t id = 0;
  friend bool operator==(const key&, const key&) = default;
};

struct item {
  std::int64_t seq = 0; ///< In order of arrival; known once.
  key of;
  bool urgent = false; ///< Goes before those that are not. All of one key are, or none.
  time_point expires = time_point::max();
  std::size_t bytes = 0;
};

struct limits {
  std::size_t max_items = 200;
  std::size_t max_bytes = std::size_t{1} << 20;
  /// After the first failure at once, then after these pauses.
  backoff pause{std::chrono::seconds{1}, 2.0, std::chrono::seconds{120}, 0.5, 1.0};
  /// So many keys that failed since the last success: the receiver itself is down.
  std::uint32_t down_after = 3;
};

/// May be handed over now.
struct start {
  std::int64_t seq = 0;
  std::uint32_t attempt = 1;
};

/// A bounded window of one bot's updates that wait for their receiver or are with it.
///
/// Serial per key, parallel across keys; urgent ones first, then by arrival. A key whose update
/// failed waits, the others go on. When several keys failed without a success between them, the
/// receiver is taken for down: one at a time tries it, with growing pauses, until one succeeds.
/// An update is never started after its lifetime. O(n) in the window's bounded number.
class window {
public:
  explicit window(limits how = {}) : limits_(how) {}

  /// False, and nothing changes, for one that is here already. More than there is room for are
  /// taken: who fetches asks for `room`.
  bool add(const item& x);
  /// It was fetched and is not wanted: the next ones are behind it.
  void pass(const item& x) noexcept;

  /// Takes out one that waits and whose time is over; with the attempts that it had.
  [[nodiscard]] std::optional<start> take_expired(time_point now);

  /// The next to hand over; it is `running` from now on. Whoever calls has a place for it.
  [[nodiscard]] std::optional<start> next(time_point now);

  /// The end of a running one; unknown ones are ignored. `delivered`: it leaves; the receiver works.
  void delivered(std::int64_t seq);
  /// It failed and will be tried again. @param random evenly distributed in [0, 1)
  /// @param counted counts as one of its attempts
  void failed(std::int64_t seq, time_point now, double random, bool counted);
  /// It failed and leaves.
  void dead(std::int64_t seq, time_point now, double random);
  /// Something else than the receiver was in the way: again at `until`, as if it had not started.
  void later(std::int64_t seq, time_point until);

  /// Nothing starts before. A later end stands; `release` ends it, and all pauses.
  void hold(time_point until) noexcept { held_until_ = std::max(held_until_, until); }
  void release() noexcept;

  /// Drops all that are not running, and begins anew with fetching.
  void forget_waiting();
  /// What was fetched may have to be fetched again. What was asked for before is not to be added
  /// any more: `generation` tells.
  void rewind() noexcept {
    after_urgent_ = after_ = 0;
    ++generation_;
  }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

  /// Gives up what waits behind failed updates when that leaves the other keys too little room, so
  /// that those go on: such a key takes no more until its first is done; then everything is to be
  /// fetched again (`rewind`).
  void make_room(time_point now);

  /// When `next` or `take_expired` may have something that they have not now; max: only after
  /// another call.
  [[nodiscard]] time_point next_due(time_point now) const noexcept;

  /// When the next one that waits is over; max: none.
  [[nodiscard]] time_point next_expiry() const noexcept;

  [[nodiscard]] bool contains(std::int64_t seq) const noexcept { return find(seq) != nullptr; }
  /// Counted attempts of one that is here, the running one not included.
  [[nodiscard]] std::uint32_t attempts(std::int64_t seq) const noexcept;
  /// How often one that is here was started.
  [[nodiscard]] std::uint32_t starts(std::int64_t seq) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::size_t running() const noexcept { return running_; }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] bool down() const noexcept { return down_; }
  [[nodiscard]] time_point held_until() const noexcept { return held_until_; }

  /// How much more may be fetched; nothing until half of the window is free.
  struct space {
    std::size_t items = 0;
    std::size_t bytes = 0;
  };
  [[nodiscard]] space room() const noexcept;
  /// The last that were added, urgent ones and others: the next ones are behind them.
  [[nodiscard]] std::int64_t after_urgent() const noexcept { return after_urgent_; }
  [[nodiscard]] std::int64_t after() const noexcept { return after_; }

private:
  struct key_hash {
    std::size_t operator()(const key& x) const noexcept {
      return static_cast<std::size_t>(mix(static_cast<std::uint64_t>(x.id) + x.kind));
    }
  };
  struct lane { // All updates of a key.
    std::size_t entries = 0;
    bool running = false;
    time_point not_before{}; // Of its first.
    bool given_up = false; // What is behind its first was.
  };
  using lanes = std::unordered_map<key, lane, key_hash>;
  struct entry {
    item what;
    lanes::value_type* of = nullptr;
    std::uint32_t starts = 0;
    std::uint32_t counted = 0;
    std::uint32_t failures = 0;
    bool running = false;
  };

  [[nodiscard]] const entry* find(std::int64_t seq) const noexcept;
  entry* find_running(std::int64_t seq) noexcept;
  void stop(entry& x) noexcept;
  void erase(std::int64_t seq);
  void note_failure(entry& x, time_point now, double random);
  [[nodiscard]] time_point opens() const noexcept;

  limits limits_;
  std::vector<entry> entries_; // Urgent ones first, then by seq.
  lanes lanes_;
  std::size_t running_ = 0;
  std::size_t bytes_ = 0;
  std::int64_t after_urgent_ = 0;
  std::int64_t after_ = 0;
  time_point held_until_{};
  bool down_ = false;
  time_point down_until_{};
  std::uint32_t rounds_ = 0; // Probes that failed, in a row.
  std::int64_t probe_ = 0;   // The seq under way while down; 0: none.
  std::uint64_t generation_ = 0;
  std::vector<key> failed_; // Different ones since the last success, `down_after` at most.
};

} // namespace troupe::inbox
