#pragma once
#include "messages/bot.hpp"
#include "messages/fields.hpp"
#include "messages/health.hpp"
#include "messages/store_ids.hpp"

#include <string>
#include <utility>
#include <vector>

/// What the store keeps, as it travels. Names of rows and columns: runtime/store.
namespace troupe {

/// Milliseconds since 1970, UTC. 0: never, none.
using wall_ms = std::int64_t;

/// Rows in order, and whether there are more behind the last.
template <class Row>
struct page {
  std::vector<Row> rows;
  bool more = false;
};

/// It was done; there is nothing to tell.
struct done {};

/// A token, a key, a code on its way to whom it is for. Printed it reads `***`.
struct secret_string {
  std::string text;
};

/// What a key or a user may do, the most first.
enum class key_role : std::uint8_t {
  operator_, ///< Everything, for every tenant; belongs to none.
  admin,     ///< Everything of its tenant, keys and users included.
  developer, ///< Bots of its tenant: register, change, call.
  viewer,    ///< Reads.
};
inline constexpr std::array key_role_names{"operator", "admin", "developer", "viewer"};
TROUPE_ENUM(key_role, key_role_names)

/// Who asks, for the audit trail: a request that changes something carries it, and what it changes
/// is stored together with the entry, or neither is.
struct author {
  std::string name = "system"; ///< The key's shown prefix and name.
  std::int64_t key = 0;        ///< The API key's id; 0: none.
  std::string address;         ///< The client's.
  std::string request;         ///< Its request id.
};

struct bot_row {
  bot_id id = 0;
  tenant_id tenant = 1;
  std::string username;
  std::string name;
  bot_phase phase = bot_phase::pending;
  std::string reason; ///< Why it is in this phase, for people; empty for the usual.
  wall_ms since = 0;
  wall_ms until = 0; ///< The end of a quarantine.
  std::uint32_t quarantines = 0;
  std::int64_t owner = 0;       ///< The Telegram user who proved the ownership.
  wall_ms verified = 0;         ///< When.
  std::uint32_t rps = 0;        ///< 0: the node's default.
  std::uint32_t concurrent = 0; ///< 0: the node's default.
  std::string settings = "{}";  ///< JSON: what the API keeps for other parts (updates, delivery).
  wall_ms created = 0;
  wall_ms updated = 0;
  std::int64_t version = 1; ///< Counts changes.
};

/// A bot and its opened token: to the registrar only.
struct loaded_bot {
  bot_row bot;
  secret_string token; ///< Empty: it did not open (damaged, or another master key).
};

struct tenant_row {
  tenant_id id = 0;
  std::string name; ///< Unique.
  bool suspended = false;
  std::uint32_t max_bots = 0; ///< 0: no limit.
  std::uint32_t rps = 0;      ///< 0: no limit of its own.
  wall_ms created = 0;
};

struct user_row {
  std::int64_t id = 0;
  tenant_id tenant = 0;
  std::string name; ///< Unique in its tenant.
  key_role role = key_role::viewer;
  wall_ms created = 0;
};

struct key_row {
  std::int64_t id = 0;
  tenant_id tenant = 0; ///< 0: an operator's.
  std::int64_t user = 0;
  key_role role = key_role::viewer;
  std::string name;
  std::string prefix; ///< What may be shown of the key.
  wall_ms created = 0;
  wall_ms expires = 0;
  wall_ms revoked = 0;
  wall_ms used = 0; ///< About.
};

/// Whose key it is.
struct identity {
  key_row key;
  std::string tenant_name; ///< Empty for operators.
};

struct virtual_token_row {
  std::int64_t id = 0;
  tenant_id tenant = 0;
  bot_id bot = 0;
  std::string name;
  std::vector<std::string> methods; ///< In small letters; empty: all.
  wall_ms created = 0;
  wall_ms expires = 0;
  wall_ms revoked = 0;
};

/// A virtual token with its text, which the store does not keep: shown once. Loaded at a node's
/// start, `token` is its keyed hash instead.
struct made_virtual_token {
  virtual_token_row row;
  secret_string token;
};

/// The proof of ownership that is under way.
struct verification_row {
  bot_id bot = 0;
  secret_string code; ///< Only when it was made just now: the owner sends `/start CODE` to the bot.
  std::uint32_t attempts = 0;
  wall_ms created = 0;
  wall_ms expires = 0;
};

/// Health as of the last time it was saved.
struct health_row {
  bot_id bot = 0;
  health_status status = health_status::healthy;
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;
  std::uint64_t client_errors = 0;
  std::uint64_t rate_limited = 0;
  std::int64_t latency_us = 0; ///< EWMA.
  std::uint32_t consecutive_failures = 0;
  wall_ms last_success = 0;
  wall_ms last_failure = 0;
  breaker_state breaker = breaker_state::closed;
  wall_ms breaker_until = 0;
  wall_ms saved = 0;
};

/// Requests by outcome. The average response time is latency_us / requests.
struct usage_counts {
  std::int64_t requests = 0;
  std::int64_t failures = 0;
  std::int64_t client_errors = 0;
  std::int64_t rate_limited = 0;
  std::int64_t latency_us = 0; ///< Sum.
};

/// What a bot did in an hour or on a day, or since the last time it was asked.
struct usage_row {
  std::int64_t at = 0; ///< Hours, or days, since 1970, UTC.
  usage_counts calls;
  std::int64_t updates = 0;
  std::vector<std::pair<std::string, usage_counts>> methods;
  std::vector<std::pair<std::string, std::int64_t>> kinds;  ///< Updates by kind.
  std::vector<std::pair<std::int64_t, std::int64_t>> chats; ///< The busiest first; at most 20.
  std::vector<std::int64_t> hours; ///< Of a day: requests and updates by hour, 24 of them.
};

/// What a bot did since the last time, in one hour.
struct usage_delta {
  bot_id bot = 0;
  usage_row hour;
};

struct audit_row {
  std::int64_t id = 0;
  wall_ms at = 0;
  author by;
  tenant_id tenant = 0; ///< Whose affairs it was; 0: the node's.
  std::string action;   ///< "bot.register", "key.revoke", …
  std::string subject;  ///< "bot:123", "tenant:2", …
  std::string outcome;  ///< "ok", or the name of the refusal.
  std::string detail = "{}"; ///< JSON; never a secret.
};

template <class Inspector, class Row>
bool inspect(Inspector& f, page<Row>& x) {
  return f.object(x).fields(f.field("rows", x.rows), f.field("more", x.more));
}

template <class Inspector>
bool inspect(Inspector& f, done& x) {
  return f.object(x).fields();
}

template <class Inspector>
bool inspect(Inspector& f, secret_string& x) {
  if (f.has_human_readable_format()) {
    std::string shown = x.text.empty() ? "" : "***";
    return f.apply(shown);
  }
  return f.apply(x.text);
}

TROUPE_FIELDS(author, name, key, address, request)
TROUPE_FIELDS(bot_row, id, tenant, username, name, phase, reason, since, until, quarantines, owner,
              verified, rps, concurrent, settings, created, updated, version)
TROUPE_FIELDS(loaded_bot, bot, token)
TROUPE_FIELDS(tenant_row, id, name, suspended, max_bots, rps, created)
TROUPE_FIELDS(user_row, id, tenant, name, role, created)
TROUPE_FIELDS(key_row, id, tenant, user, role, name, prefix, created, expires, revoked, used)
TROUPE_FIELDS(identity, key, tenant_name)
TROUPE_FIELDS(virtual_token_row, id, tenant, bot, name, methods, created, expires, revoked)
TROUPE_FIELDS(made_virtual_token, row, token)
TROUPE_FIELDS(verification_row, bot, code, attempts, created, expires)
TROUPE_FIELDS(health_row, bot, status, requests, failures, client_errors, rate_limited, latency_us,
              consecutive_failures, last_success, last_failure, breaker, breaker_until, saved)
TROUPE_FIELDS(usage_counts, requests, failures, client_errors, rate_limited, latency_us)
TROUPE_FIELDS(usage_row, at, calls, updates, methods, kinds, chats, hours)
TROUPE_FIELDS(usage_delta, bot, hour)
TROUPE_FIELDS(audit_row, id, at, by, tenant, action, subject, outcome, detail)

} // namespace troupe
