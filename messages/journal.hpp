#pragma once
#include "messages/cluster.hpp"
#include "messages/enum.hpp"
#include "messages/store_rows.hpp"
#include "messages/updates.hpp"

#include <caf/typed_actor.hpp>

#include <limits>

namespace troupe {

/// Stores updates of one bot, all or none, in this order. Those that were stored before (same
/// update_id, same content) are left out.
struct update_append {
  bot_id bot = 0;
  std::vector<stored_update> updates; ///< `seq` is not read.
};
struct append_result {
  std::uint32_t stored = 0;
  std::uint32_t duplicates = 0;
};

/// Pending updates of a bot, in one of two orders.
struct update_fetch {
  bot_id bot = 0;
  /// By arrival: urgent ones behind `after_urgent` first, then the others behind `after`. By id:
  /// those whose update_id is above `after`, in its order; of those with that very id the ones
  /// whose seq is above `after_seq`.
  bool by_id = false;
  std::int64_t after_urgent = 0;
  std::int64_t after = 0;
  std::uint32_t limit = 100;
  std::uint32_t max_bytes = 1u << 20; ///< Of bodies; at least one update is given.
  std::int64_t after_seq = std::numeric_limits<std::int64_t>::max();
};
struct update_page {
  std::vector<stored_update> updates;
  std::uint32_t pending = 0; ///< All that the bot has.
};

/// How an update left the journal.
enum class update_verdict : std::uint8_t {
  delivered, ///< Acknowledged by its receiver.
  dead,      ///< Could not be delivered: becomes a dead letter.
  expired,   ///< Its lifetime was over.
};
inline constexpr std::array update_verdict_names{"delivered", "dead", "expired"};
TROUPE_ENUM(update_verdict, update_verdict_names)

struct update_end {
  std::int64_t seq = 0;
  update_verdict how = update_verdict::delivered;
  std::uint32_t attempts = 1;
  std::string reason; ///< Of `dead`, for people: "the receiver answered 500".
};
/// These updates are done with. The journal keeps trying to store it; unknown ones are ignored.
struct update_ends {
  bot_id bot = 0;
  std::vector<update_end> ends;
};

/// getUpdates' offset: everything whose update_id is below `below` is delivered; with `keep_last`
/// above 0 all but the last so many instead. An offset far beyond the newest id confirms nothing.
/// Answered when it is on disk.
struct update_confirm {
  bot_id bot = 0;
  std::int64_t below = 0;
  std::uint32_t keep_last = 0;
  bool all = false; ///< Everything: drop_pending_updates.
  std::vector<std::int64_t>
    seqs{}; ///< When not empty: only these. An id may be that of two updates.
};
struct confirm_result {
  std::uint32_t confirmed = 0;
  std::uint32_t pending = 0;
};

/// A bot can deal with updates (again): answered with how many wait. From now on the journal tells
/// the sender of new ones.
struct journal_attach {
  bot_id bot = 0;
};
/// The bot was removed: everything of it is.
struct journal_forget {
  bot_id bot = 0;
};
struct pending_query {
  bot_id bot = 0;
};
struct pending_count {
  std::uint32_t pending = 0;
  std::uint32_t dead = 0;
  std::int64_t oldest = 0; ///< When the oldest pending one came; 0: none.
  bool full = false;
};

struct dead_letter_row {
  std::int64_t id = 0; ///< Its number in the list, ascending by time of death.
  bot_id bot = 0;
  std::int64_t update_id = 0;
  std::string kind;
  std::int64_t received = 0;
  std::int64_t died = 0;
  std::uint32_t attempts = 0;
  std::string reason;
  std::string body;
};
struct dead_letter_query {
  bot_id bot = 0;
  std::int64_t after = 0;
  std::uint32_t limit = 100; ///< 1 to 1000. A page has fewer where their bodies are large.
};
struct dead_letter_page {
  std::vector<dead_letter_row> rows;
  bool more = false;
};
/// They wait for delivery again, behind what waits now, with a fresh lifetime.
struct dead_letter_replay {
  author by;
  bot_id bot = 0;
  tenant_id tenant = 0;
  std::vector<std::int64_t> ids; ///< Empty: all.
};
struct replay_result {
  std::uint32_t replayed = 0;
  std::vector<std::int64_t> missing;
};

/// Live limits.
struct journal_limits {
  std::uint32_t max_pending = 1000;                ///< Of one bot; more are refused.
  caf::timespan lifetime = std::chrono::hours{24}; ///< At most, whatever the kind.
  std::uint64_t cache_bytes = 64u << 20;           ///< Bodies kept in memory, over all bots.
  std::uint32_t remembered = 1000;                 ///< Ends per bot by which duplicates are known.
  std::uint32_t max_dead = 1000;                   ///< Dead letters of one bot; the oldest go.

  friend bool operator==(const journal_limits&, const journal_limits&) = default;
};

struct journal_report {
  std::uint64_t pending = 0;
  std::uint64_t dead = 0;
  std::uint64_t appended = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t refused = 0; ///< Full, or the store did not take them.
  std::uint64_t delivered = 0;
  std::uint64_t expired = 0;
  std::uint64_t died = 0;
  std::uint64_t cached_bytes = 0;
  std::uint64_t commits = 0;
  std::int64_t oldest = 0; ///< When the oldest pending one of all bots came; 0: none.
};

/// JOURNAL: updates between Telegram and delivery. What it acknowledged is on disk and leaves only
/// by a receiver's acknowledgement, by its lifetime, or as a dead letter.
/// Owns: counts of pending updates per bot, a bounded cache of bodies, who consumes. Blocks: never;
/// SQL runs behind the store's port, appends and ends that wait go into one commit.
/// Calls: bots (updates_ready), through the directory; the registrar (codes sent to pending bots).
/// Fails: a restart reads counts from the store and tells the bots again: what was in flight may be
/// delivered twice.
///
///   update_append → append_result, once on disk. Errors: ec::journal_full (with `refusal`; nothing
///     was stored, Telegram keeps it), store_refusal::{unavailable, disk_full, failed,
///     outcome_unknown}: repeat it, duplicates are known.
///   update_fetch, update_confirm, pending_query, dead_letter_*: store_refusal when the store does
///     not answer.
///   update_ends, journal_forget, journal_limits: notifications.
///
/// Of many nodes on one store each has the bots of its shards alone. An update_append for another's
/// bot goes to the store's box, from where the bot's owner takes it: answered as stored. Anything
/// else about such a bot: store_refusal::fenced, also when the shard went to another before it was
/// stored.
///   shards_gained, shards_lost, pasts_keep, pasts_ask: see messages/cluster.hpp. box_filled: a
///   notification.
using journal_actor = caf::typed_actor<
  caf::result<append_result>(update_append), caf::result<update_page>(update_fetch),
  caf::result<void>(update_ends), caf::result<confirm_result>(update_confirm),
  caf::result<pending_count>(journal_attach), caf::result<void>(journal_forget),
  caf::result<pending_count>(pending_query), caf::result<dead_letter_page>(dead_letter_query),
  caf::result<replay_result>(dead_letter_replay), caf::result<void>(journal_limits),
  caf::result<journal_report>(get_report), caf::result<done>(shards_gained),
  caf::result<done>(shards_lost), caf::result<void>(box_filled), caf::result<done>(pasts_keep),
  caf::result<pasts_kept>(pasts_ask)>;

TROUPE_FIELDS(update_append, bot, updates)
TROUPE_FIELDS(append_result, stored, duplicates)
TROUPE_FIELDS(update_fetch, bot, by_id, after_urgent, after, limit, max_bytes, after_seq)
TROUPE_FIELDS(update_page, updates, pending)
TROUPE_FIELDS(update_end, seq, how, attempts, reason)
TROUPE_FIELDS(update_ends, bot, ends)
TROUPE_FIELDS(update_confirm, bot, below, keep_last, all, seqs)
TROUPE_FIELDS(confirm_result, confirmed, pending)
TROUPE_FIELDS(journal_attach, bot)
TROUPE_FIELDS(journal_forget, bot)
TROUPE_FIELDS(pending_query, bot)
TROUPE_FIELDS(pending_count, pending, dead, oldest, full)
TROUPE_FIELDS(dead_letter_row, id, bot, update_id, kind, received, died, attempts, reason, body)
TROUPE_FIELDS(dead_letter_query, bot, after, limit)
TROUPE_FIELDS(dead_letter_page, rows, more)
TROUPE_FIELDS(dead_letter_replay, by, bot, tenant, ids)
TROUPE_FIELDS(replay_result, replayed, missing)
TROUPE_FIELDS(journal_limits, max_pending, lifetime, cache_bytes, remembered, max_dead)
TROUPE_FIELDS(journal_report, pending, dead, appended, duplicates, refused, delivered, expired,
              died, cached_bytes, commits, oldest)

} // namespace troupe
