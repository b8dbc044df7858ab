#pragma once
#include "runtime/store/database.hpp"
#include "runtime/store/names.hpp"

/// Verification codes and virtual tokens, both by keyed hash (runtime/crypto/codes.hpp).
namespace troupe::store {

// -- proof of ownership ---------------------------------------------------------------------------

struct verification {
  std::int64_t attempts = 0;
  wall_time created{};
  wall_time expires{};
};

/// What a code that somebody sent was.
enum class verdict : std::uint8_t {
  verified,          ///< The bot has an owner now; the code is used up.
  wrong,             ///< Counted.
  too_many_attempts, ///< No code of this sender's is compared any more: ask for a new one.
  expired,
  no_code, ///< None was asked for, or it is used up.
};
inline constexpr std::array verdict_names{"verified", "wrong", "too_many_attempts", "expired",
                                          "no_code"};
TROUPE_ENUM(verdict, verdict_names)

/// Replaces the bot's code, if it has one. @returns false if the tenant has no such bot
bool set_verification(unit& u, tenant_id tenant, bot_id bot, const std::string& hash, wall_time now,
                      wall_time expires);

[[nodiscard]] std::optional<verification> find_verification(unit& u, tenant_id tenant, bot_id bot);

/// Compares in constant time. Every comparison counts as an attempt of its sender, also one whose
/// answer is lost; strangers do not use up the owner's. A verified bot's phase stays as it is.
/// @param hash empty: what was sent is no code, wrong without being counted
/// @param sender the Telegram user who sent the code
[[nodiscard]] verdict verify(unit& u, bot_id bot, const std::string& hash, std::int64_t sender,
                             std::int64_t max_attempts, wall_time now);

// -- virtual tokens -------------------------------------------------------------------------------

struct virtual_token {
  std::int64_t id = 0;
  tenant_id tenant = 0;
  bot_id bot = 0;
  std::string name{};
  std::vector<std::string> methods{}; ///< In small letters; empty: all.
  wall_time created{};
  std::optional<wall_time> expires{};
  std::optional<wall_time> revoked{};
};

/// @returns the new id, or nothing if the tenant has no such bot. `what.id`, `revoked` are not
/// read.
[[nodiscard]] std::optional<std::int64_t> add_virtual_token(unit& u, const virtual_token& what,
                                                            const std::string& hash);

[[nodiscard]] std::vector<virtual_token> list_virtual_tokens(unit& u, tenant_id tenant, bot_id bot,
                                                             std::int64_t after, std::size_t limit);

/// A bot's that are valid at `now`.
[[nodiscard]] std::int64_t count_virtual_tokens(unit& u, bot_id bot, wall_time now);

/// @returns false if this bot of this tenant has no such token that still is valid
bool revoke_virtual_token(unit& u, tenant_id tenant, bot_id bot, std::int64_t id, wall_time now);

/// For the gateway: all that are neither revoked nor expired, by id, with their hashes.
[[nodiscard]] std::vector<std::pair<virtual_token, std::string>>
load_virtual_tokens(unit& u, std::int64_t after, std::size_t limit, wall_time now);

/// The same of the bots of some shards (runtime/store/shards.hpp).
class shard_set;
[[nodiscard]] std::vector<std::pair<virtual_token, std::string>>
load_virtual_tokens(unit& u, std::int64_t after, std::size_t limit, wall_time now,
                    const shard_set& of);

[[nodiscard]] std::optional<virtual_token> find_virtual_token(unit& u, const std::string& hash);

} // namespace troupe::store
