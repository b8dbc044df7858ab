#pragma once
#include "messages/cluster.hpp"
#include "messages/intake.hpp"
#include "messages/store.hpp"

namespace troupe {

/// Registers a bot: its token's form, no other bot of this token or number, `getMe` through the
/// bot's own budgets, then stored (sealed), entered in the trail, known on the gateway.
struct bot_register {
  author by;
  tenant_id tenant = 1;
  secret_string token;
  std::string name; ///< Empty: what the Bot API calls it.
  std::uint32_t rps = 0;
  std::uint32_t concurrent = 0;
  std::string settings = "{}";
  bool trusted = false;     ///< An operator vouches for it: active at once, without a proof.
  caf::timespan patience{}; ///< For getMe; 0: 10 s.
};

enum class bot_order_kind : std::uint8_t {
  activate, ///< A pending bot whose owner is proven (or `trusted`), or a passive one.
  suspend,  ///< Takes no calls until it is resumed.
  resume,   ///< A suspended one, to what it was: active, or pending without a proof.
  restart,  ///< An active or quarantined one starts anew at once, its past forgiven.
};
inline constexpr std::array bot_order_kind_names{"activate", "suspend", "resume", "restart"};
TROUPE_ENUM(bot_order_kind, bot_order_kind_names)

/// Repeating an order that was carried out answers as the first time.
struct bot_order {
  author by;
  tenant_id tenant = 0;
  bot_id bot = 0;
  bot_order_kind what = bot_order_kind::activate;
  std::string reason;   ///< For people; of suspend.
  bool trusted = false; ///< Of activate: an operator vouches for the owner.
};

/// Another token of the same bot, checked with getMe first. The old one stops working at once; an
/// unauthorized bot is active again.
struct bot_rotate {
  author by;
  tenant_id tenant = 0;
  bot_id bot = 0;
  secret_string token;
  caf::timespan patience{}; ///< For getMe; 0: 10 s.
};

/// One Bot API request of a registered bot, without its token: through the bot's budgets, breaker,
/// retries like every call of a client. Errors beside store_refusal (not_found; invalid: no
/// method's name, or getUpdates): those of a bot's `call`, ec with `refusal` as context;
/// transport_failed.
struct method_call {
  tenant_id tenant = 0;
  bot_id bot = 0;
  std::string method;
  std::string body = "{}";  ///< JSON.
  caf::timespan patience{}; ///< 0: 10 s.
  bool own = false; ///< The node's own: may poll for updates, steer webhooks, and call for a bot
                    ///< whose owner is not proven yet. Nobody else sets it.
  std::string content_type = "application/json"; ///< Of the body.
};
/// What the Bot API answered, of whatever status.
struct method_answer {
  std::uint16_t status = 0;
  std::string content_type;
  std::string body;
};

/// Another node stored something of a tenant: its rate is read anew,
/// and whether it is suspended.
struct tenant_changed {
  tenant_id tenant = 1;
};

/// To the desks of other nodes: what this one said of a bot that it owns (`bot_found`) may be true
/// no more. → done: nothing that came in later goes by it there.
struct bot_changed {
  bot_id bot = 0;
};

/// What is written down nowhere of bots: asked of the node that has them.
struct live_query {
  std::vector<bot_id> bots;
};
struct bot_live {
  bot_id bot = 0;
  bool passive = false;          ///< Active, and out of memory until it is needed.
  std::int64_t rests_until = 0;  ///< Its delivery rests by itself; 0: it does not.
  std::string rests_because;
};
struct live_list {
  std::vector<bot_live> bots; ///< Those that are here, in the order asked for.
};

struct registrar_report {
  std::uint64_t bots = 0; ///< Registered ones that this node serves.
  std::uint64_t virtual_tokens = 0;
  bool restored = false;  ///< All that was stored is in memory.
  std::uint32_t busy = 0; ///< Operations under way.
};

/// REGISTRAR: the life cycle of registered bots: the one place where store, directory, governor and
/// the bots' supervisors are changed together; tenants' rates, too. The stored row is the truth: it
/// is written first, the rest follows it, and a start makes everything as it says. Operations on
/// one bot run one after the other. Owns: the tokens of its bots in memory, what is under way.
/// Blocks: never. Calls: store, bots, directory, governor, webhooks, the gateway's own port for
/// requests. Fails: a restart loads everything again; operations under way answer with an error of
/// the actor system and are either stored, and will be carried out, or were never begun.
///
/// In a cluster it serves the bots of the shards it was told of (`shards_gained`, and those in the
/// `cluster_view` at its start). What is asked about another bot is passed on to the node that owns
/// it, once: what another node passed on and is not ours is refused with `unavailable`, and so is
/// everything about a shard that comes, goes, or that nobody has. `outcome_unknown`: the owner was
/// lost with the request. The node's `own` method_calls are never passed on.
///
///   shards_gained → done, when all bots of these shards are served that were not given up since.
///   shards_lost → done, when operations and calls of their bots have ended (calls longer than 30 s
///   and polls are cut off), then the bots. Not `planned`: the bots are killed at once. Nothing
///   changes in the store or at Telegram.
///
/// Errors: store_refusal. bot_register: token_malformed, duplicate, token_rejected,
/// upstream_failed, too_many, tenant_suspended. bot_order: not_found, not_verified, wrong_phase.
/// bot_rotate: token_malformed, token_of_other_bot, token_rejected, upstream_failed. tenant_put,
/// tenant_remove: as the store answers them; the governor is told the tenant's rate before.
using registrar_actor = caf::typed_actor<
  caf::result<bot_row>(bot_register), caf::result<bot_row>(bot_order),
  caf::result<bot_row>(bot_rotate), caf::result<bot_row>(bot_change),
  caf::result<bot_row>(bot_remove), caf::result<made_virtual_token>(virtual_token_make),
  caf::result<done>(virtual_token_revoke), caf::result<code_verdict>(verification_try),
  caf::result<method_answer>(method_call), caf::result<tenant_row>(tenant_put),
  caf::result<done>(tenant_remove), caf::result<served_list>(served_query),
  caf::result<done>(shards_gained), caf::result<done>(shards_lost),
  caf::result<done>(tenant_changed),
  caf::result<live_list>(live_query), caf::result<registrar_report>(get_report)>;

TROUPE_FIELDS(bot_register, by, tenant, token, name, rps, concurrent, settings, trusted, patience)
TROUPE_FIELDS(bot_order, by, tenant, bot, what, reason, trusted)
TROUPE_FIELDS(bot_rotate, by, tenant, bot, token, patience)
TROUPE_FIELDS(method_call, tenant, bot, method, body, patience, own, content_type)
TROUPE_FIELDS(method_answer, status, content_type, body)
TROUPE_FIELDS(tenant_changed, tenant)
TROUPE_FIELDS(bot_changed, bot)
TROUPE_FIELDS(live_query, bots)
TROUPE_FIELDS(bot_live, bot, passive, rests_until, rests_because)
TROUPE_FIELDS(live_list, bots)
TROUPE_FIELDS(registrar_report, bots, virtual_tokens, restored, busy)

} // namespace troupe
