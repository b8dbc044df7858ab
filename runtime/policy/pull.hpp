#pragma once
#include "runtime/policy/time.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

/// getUpdates over a journal: what an offset confirms, and which of several workers gets what.
namespace troupe::pull {

/// Updates that share one go to one worker at a time, in their order.
struct key {
  std::uint8_t kind = 0;
  std::int64_t id = 0;
  friend bool operator==(const key&, const key&) = default;
};

/// A pending update.
struct offer {
  std::int64_t id = 0; ///< update_id.
  key of;
};

/// Of two polls of one consumer.
enum class conflict : std::uint8_t {
  newest_wins,  ///< The older ends with an empty result.
  conflict_409, ///< The newer is refused.
};

/// What a poll does before it fetches.
struct plan {
  std::int64_t below = 0;      ///< Confirms all below it; 0: not that way.
  std::uint32_t keep_last = 0; ///< Confirms all but the last so many; 0: not that way.
  std::vector<std::int64_t> ids; ///< Confirms these.
  std::int64_t after = 0;      ///< Fetches what is above.
  [[nodiscard]] bool confirms() const noexcept { return below > 0 || keep_last > 0 || !ids.empty(); }
};

/// The bot's own token: the Bot API's semantics. An offset confirms everything below it, a negative
/// one everything but the last so many.
[[nodiscard]] plan plan_of_bot(std::int64_t offset);

/// Several workers, each with a virtual token, share a bot's updates.
///
/// A key belongs to one of the workers seen lately, by rendezvous hashing: when one comes or goes
/// only the keys that change hands move. A key with updates that were handed out and not confirmed
/// stays with the worker that has them until it confirms them or was silent for too long. So a
/// key's updates never are with two workers that live.
///
/// Handed out and not confirmed is handed out again. An offset confirms the worker's own updates up
/// to the one before it, if that one is with the worker: it can only know it by having got it. An
/// offset that is sent again, since the answer was lost, confirms that one at most, also when the
/// lost answer had updates of lower ids (another worker's, which had died).
class sharing {
public:
  /// @param silence a worker that did not poll for so long has gone
  explicit sharing(duration silence = std::chrono::seconds{60}) : silence_(silence) {}

  /// A poll of `worker` begins or, later, ends. A worker with a poll is not silent.
  void begin(std::int64_t worker, time_point now);
  void end(std::int64_t worker, time_point now);

  /// What a poll that has begun does first.
  [[nodiscard]] plan plan_of(std::int64_t worker, std::int64_t offset);

  /// These left the journal.
  void forget(const std::vector<std::int64_t>& ids);
  void forget_all();

  /// Whether this pending update is to be handed to `worker` now. Ask in the order of ids.
  [[nodiscard]] bool wants(std::int64_t worker, const offer& x) const;
  void handed(std::int64_t worker, const offer& x);

  /// Forgets workers that have gone; what they had is others'. @returns whether there were any
  bool expire(time_point now);
  /// When `expire` has something to do; max: not before another call.
  [[nodiscard]] time_point next_expiry() const;

  [[nodiscard]] std::size_t workers() const noexcept { return workers_.size(); }
  [[nodiscard]] std::size_t unconfirmed() const noexcept { return handed_.size(); }

private:
  struct worker_state {
    time_point seen{};
    std::uint32_t polls = 0;
    std::int64_t offset = 0; ///< Of its last poll.
  };
  struct holding {
    std::int64_t worker = 0;
    key of;
  };
  struct key_hash {
    std::size_t operator()(const key& x) const noexcept;
  };
  struct key_owner {
    std::int64_t worker = 0;
    std::size_t updates = 0;
  };

  [[nodiscard]] std::int64_t chosen(const key& x) const;
  void drop(std::map<std::int64_t, holding>::iterator at);

  duration silence_;
  std::map<std::int64_t, worker_state> workers_;
  std::map<std::int64_t, holding> handed_; ///< By update_id.
  std::unordered_map<key, key_owner, key_hash> owners_;
};

} // namespace troupe::pull
