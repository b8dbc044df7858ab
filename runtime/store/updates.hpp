#pragma once
#include "runtime/store/database.hpp"
#include "runtime/store/names.hpp"
#include "runtime/store/shards.hpp"

#include <map>
#include <memory>

/// Updates that wait for delivery, what is remembered of those that do not any more, and dead
/// letters. Numbers (`seq`, a letter's `id`) come from `reserve_numbers` and are never given twice.
namespace troupe::store {

using troupe::bot_id;

/// An update as it is stored.
struct update_record {
  std::int64_t seq = 0;
  bot_id bot = 0;
  std::int64_t update_id = 0;
  std::string kind;
  bool own_key = false; ///< `key_id` is of the kind's own ids (users, polls), not a chat's.
  std::int64_t key_id = 0;
  bool urgent = false;
  std::int64_t received = 0; ///< Milliseconds since 1970, as all times here.
  std::int64_t expires = 0;
  std::string body;
};

/// What is to be stored. The body is only borrowed.
struct new_update {
  std::int64_t seq = 0;
  bot_id bot = 0;
  std::int64_t update_id = 0;
  std::int64_t hash = 0;
  std::string_view kind;
  bool own_key = false;
  std::int64_t key_id = 0;
  bool urgent = false;
  std::int64_t received = 0;
  std::int64_t expires = 0;
  std::string_view body;
  /// No update with this id was ever stored for the bot, or is among those to be stored: it need
  /// not be looked for. When that is wrong the unit fails (constraint).
  bool surely_new = false;
  /// Its mark is merged later: for an update that is surely new, of a bot whose updates in this
  /// unit all are.
  bool merged_later = false;
};

/// What is remembered of an update.
struct update_mark {
  bot_id bot = 0;
  std::int64_t update_id = 0;
  std::int64_t hash = 0;
  std::int64_t seq = 0;
};

/// An update that waits, without its body.
struct pending_update {
  std::int64_t seq = 0;
  bot_id bot = 0;
  std::int64_t update_id = 0;
  bool urgent = false;
  std::int64_t received = 0;
  std::int64_t expires = 0;
};

struct dead_letter {
  std::int64_t id = 0;
  update_record update; ///< Without `seq` and `expires`.
  std::int64_t died = 0;
  std::uint32_t attempts = 0;
  std::string reason;
};

/// Of a body: what tells two updates with one update_id apart.
[[nodiscard]] std::int64_t content_hash(std::string_view body) noexcept;

/// The first of `count` numbers that nobody else gets.
[[nodiscard]] std::int64_t reserve_numbers(unit& u, std::int64_t count);

/// Stores updates of any bots in this order, leaving out those of which the same (bot, update_id,
/// hash) is remembered. @returns for each whether it was stored
std::vector<bool> append_updates(unit& u, std::span<const new_update> what);

/// Puts fresh marks among the others: what follows here knows only of those, other than
/// `forget_updates`. Some may be there already. Sorts `marks`.
void merge_marks(unit& u, std::vector<update_mark>& marks);
/// All fresh marks.
void merge_all_marks(unit& u);
/// Fresh marks with numbers below `below` have been merged.
void drop_merged_marks(unit& u, std::int64_t below);

/// The highest update_id that is remembered of a bot.
[[nodiscard]] std::optional<std::int64_t> highest_update_id(unit& u, bot_id bot);

/// Of the one that came last, of those that are remembered. Reads all of the bot's marks.
[[nodiscard]] std::optional<std::int64_t> last_update_id(unit& u, bot_id bot);

/// The number under which an update was stored, also when it has ended since (while it is
/// remembered); the lowest when several came under one id.
[[nodiscard]] std::optional<std::int64_t> seq_of_update(unit& u, bot_id bot,
                                                        std::int64_t update_id);

/// What waits of all bots, from behind `after` on, by number.
[[nodiscard]] std::vector<pending_update> load_pending(unit& u, std::int64_t after,
                                                       std::size_t limit);
/// The same of the bots of some shards. Walks over what waits of all: that is little.
[[nodiscard]] std::vector<pending_update> load_pending(unit& u, std::int64_t after,
                                                       std::size_t limit, const shard_set& of);
/// What waits of one bot, by number.
[[nodiscard]] std::vector<pending_update> pending_of(unit& u, bot_id bot);

/// Those that are there, in any order; one may come twice.
[[nodiscard]] std::vector<update_record> read_updates(unit& u, std::span<const std::int64_t> seqs);

/// Rows whose bodies are large are read a few at a time.
inline constexpr std::size_t few_updates = 8;

/// Those of the first of `seqs`: no further ones when bodies have more than `max_bytes` together.
/// That is exceeded by `few_updates` of them at most. @param read how many of `seqs` were looked
/// for
[[nodiscard]] std::vector<update_record> read_updates(unit& u, std::span<const std::int64_t> seqs,
                                                      std::uint64_t max_bytes, std::size_t& read);

/// Updates that need not wait any longer: what was stored of them goes, that they were there is
/// remembered. Sorts `seqs`. Numbers that were never given may be among them.
void end_updates(unit& u, std::vector<std::int64_t>& seqs);

/// Makes a dead letter of an update that waits. @returns whether it waited
bool bury_update(unit& u, std::int64_t seq, std::int64_t id, std::int64_t died,
                 std::uint32_t attempts, std::string_view reason);

/// Keeps a bot's newest `keep` marks, and those of updates that wait. Reads all of the bot's marks.
void truncate_marks(unit& u, bot_id bot, std::size_t keep);

struct dead_letters {
  std::vector<dead_letter> rows;
  bool more = false; ///< There are further ones.
};
/// By id, from behind `after` on. No further ones when bodies have more than `max_bytes` together,
/// which is exceeded by `few_updates` of them at most.
[[nodiscard]] dead_letters list_dead_letters(unit& u, bot_id bot, std::int64_t after,
                                             std::size_t limit, std::uint64_t max_bytes);
/// The ids alone of a bot's oldest.
[[nodiscard]] std::vector<std::int64_t> oldest_dead_letters(unit& u, bot_id bot, std::size_t limit);
/// How many each bot has; the next bots behind `after` that have any, by id.
[[nodiscard]] std::vector<std::pair<bot_id, std::int64_t>> count_dead_letters(unit& u, bot_id after,
                                                                              std::size_t limit);
[[nodiscard]] std::vector<std::pair<bot_id, std::int64_t>>
count_dead_letters(unit& u, bot_id after, std::size_t limit, const shard_set& of);

/// Removes a bot's oldest until `keep` are left. @returns how many went
std::size_t trim_dead_letters(unit& u, bot_id bot, std::size_t keep);

/// Makes a waiting update of a dead letter. @param expires when it is given up again
/// @returns it, without its body; nothing when there is no such letter, or its update waits already
/// (then the letter goes all the same: `gone`)
struct replay {
  std::optional<pending_update> update;
  bool gone = false;
};
[[nodiscard]] replay
replay_dead_letter(unit& u, bot_id bot, std::int64_t id, std::int64_t seq,
                   const std::function<std::int64_t(std::string_view kind)>& expires);

/// Removes all that is stored of a bot's updates.
void forget_updates(unit& u, bot_id bot);

} // namespace troupe::store
