#pragma once
#include "runtime/crypto/cipher.hpp"
#include "runtime/store/database.hpp"
#include "runtime/store/names.hpp"

/// Registered bots. What a tenant asks for takes the tenant's id; another tenant's bot is no bot.
namespace troupe::store {

struct bot_limits {
  std::int64_t rps = 0;        ///< 0: the node's default.
  std::int64_t concurrent = 0; ///< 0: the node's default.
  friend bool operator==(const bot_limits&, const bot_limits&) = default;
};

/// What survives a restart of a bot's life cycle.
struct bot_state {
  bot_phase phase = bot_phase::pending;
  std::string reason{}; ///< Why, for people; empty for the usual.
  wall_time since{};
  std::optional<wall_time> until{}; ///< The end of a quarantine.
  std::int64_t quarantines = 0;     ///< So many in a row: the next is twice as long.
  friend bool operator==(const bot_state&, const bot_state&) = default;
};

struct bot {
  bot_id id = 0;
  tenant_id tenant = 1;
  std::string username{};
  std::string name{};
  bot_state state{};
  std::optional<std::int64_t> owner{}; ///< The Telegram user who proved the ownership.
  std::optional<wall_time> verified{}; ///< When.
  bot_limits limits{};
  std::string settings = "{}"; ///< JSON: what the API keeps for other parts (updates, delivery).
  wall_time created{};
  wall_time updated{};
  std::int64_t version = 1; ///< Counts changes: of two writers that read the same one, one loses.
};

/// A bot's token as it is stored.
struct stored_token {
  crypto::sealed box{};
  std::string hash{}; ///< Keyed: finds duplicates.
};

/// A bot with what opens its token.
struct bot_with_token {
  store::bot bot{};
  stored_token token{};
};

enum class registration : std::uint8_t { done, taken, too_many };
inline constexpr std::array registration_names{"done", "taken", "too_many"};
TROUPE_ENUM(registration, registration_names)

/// Adds a bot with version 1. `taken`: a bot of this id or token exists, whosesoever. `too_many`:
/// the tenant has `max_bots`.
[[nodiscard]] registration add_bot(unit& u, const bot& what, const stored_token& token);

[[nodiscard]] std::optional<bot> find_bot(unit& u, tenant_id tenant, bot_id id);

/// Those of `ids` that the tenant has, in no particular order; any number of ids.
[[nodiscard]] std::vector<bot> find_bots(unit& u, tenant_id tenant, std::span<const bot_id> ids);

/// By id, from behind `after` on, of one phase or of all.
[[nodiscard]] std::vector<bot> list_bots(unit& u, tenant_id tenant, std::optional<bot_phase> phase,
                                         bot_id after, std::size_t limit);

/// The same over all tenants: for operators.
[[nodiscard]] std::optional<bot> find_any_bot(unit& u, bot_id id);
[[nodiscard]] std::vector<bot> find_any_bots(unit& u, std::span<const bot_id> ids);
[[nodiscard]] std::vector<bot> list_all_bots(unit& u, std::optional<bot_phase> phase, bot_id after,
                                             std::size_t limit);

/// Whose token has this hash.
[[nodiscard]] std::optional<bot_id> find_token(unit& u, const std::string& hash);

[[nodiscard]] std::int64_t count_bots(unit& u, tenant_id tenant);

/// Name, limits and settings, if the version still is `what.version`. @returns false otherwise
bool change_bot(unit& u, const bot& what, wall_time now);

/// Any phase to any other: which may follow which is the bot's business. @returns false without it
bool set_bot_state(unit& u, tenant_id tenant, bot_id id, const bot_state& to, wall_time now);

/// Somebody vouches for the bot's owner: it counts as verified from now on, unless it is already.
void vouch_for_bot(unit& u, bot_id id, wall_time now);

/// The new token of the same bot. @returns false without it; throws constraint if the token is
/// another's
bool set_bot_token(unit& u, tenant_id tenant, bot_id id, const stored_token& token, wall_time now);

/// With all that belongs to it. @returns false without it
bool remove_bot(unit& u, tenant_id tenant, bot_id id);

// -- for the node itself, over all tenants --------------------------------------------------------

/// All bots by id, from behind `after` on: what a node starts.
[[nodiscard]] std::vector<bot_with_token> load_bots(unit& u, bot_id after, std::size_t limit);

/// The same of some shards (runtime/store/shards.hpp).
class shard_set;
[[nodiscard]] std::vector<bot_with_token> load_bots(unit& u, bot_id after, std::size_t limit,
                                                    const shard_set& of);

/// Replaces a seal that still is `before`. @returns false if the token changed meanwhile
bool reseal_bot(unit& u, bot_id id, const crypto::sealed& before, const crypto::sealed& now);

} // namespace troupe::store
