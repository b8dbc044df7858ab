#pragma once
#include "runtime/policy/time.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>
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
  std::int64_t id = 0; ///< update_id. Not unique: Telegram's may begin anew.
  key of;
  std::int64_t seq = 0;      ///< The journal's number.
  std::int64_t received = 0; ///< When it came.
};

/// Of two polls of one consumer.
enum class conflict : std::uint8_t {
  newest_wins,  ///< The older ends with an empty result.
  conflict_409, ///< The newer is refused.
};

/// What a poll does before it fetches.
struct plan {
  std::int64_t below = 0;         ///< Confirms all below it; 0: not that way.
  std::uint32_t keep_last = 0;    ///< Confirms all but the last so many; 0: not that way.
  std::vector<std::int64_t> seqs; ///< Confirms these.
  /// These end unconfirmed: see `book`.
  std::vector<std::int64_t> hopeless;
  [[nodiscard]] bool confirms() const noexcept {
    return below > 0 || keep_last > 0 || !seqs.empty();
  }
};

/// The bot's own token: the Bot API's semantics. An offset confirms everything below it, a negative
/// one everything but the last so many.
[[nodiscard]] plan plan_of_bot(std::int64_t offset);

/// What one consumer was handed and has not confirmed.
///
/// An offset names the update right below it, which its sender has seen if it is among these, and
/// with it what was handed out together with it or before. Handed out is what counts, not the id:
/// a late update of a lower id is confirmed by a later offset.
///
/// Of two updates with one id (ids began anew, or a resend differs) the second is in doubt when it
/// was handed out after its id was named: the offset says the same whether it came or was lost. So
/// is a late one below the offset, for a client that keeps the highest id and not the last. It is
/// handed out along with others, whose offset settles it; alone with pauses, and no more than
/// `most_times`: then it is hopeless.
class book {
public:
  static constexpr std::uint32_t most_times = 3;

  /// What a poll with this offset, above 0, confirms; `hopeless` and `seqs` alone are set.
  [[nodiscard]] plan named(std::int64_t offset);
  /// Everything below it was confirmed in another way: the one right below was seen, which that was
  /// is not known.
  void confirmed_below(std::int64_t offset);
  /// Its consumer was silent, and what it had may be others' now. An offset that names what it saw
  /// before confirms that, unless `is_others(seq)`, and no other update with that id, also when
  /// that is handed out to it.
  template <class F>
  void resume(const book& before, std::int64_t offset, F is_others) {
    for (auto seq : know_again(before, offset))
      if (!is_others(seq))
        handed_.insert(before.entry_of(seq));
  }
  /// Was handed out in answer to the offset that was named last.
  void handed(const offer& x);
  /// Waits for company, or the end of a poll: is in doubt and was handed out before.
  [[nodiscard]] bool doubted(const offer& x) const;
  /// Whether the id right below this offset is among them.
  [[nodiscard]] bool knows(std::int64_t offset) const;
  void forget(const std::vector<std::int64_t>& seqs);
  /// Forgets all but these.
  void keep(const std::vector<offer>& only);
  void clear() { handed_.clear(); }
  [[nodiscard]] bool empty() const noexcept { return handed_.empty(); }

  /// Calls `f(received)` for each whose id is below, or whose seq is among these.
  template <class F>
  void each(const std::vector<std::int64_t>& seqs, std::int64_t below, F f) const {
    for (const auto& [of, x] : handed_)
      if (of.first < below || std::find(seqs.begin(), seqs.end(), of.second) != seqs.end())
        f(x.received);
  }

private:
  using id_and_seq = std::pair<std::int64_t, std::int64_t>;
  struct entry {
    std::int64_t named = 0;  ///< The offset it was handed out for.
    std::uint32_t times = 0; ///< In doubt.
    std::int64_t received = 0;
  };
  using entries = std::map<id_and_seq, entry>;
  [[nodiscard]] bool in_doubt(const id_and_seq& x, std::int64_t offset) const;
  std::vector<std::int64_t> know_again(const book& before, std::int64_t offset);
  [[nodiscard]] const entries::value_type& entry_of(std::int64_t seq) const;

  entries handed_;
  std::int64_t offset_ = 0;               ///< Named last.
  std::int64_t anchor_ = 0;               ///< An id that was named, its update seen: ...
  std::vector<std::int64_t> anchor_seqs_; ///< ... these; empty: some other.
};

/// Several workers, each with a virtual token, share a bot's updates.
///
/// A key belongs to one of the workers seen lately, by rendezvous hashing: when one comes or goes
/// only the keys that change hands move. A key with updates that were handed out and not confirmed
/// stays with the worker that has them until it confirms them or was silent for too long. So a
/// key's updates never are with two workers that live.
///
/// Handed out and not confirmed is handed out again. An offset confirms the worker's own updates up
/// to the one before it, if that one is with the worker: it can only know it by having got it.
class sharing {
public:
  /// @param silence a worker that did not poll for so long has gone
  /// @param memory for so long it is known after that what it had seen
  explicit sharing(duration silence = std::chrono::seconds{60},
                   duration memory = std::chrono::minutes{10})
    : silence_(silence), memory_(memory) {}

  /// A poll of `worker` begins or, later, ends. A worker with a poll is not silent.
  void begin(std::int64_t worker, time_point now);
  void end(std::int64_t worker, time_point now);

  /// What a poll that has begun does first.
  [[nodiscard]] plan plan_of(std::int64_t worker, std::int64_t offset);

  /// These left the journal. @returns whether updates that wait are another worker's now
  bool forget(const std::vector<std::int64_t>& seqs);
  void forget_all();

  /// Whether this pending update is to be handed to `worker` now. Ask in the order of ids.
  [[nodiscard]] bool wants(std::int64_t worker, const offer& x) const;
  /// It will be, to nobody else.
  void reserve(std::int64_t worker, const offer& x);
  void handed(std::int64_t worker, const offer& x);
  /// What a worker was handed; null for an unknown one.
  [[nodiscard]] const book* book_of(std::int64_t worker) const;

  /// Forgets workers that have gone; what they had is others'. @returns whether there were any
  bool expire(time_point now);
  /// Until when it is known what workers that have gone had seen.
  [[nodiscard]] time_point remembers_until() const;
  /// When `expire` has something to do; max: not before another call.
  [[nodiscard]] time_point next_expiry() const;

  [[nodiscard]] std::size_t workers() const noexcept { return workers_.size(); }
  [[nodiscard]] std::size_t unconfirmed() const noexcept { return handed_.size(); }

private:
  struct worker_state {
    time_point seen{};
    std::uint32_t polls = 0;
    book out;
  };
  /// One that has gone.
  struct former_worker {
    book out;
    time_point until{};
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
  /// @returns whether its key is another worker's now
  bool drop(std::map<std::int64_t, holding>::iterator at);

  duration silence_;
  duration memory_;
  std::map<std::int64_t, former_worker> former_;
  std::map<std::int64_t, worker_state> workers_;
  std::map<std::int64_t, holding> handed_; ///< By seq; reserved ones included.
  std::unordered_map<key, key_owner, key_hash> owners_;
};

} // namespace troupe::pull
