#pragma once
#include "messages/cluster.hpp"
#include "messages/store_rows.hpp"

#include <caf/is_error_code_enum.hpp>
#include <caf/typed_actor.hpp>

namespace troupe {

/// Why store or registrar did not do what they were asked: the only errors they answer with, beside
/// those of the actor system when they die with a request.
enum class store_refusal : std::uint8_t {
  none,
  not_found,       ///< No such thing, or another tenant's.
  duplicate,       ///< The name, or the bot, is taken.
  conflict,        ///< Changed by another since it was read; or something still hangs on it.
  too_many,        ///< The tenant has as many bots as it may have.
  invalid,         ///< A value breaks a rule of the schema, or is no UTF-8.
  revoked,         ///< A key that was taken back.
  expired,         ///< A key, or a code, whose time is over.
  tenant_suspended,
  unavailable,     ///< The database, or a service in between, does not answer now, or too many
                   ///< requests wait. Nothing was done; with a `refusal` as context.
  disk_full,       ///< Nothing can be written until an operator frees space. Nothing was done.
  outcome_unknown, ///< The connection broke during the commit: done, or not. Look before repeating.
  failed,          ///< The database is damaged or misses rights: the log says more.
  token_malformed, ///< No bot token by its form.
  token_rejected,  ///< The Bot API does not accept it.
  token_of_other_bot, ///< It is another bot's.
  not_verified,       ///< The owner has not proven that the bot is his.
  wrong_phase,        ///< A bot in this phase cannot be asked that.
  upstream_failed, ///< The Bot API could not be asked, or not in time. Nothing was done.
  fenced, ///< The bot's shard is not this node's, or not any more: ask its owner. Nothing was done.
};
inline constexpr std::array store_refusal_names{
  "none",           "not_found",      "duplicate",          "conflict",     "too_many",
  "invalid",        "revoked",        "expired",            "tenant_suspended",
  "unavailable",    "disk_full",      "outcome_unknown",    "failed",       "token_malformed",
  "token_rejected", "token_of_other_bot", "not_verified",   "wrong_phase",  "upstream_failed", "fenced"};
TROUPE_ENUM(store_refusal, store_refusal_names)
static_assert(store_refusal_names.size() == static_cast<std::size_t>(store_refusal::fenced) + 1);

// `tenant` is whose things are meant; 0: any tenant's. Lists: by id, behind `after`, 1 to 1000 rows.

// -- bots: reading. Changes go to the registrar (messages/registrar.hpp), which sends them here. --

/// Any number of ids; read in chunks, so that a long list holds up nobody.
struct bot_lookup {
  tenant_id tenant = 0;
  std::vector<bot_id> ids;
};
struct bot_batch {
  std::vector<bot_row> bots;   ///< By id.
  std::vector<bot_id> missing; ///< What the tenant does not have; each once.
};
struct bot_query {
  tenant_id tenant = 0;
  bool any_phase = true;
  bot_phase phase = bot_phase::active; ///< Unless any_phase.
  bot_id after = 0;
  std::uint32_t limit = 100;
};

// -- bots: written by the registrar alone ----------------------------------------------------------

struct bot_load {
  bot_id after = 0;
  std::uint32_t limit = 1000;
  std::vector<std::uint16_t> shards{}; ///< Of the bots; empty: all.
};
struct bot_insert {
  author by;
  bot_row bot;
  secret_string token;
};
struct bot_state_set {
  author by;
  std::string action; ///< For the trail: "bot.suspend". Empty: the bot's own doing, no entry.
  tenant_id tenant = 0;
  bot_id bot = 0;
  std::int64_t version = 0; ///< What it must be; 0: any.
  bot_phase phase = bot_phase::active;
  std::string reason;
  wall_ms until = 0;
  std::uint32_t quarantines = 0;
  bool vouched = false; ///< An operator vouches for the owner: the bot counts as verified.
};
struct bot_token_set {
  author by;
  tenant_id tenant = 0;
  bot_id bot = 0;
  secret_string token;
  bool revive = false; ///< An unauthorized bot becomes active with it.
};

// -- bots: sent to the registrar, which passes them on ---------------------------------------------

/// Replaces name, limits and settings. Take the others from the row that was read.
struct bot_change {
  author by;
  tenant_id tenant = 0;
  bot_id bot = 0;
  std::int64_t version = 0; ///< Of the row that was read; 0: whatever it is. Else `conflict`.
  std::string name;
  std::uint32_t rps = 0;
  std::uint32_t concurrent = 0;
  std::string settings = "{}";
};
/// With all that belongs to it. Answered with the row as it was.
struct bot_remove {
  author by;
  tenant_id tenant = 0;
  bot_id bot = 0;
};
struct virtual_token_make {
  author by;
  tenant_id tenant = 0;
  bot_id bot = 0;
  std::string name;
  std::vector<std::string> methods; ///< In small letters; empty: all.
  wall_ms expires = 0;
};
struct virtual_token_revoke {
  author by;
  tenant_id tenant = 0;
  bot_id bot = 0;
  std::int64_t id = 0;
};
/// Somebody sent what may be a code to the bot.
struct verification_try {
  bot_id bot = 0;
  std::string typed;
  std::int64_t sender = 0; ///< The Telegram user.
};
enum class code_verdict : std::uint8_t { verified, wrong, too_many_attempts, expired, no_code };
inline constexpr std::array code_verdict_names{"verified", "wrong", "too_many_attempts", "expired",
                                               "no_code"};
TROUPE_ENUM(code_verdict, code_verdict_names)

// -- virtual tokens and codes ----------------------------------------------------------------------

struct virtual_token_query {
  tenant_id tenant = 0;
  bot_id bot = 0;
  std::int64_t after = 0;
  std::uint32_t limit = 100;
};
/// Those that are valid now, with their hashes: for the registrar.
struct virtual_token_load {
  std::int64_t after = 0;
  std::uint32_t limit = 1000;
  std::vector<std::uint16_t> shards{}; ///< Of their bots; empty: all.
};
/// Replaces the bot's code, if it has one.
struct verification_make {
  author by;
  tenant_id tenant = 0;
  bot_id bot = 0;
};
struct verification_query {
  tenant_id tenant = 0;
  bot_id bot = 0;
};

// -- tenants, users, keys --------------------------------------------------------------------------

/// Adds a tenant (row.id 0) or replaces its name, state and limits. `duplicate`: the name is taken.
struct tenant_put {
  author by;
  tenant_row row;
};
/// `conflict` while it has bots.
struct tenant_remove {
  author by;
  tenant_id id = 0;
};
struct tenant_query {
  tenant_id id = 0; ///< This one alone; 0: all.
  tenant_id after = 0;
  std::uint32_t limit = 100;
};
/// Adds a user; row.id is not read.
struct user_put {
  author by;
  user_row row;
};
struct user_remove {
  author by;
  tenant_id tenant = 0;
  std::int64_t id = 0;
};
struct user_query {
  tenant_id tenant = 0;
  std::int64_t after = 0;
  std::uint32_t limit = 100;
};
/// `invalid` when role and tenant contradict, or the user is another tenant's.
struct key_make {
  author by;
  tenant_id tenant = 0; ///< 0: an operator's key, role operator_.
  std::int64_t user = 0;
  key_role role = key_role::viewer;
  std::string name;
  wall_ms expires = 0;
};
struct made_key {
  key_row row;
  secret_string key; ///< Shown once: the store keeps its hash.
};
struct key_revoke {
  author by;
  tenant_id tenant = 0; ///< 0: an operator's.
  std::int64_t id = 0;
};
struct key_query {
  tenant_id tenant = 0; ///< 0: the operators'.
  std::int64_t after = 0;
  std::uint32_t limit = 100;
};
/// Whose key is it? not_found (also for what is no key by its form), revoked, expired,
/// tenant_suspended. Answered from memory while the store has seen the key lately and nothing
/// changed: ask for every request, keep nothing.
struct authenticate {
  secret_string key;
};

// -- health, usage, audit --------------------------------------------------------------------------

/// Replaces what is stored of these bots, as far as they are registered and not a newer owner's.
struct health_save {
  std::vector<health_row> rows;
  std::vector<shard_hold> holds{}; ///< No shard twice.
};
struct health_query {
  tenant_id tenant = 0;
  bot_id bot = 0;
};
struct health_load {
  bot_id after = 0;
  std::uint32_t limit = 1000;
  std::vector<std::uint16_t> shards{}; ///< Of the bots; empty: all.
};
/// Adds counts. Never repeated after outcome_unknown: it would count twice.
struct usage_add {
  std::vector<usage_delta> deltas;
};
struct usage_query {
  tenant_id tenant = 0;
  bot_id bot = 0;
  std::uint32_t days = 7; ///< 1 to 90.
};
struct usage_report {
  std::vector<usage_row> days;  ///< Oldest first, without those on which nothing happened.
  std::vector<usage_row> today; ///< Today's hours.
};
/// Newest first.
struct audit_query {
  tenant_id tenant = 0;   ///< 0: of all tenants and the node, for operators.
  std::string subject;    ///< Empty: any.
  std::string action;     ///< Empty: any.
  wall_ms from = 0, until = 0; ///< until 0: now.
  std::int64_t before = 0; ///< Ids below this: the next page. 0: from the newest on.
  std::uint32_t limit = 100;
};

// -- idempotent requests ---------------------------------------------------------------------------

/// Before a request with an Idempotency-Key goes out.
struct idempotency_begin {
  tenant_id tenant = 1;
  bot_id bot = 0; ///< 0: a request about no bot.
  std::string key;
  std::string body;          ///< A hash of what method and parameters mean.
  caf::timespan patience{0}; ///< Wait at most so long for one that runs.
};
enum class idempotency_what : std::uint8_t {
  started,         ///< The first: run it, then send idempotency_end.
  running,         ///< Another one still runs.
  finished,        ///< Here is its answer.
  other_body,      ///< The key was used for another request.
  outcome_unknown, ///< The first may have happened: the caller decides, with a new key.
};
inline constexpr std::array idempotency_what_names{"started", "running", "finished", "other_body",
                                                   "outcome_unknown"};
TROUPE_ENUM(idempotency_what, idempotency_what_names)
struct idempotency_answer {
  idempotency_what what = idempotency_what::started;
  std::uint16_t status = 0; ///< HTTP, of `finished`; with the next two.
  std::string content_type;
  std::string body;
};
enum class idempotency_end_kind : std::uint8_t {
  finish, ///< `answer` is kept for 24 h.
  forget, ///< It certainly did not happen: the key is free again.
  lose,   ///< Nobody knows whether it happened.
};
inline constexpr std::array idempotency_end_kind_names{"finish", "forget", "lose"};
TROUPE_ENUM(idempotency_end_kind, idempotency_end_kind_names)
struct idempotency_end {
  tenant_id tenant = 1;
  bot_id bot = 0;
  std::string key;
  idempotency_end_kind how = idempotency_end_kind::finish;
  idempotency_answer answer; ///< `what` is not read.
};

// -- upkeep ----------------------------------------------------------------------------------------

/// Copies SQLite's store, in use, to a new file (else `duplicate`). PostgreSQL: `invalid`; pg_dump.
struct backup_request {
  author by;
  std::string path; ///< On the node's disk.
};
struct backup_done {
  std::string path;
  std::uint64_t bytes = 0;
  caf::timespan took{0};
};
struct store_report {
  std::string where;         ///< Path, or URI without password.
  bool reachable = true;     ///< The last unit of work found the database.
  std::uint32_t waiting = 0; ///< Requests that wait or run.
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;  ///< Requests that changed something.
  std::uint64_t commits = 0; ///< Fewer than writes: they are grouped.
  std::uint64_t failures = 0; ///< Requests answered with unavailable, disk_full, failed, unknown.
};

/// STORE: what outlives the process. SQL runs on threads of its own behind a port; writes that wait
/// are stored in one commit, each undone alone when it is refused, and answered when on disk.
/// Owns: the database's connections, the lookup key, the seals' ring, a cache of keys. Blocks:
/// never; its threads do. Calls: nobody. Fails: requests under way get an error of the actor
/// system: what was not answered may be stored, what was is. A full queue: `unavailable` at once.
using store_actor = caf::typed_actor<
  caf::result<bot_batch>(bot_lookup), caf::result<page<bot_row>>(bot_query),
  caf::result<page<loaded_bot>>(bot_load), caf::result<bot_row>(bot_insert),
  caf::result<bot_row>(bot_state_set), caf::result<bot_row>(bot_token_set),
  caf::result<bot_row>(bot_change), caf::result<bot_row>(bot_remove),
  caf::result<made_virtual_token>(virtual_token_make), caf::result<done>(virtual_token_revoke),
  caf::result<page<virtual_token_row>>(virtual_token_query),
  caf::result<page<made_virtual_token>>(virtual_token_load),
  caf::result<verification_row>(verification_make), caf::result<code_verdict>(verification_try),
  caf::result<verification_row>(verification_query), caf::result<tenant_row>(tenant_put),
  caf::result<done>(tenant_remove), caf::result<page<tenant_row>>(tenant_query),
  caf::result<user_row>(user_put), caf::result<done>(user_remove),
  caf::result<page<user_row>>(user_query), caf::result<made_key>(key_make),
  caf::result<done>(key_revoke), caf::result<page<key_row>>(key_query),
  caf::result<identity>(authenticate), caf::result<done>(health_save),
  caf::result<health_row>(health_query), caf::result<page<health_row>>(health_load),
  caf::result<done>(usage_add), caf::result<usage_report>(usage_query),
  caf::result<audit_row>(audit_row), caf::result<page<audit_row>>(audit_query),
  caf::result<idempotency_answer>(idempotency_begin), caf::result<done>(idempotency_end),
  caf::result<backup_done>(backup_request), caf::result<store_report>(get_report)>;

TROUPE_FIELDS(bot_lookup, tenant, ids)
TROUPE_FIELDS(bot_batch, bots, missing)
TROUPE_FIELDS(bot_query, tenant, any_phase, phase, after, limit)
TROUPE_FIELDS(bot_load, after, limit, shards)
TROUPE_FIELDS(bot_insert, by, bot, token)
TROUPE_FIELDS(bot_state_set, by, action, tenant, bot, version, phase, reason, until, quarantines,
              vouched)
TROUPE_FIELDS(bot_token_set, by, tenant, bot, token, revive)
TROUPE_FIELDS(bot_change, by, tenant, bot, version, name, rps, concurrent, settings)
TROUPE_FIELDS(bot_remove, by, tenant, bot)
TROUPE_FIELDS(virtual_token_make, by, tenant, bot, name, methods, expires)
TROUPE_FIELDS(virtual_token_revoke, by, tenant, bot, id)
TROUPE_FIELDS(verification_try, bot, typed, sender)
TROUPE_FIELDS(virtual_token_query, tenant, bot, after, limit)
TROUPE_FIELDS(virtual_token_load, after, limit, shards)
TROUPE_FIELDS(verification_make, by, tenant, bot)
TROUPE_FIELDS(verification_query, tenant, bot)
TROUPE_FIELDS(tenant_put, by, row)
TROUPE_FIELDS(tenant_remove, by, id)
TROUPE_FIELDS(tenant_query, id, after, limit)
TROUPE_FIELDS(user_put, by, row)
TROUPE_FIELDS(user_remove, by, tenant, id)
TROUPE_FIELDS(user_query, tenant, after, limit)
TROUPE_FIELDS(key_make, by, tenant, user, role, name, expires)
TROUPE_FIELDS(made_key, row, key)
TROUPE_FIELDS(key_revoke, by, tenant, id)
TROUPE_FIELDS(key_query, tenant, after, limit)
TROUPE_FIELDS(authenticate, key)
TROUPE_FIELDS(health_save, rows, holds)
TROUPE_FIELDS(health_query, tenant, bot)
TROUPE_FIELDS(health_load, after, limit, shards)
TROUPE_FIELDS(usage_add, deltas)
TROUPE_FIELDS(usage_query, tenant, bot, days)
TROUPE_FIELDS(usage_report, days, today)
TROUPE_FIELDS(audit_query, tenant, subject, action, from, until, before, limit)
TROUPE_FIELDS(idempotency_begin, tenant, bot, key, body, patience)
TROUPE_FIELDS(idempotency_answer, what, status, content_type, body)
TROUPE_FIELDS(idempotency_end, tenant, bot, key, how, answer)
TROUPE_FIELDS(backup_request, by, path)
TROUPE_FIELDS(backup_done, path, bytes, took)
TROUPE_FIELDS(store_report, where, reachable, waiting, reads, writes, commits, failures)

} // namespace troupe

CAF_ERROR_CODE_ENUM(troupe::store_refusal)
