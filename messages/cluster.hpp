#pragma once
#include "messages/cluster_ids.hpp"
#include "messages/store_rows.hpp"

#include <caf/message.hpp>
#include <caf/typed_actor.hpp>

#include <string>
#include <vector>

/// Many nodes as one: who is there, who has which shards of bots, and what nodes tell each other.
/// What crosses nodes is laid out for ever: a change is a new type.
namespace troupe {

// -- within a node
// ---------------------------------------------------------------------------------

/// A shard that this node owns, under a revision of etcd that rises with each owner: the fencing
/// token of everything that is written for the shard's bots.
struct shard_hold {
  std::uint16_t shard = 0;
  std::int64_t revision = 0;
};
/// The node owns these from now on: their bots are to be served. Answered when they are known (not:
/// when each of them runs). Told again what one has is done at once. Who starts anew finds all that
/// the node owns in the `cluster_view`.
struct shards_gained {
  std::vector<shard_hold> shards;
};
/// The node gives these up: answered when nothing of their bots runs here any more, and all of it
/// that was to be written is, or cannot be. Not `planned`: the lease is over, nothing can be
/// written; what was under way is dropped.
struct shards_lost {
  std::vector<std::uint16_t> shards;
  bool planned = true;
};

/// A message of a bot that counts yet, so long before its node gave the shard up.
struct past_message {
  std::int64_t bot = 0;
  std::int64_t chat = 0;
  bool group = false;
  caf::timespan age{0};
};
/// What may count in the windows of a shard's bots for whoever owns it next.
struct past_of_shard {
  std::uint16_t shard = 0;
  std::int64_t revision = 0;          ///< Of the ownership that was given up.
  caf::timespan seen{0};              ///< For so long before nothing is missing.
  std::vector<past_message> messages; ///< Oldest first.
};
/// What a 429 forbids a bot yet: this method to this chat (0: to any), or everything.
struct past_hold {
  std::int64_t bot = 0;
  std::int64_t chat = 0;
  std::string method;        ///< By name, as another build numbers them otherwise.
  bool whole = false;        ///< The bot as a whole; no chat and no method then.
  std::int64_t revision = 0; ///< Of the ownership under which it was learnt, or is asked for.
  caf::timespan left{0};
};
/// To be kept for the next owners: what is left by one who gives shards up, and what each owner
/// learns as soon as it does.
struct pasts_keep {
  std::vector<past_of_shard> shards;
  std::vector<past_hold> holds;
};
/// Of these, which the asker owns: what the owner right before it left, if it did.
struct pasts_ask {
  std::vector<shard_hold> shards;
};
/// `revision` is the asker's. Shards that are missing had an owner of whom nothing is known.
struct pasts_kept {
  std::vector<past_of_shard> shards;
  std::vector<past_hold> holds; ///< Of all that were asked for, whoever had them.
};

/// A node gives all its shards away and gets none, or takes part again. Of any node of the cluster.
struct cluster_drain {
  author by;
  std::string node;
  bool draining = true;
};

/// This node is about to stop: it gives its shards away. Answered when it has none, or there is
/// nobody to take them.
struct cluster_leave {};
/// The global budget of the whole cluster, as this node's settings have it now: what it divides
/// should it lead. 0: none.
struct cluster_budget {
  std::uint32_t rps = 0;
};
/// The node shows another certificate from now on: registered for the others to trust.
struct cluster_renew {
  std::string certificate; ///< PEM.
};

struct cluster_node_row {
  std::string name;
  std::string version;
  std::string address; ///< For other nodes, host:port.
  std::uint32_t capacity = 1;
  std::uint32_t shards = 0;
  bool draining = false;
  bool leader = false;
  bool reachable = false;  ///< From the node that tells; itself always.
  std::int64_t joined = 0; ///< Revision.
};
struct cluster_report {
  bool clustered = false; ///< False: a node by itself; the rest is empty.
  std::string self;
  bool member = false; ///< The node's lease holds.
  std::string leader;  ///< Empty: none is known.
  std::vector<cluster_node_row> nodes;
  std::uint32_t unowned = 0; ///< Shards that nobody has.
  /// Shards that another node is to have, and those of this node that it does not serve yet.
  std::uint32_t moving = 0;
  std::uint32_t budget = 0; ///< Requests per window that this node may let through; see `limited`.
  bool limited = false;     ///< Whether there is a global budget.
};

// -- between nodes
// ---------------------------------------------------------------------------------

/// A holder asks the leader for a slice of the global budget; runtime/policy/budget_slices.hpp.
struct slice_ask {
  std::uint64_t holder = 0;
  std::uint64_t number = 0;
  std::uint64_t epoch = 0;
  std::uint64_t grant = 0;
  std::uint32_t used = 0;
  std::uint32_t waiting = 0;
};
/// The answer. Errors: any of the actor system's, or ec::draining: there is no leader now; ask
/// again.
struct slice_given {
  std::uint64_t request = 0;
  std::uint64_t epoch = 0;
  std::uint64_t number = 0;
  std::uint32_t count = 0;
  caf::timespan length{0};
  caf::timespan wait{0}; ///< Nobody gets any before so long from the request's sending.
};

/// The same for many budgets at once: those of tenants that have a rate and want something.
struct slice_part {
  std::uint32_t tenant = 0; ///< 0: the global budget.
  std::uint32_t rate = 0;   ///< The tenant's, as the asker knows it; the smallest known one holds.
  slice_ask what;
};
struct slices_ask {
  std::vector<slice_part> parts;
};
struct slice_part_given {
  std::uint32_t tenant = 0;
  slice_given what;
};
/// Parts that a newer question of this holder came before are missing. Errors: those of
/// slice_given.
struct slices_given {
  std::vector<slice_part_given> parts;
};

/// The first word between two nodes: who asks, by the name and the life (its lease) under which it
/// is registered in etcd, and where requests to it go. A node that is not registered is not
/// answered.
struct peer_hello {
  std::string node;
  std::int64_t life = 0;
  caf::strong_actor_ptr desk;
};
struct peer_welcome {
  std::string node;
  std::int64_t life = 0;
};

/// What a request of another node's is for.
enum class peer_part : std::uint8_t {
  registrar,
  journal,
  webhooks,
  health,
  cluster,
  api,      ///< The control API; messages/api_peer.hpp.
  governor, ///< What is charged to windows of its bots' chats: a notification.
};
inline constexpr std::array peer_part_names{"registrar", "journal", "webhooks", "health",
                                            "cluster",   "api",     "governor"};
TROUPE_ENUM(peer_part, peer_part_names)

/// A request for a part of another node, as if it had been sent there: its answer is that part's,
/// or an error of the actor system when the part is being restarted.
struct peer_request {
  peer_part to = peer_part::registrar;
  caf::message what;
};

/// Which bot has this token? Sent to the owner of the shard of the number before the token's colon.
struct bot_find {
  bot_id bot = 0;      ///< That number.
  secret_string token; ///< The bot's own, or a virtual one.
};
/// Its actor: brought back first if it was out of memory. Errors: those that a call would get:
/// unknown_bot, unauthorized, suspended, quarantined, stopped, too_many_bots, with `refusal`.
struct bot_found {
  bot_id bot = 0;
  tenant_id tenant = 1;
  caf::strong_actor_ptr actor;
  secret_string own;                ///< The bot's own token, when a virtual one was asked for.
  std::int64_t worker = 0;          ///< Number of the virtual token; 0: none.
  std::vector<std::string> methods; ///< That it may call, in small letters; empty: all.
  bool receives = false; ///< Its updates come to Troupe: getUpdates and the webhook methods
                         ///< are Troupe's own.
  bool named = false;    ///< It asked for kinds of updates:
  std::vector<std::string> kinds;
};

/// A webhook method of a bot, or getUpdates for the kinds alone, is carried out where the bot is:
/// answered with a method_answer.
struct bot_steer {
  bot_id bot = 0;
  tenant_id tenant = 1;
  std::string method;
  std::string query; ///< Of the request, as the next three.
  std::string body;
  std::string content_type;
  std::string content_encoding;
  std::string client;      ///< Its address, for the trail.
  std::int64_t worker = 0; ///< Number of the virtual token; 0: none.
};

/// A node took updates for a bot of another's into the box (runtime/store): its owner is told to
/// look. A notification.
struct box_filled {
  bot_id bot = 0;
};

/// CLUSTER: this node's place among the others: registered in etcd under a lease, shards owned by
/// keys under it, one node elected to assign them.
/// Owns: the lease, what it knows of the others, the leader's book of budget slices. Blocks: never.
/// Calls: etcd, journal and registrar (shards that come and go), its peers.
/// Fails: a restart gives up the lease and joins anew.
///
///   peer_hello → peer_welcome, when the asker is registered so. Else ec::draining: ask again.
///   slice_ask → slice_given, of this node's governor or of another node: answered by the leader.
///   slices_ask → slices_given, the same for tenants' rates.
using cluster_actor =
  caf::typed_actor<caf::result<cluster_report>(get_report), caf::result<done>(cluster_drain),
                   caf::result<done>(cluster_leave), caf::result<done>(cluster_renew),
                   caf::result<slice_given>(slice_ask), caf::result<slices_given>(slices_ask),
                   caf::result<peer_welcome>(peer_hello), caf::result<void>(cluster_budget)>;

TROUPE_FIELDS(shard_hold, shard, revision)
TROUPE_FIELDS(shards_gained, shards)
TROUPE_FIELDS(shards_lost, shards, planned)
TROUPE_FIELDS(past_message, bot, chat, group, age)
TROUPE_FIELDS(past_of_shard, shard, revision, seen, messages)
TROUPE_FIELDS(past_hold, bot, chat, method, whole, revision, left)
TROUPE_FIELDS(pasts_keep, shards, holds)
TROUPE_FIELDS(pasts_ask, shards)
TROUPE_FIELDS(pasts_kept, shards, holds)
TROUPE_FIELDS(cluster_drain, by, node, draining)
TROUPE_FIELDS(cluster_renew, certificate)
TROUPE_FIELDS(cluster_budget, rps)
TROUPE_FIELDS(cluster_node_row, name, version, address, capacity, shards, draining, leader,
              reachable, joined)
TROUPE_FIELDS(cluster_report, clustered, self, member, leader, nodes, unowned, moving, budget,
              limited)
TROUPE_FIELDS(slice_ask, holder, number, epoch, grant, used, waiting)
TROUPE_FIELDS(slice_given, request, epoch, number, count, length, wait)
TROUPE_FIELDS(slice_part, tenant, rate, what)
TROUPE_FIELDS(slice_part_given, tenant, what)
TROUPE_FIELDS(slices_ask, parts)
TROUPE_FIELDS(slices_given, parts)
TROUPE_FIELDS(peer_hello, node, life, desk)
TROUPE_FIELDS(peer_welcome, node, life)
TROUPE_FIELDS(peer_request, to, what)
TROUPE_FIELDS(bot_find, bot, token)
TROUPE_FIELDS(bot_found, bot, tenant, actor, own, worker, methods, receives, named, kinds)
TROUPE_FIELDS(bot_steer, bot, tenant, method, query, body, content_type, content_encoding, client,
              worker)
TROUPE_FIELDS(box_filled, bot)

template <class Inspector>
bool inspect(Inspector& f, cluster_leave& x) {
  return f.object(x).fields();
}

} // namespace troupe
