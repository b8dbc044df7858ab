#pragma once
#include "messages/journal.hpp"
#include "runtime/store/update_box.hpp"

#include <unordered_map>
#include <unordered_set>

namespace troupe::journal {

/// An update that left the queue of its bot, and is still in the store.
struct ending {
  bot_id bot = 0;
  std::int64_t seq = 0;
  update_verdict how = update_verdict::delivered;
  bool buried = false; ///< Becomes a dead letter.
  std::uint32_t attempts = 0;
  std::string reason;
};

/// What one unit of work does to the store: filled by the actor, run by the store's thread (again
/// after a transient fault), its results read by the actor afterwards.
struct group {
  struct replay {
    dead_letter_replay what;
    std::vector<std::int64_t> numbers; ///< For what is replayed, ascending.
    // Results:
    std::vector<store::pending_update> updates;
    std::vector<std::int64_t> missing;
    std::uint32_t gone = 0; ///< Letters that are none any more.
  };

  std::vector<stored_update> updates; ///< With `seq`.
  std::vector<bot_id> bots;           ///< Whose each of them is.
  std::vector<std::int64_t> hashes;
  std::vector<std::int64_t> places; ///< In the box, from where it is taken; 0: it was not there.
  bool wary = false;                ///< Looks for each of them, whatever `tops` say.
  std::vector<store::update_mark> merged; ///< Fresh marks that join the others first.
  std::int64_t merged_below = 0;      ///< All fresh ones with numbers below have; 0: not worth it.
  std::unordered_set<bot_id> settled; ///< Bots that have no fresh marks then, and get none.
  /// Highest ids that are remembered; empty: not known. Results: known.
  std::unordered_map<bot_id, std::optional<std::int64_t>> tops;
  std::vector<ending> ends;
  std::int64_t first_letter = 0; ///< Number of the first that is buried; the others follow.
  std::vector<bot_id> trimmed;   ///< Bots with too many dead letters.
  std::vector<std::pair<bot_id, std::size_t>>
    truncated; ///< Bots with too many marks; how many stay.
  std::vector<bot_id> forgotten;
  std::vector<replay> replays;
  std::int64_t reserve = 0;      ///< Numbers to take.
  std::int64_t first_number = 0; ///< Of those that the group uses.

  /// Under what the shards of all that is in it are held; empty: on a node by itself.
  std::vector<shard_hold> holds;
  std::unordered_map<shard_id, std::uint64_t> terms; ///< Of these, since when: see `shard_held`.
  std::uint64_t blocks = 0; ///< Counts blocks of numbers; of the one that the group uses.

  std::int64_t now = 0; ///< Wall clock.
  std::int64_t lifetime = 0;
  std::uint32_t max_dead = 0;

  // Results.
  std::vector<bool> stored;            ///< Of each update; false: a duplicate.
  std::vector<std::size_t> went;       ///< Of each of `trimmed`: how many letters.
  std::vector<bool> was_buried;        ///< Of each of `ends`.
  std::int64_t reserved = 0;           ///< The first number taken.
  std::unordered_set<shard_id> fenced; ///< Have a newer owner: nothing of their bots was written.

  [[nodiscard]] bool is_fenced(bot_id bot) const {
    return !fenced.empty() && fenced.contains(shard_of(bot));
  }

  void run(store::unit& u);

private:
  void append(store::unit& u);
  void end(store::unit& u);
  void replay_letters(store::unit& u, replay& x) const;
};

/// As it is stored and as it travels.
[[nodiscard]] stored_update update_of(store::update_record&& x);
[[nodiscard]] std::string_view kind_name(std::uint8_t kind) noexcept;

} // namespace troupe::journal
