#pragma once
#include "messages/bot.hpp"

#include <string>
#include <vector>

namespace troupe {

/// One child of a supervisor, for /v1/supervision.
struct child_info {
  std::string name;  ///< Dotted actor name without ids, or "bot" for a bot.
  std::string state; ///< "running", "restarting", "stopped", or a bot's phase.
  bot_id bot = 0;    ///< Which bot, if it is one.
  std::uint64_t restarts = 0;
  caf::timespan uptime{0};
  caf::strong_actor_ptr
    supervisor; ///< Set when the child is a supervisor that can be asked in turn.
};

struct supervision_report {
  std::string name;
  std::string strategy;       ///< "one_for_one", "rest_for_one", "one_for_all", "bots".
  std::uint64_t children = 0; ///< All of them; `rows` holds at most the limit asked for.
  std::uint64_t restarts = 0;
  std::vector<child_info> rows;
};

/// An operator's order: a child ends and is started again, with its siblings as the strategy says.
struct restart_child {
  std::string name;  ///< As in the report.
  bool kill = false; ///< It is not asked to end: a crash like any other, which the restart budget
                     ///< counts. Otherwise it is, and nothing is counted.
};

/// Starts a bot, or answers with the one that runs already.
struct start_bot {
  bot_id bot = 0;
  tenant_id tenant = 1;
  bool proven = true; ///< False for an adopted token that the upstream has not accepted yet.
  bot_id claimed = 0; ///< The number before an unproven token's colon: its id once proven.
  std::uint64_t token_hash = 0; ///< Key of the directory entry that leads to this bot.
  std::uint32_t rps = 0;        ///< 0: the default.
  std::uint32_t concurrent = 0; ///< 0: the default.
  bool pending = false; ///< Its owner is not proven: it runs in phase `pending` and takes the
                        ///< node's own calls alone.
  std::uint32_t quarantines = 0; ///< In a row, as stored: how long the next one is. New bots only.
  /// False: nobody waits for it. It may be passive until somebody needs it; then the answer is
  /// ec::passivated.
  bool needed = true;
};

/// Brings a bot back that is passive, or answers with the one that runs.
struct activate_bot {
  bot_id bot = 0;    ///< The id it is kept under: directory::found::home.
  bool look = false; ///< It may have updates: it is told so (updates_ready).
};

/// Which idle bots leave memory when there are more than there may be.
enum class passivation_kind : std::uint8_t {
  off,  ///< None ever does.
  idle, ///< Those unused for longest.
  lru,  ///< Those whose last use was first, found without being exact about times.
  slru, ///< The same, but those used once go before those used again: resists scans.
};
inline constexpr std::array passivation_kind_names{"off", "idle", "lru", "slru"};
TROUPE_ENUM(passivation_kind, passivation_kind_names)

/// Live limits of one shard.
struct passivation_limits {
  passivation_kind policy = passivation_kind::off;
  std::size_t max_active = 0;  ///< Bots that run at once; 0: any number.
  caf::timespan idle_after{0}; ///< One unused for so long leaves in any case; 0: none does.
  std::vector<bot_id> pinned;  ///< These never do. By their numbers.

  friend bool operator==(const passivation_limits&, const passivation_limits&) = default;
};

/// Stops a bot for good and forgets it. Unknown ones are ignored.
struct stop_bot {
  bot_id bot = 0;
  bool moves = false; ///< To another node, which hears of its health.
};

/// Counts of bots, for metrics.
struct bots_report {
  std::array<std::uint64_t, 9> by_phase{}; ///< Indexed by bot_phase.
};

/// SUPERVISOR: starts its children in order, watches them with monitors, restarts them as their
/// specs say (Erlang/OTP semantics), stops them in reverse order: ask, wait for the deadline, kill.
/// Owns: its children. Blocks: never. Fails: when it spends its restart budget it stops all its
/// children and ends with restart_budget_exceeded; its parent decides. Killed from outside, its
/// children are killed with it, and its successor waits until they are gone.
///
///   get_report → supervision_report. restart_child → whether it begins: the child runs, and it is
///   one that is ever started again.
///
/// BOTS: the supervisor of one shard of bots. One restart budget per bot: a bot that spends it is
/// quarantined (1 min, doubling to 1 h, with an alert); its siblings never notice.
///
///   start_bot → the bot's handle. Errors: quarantined, unauthorized, suspended (with `refusal`),
///               too_many_bots, unknown_bot (no directory entry), draining, stopped.
///   identity_proven (from an adopted bot whose token the upstream accepted): its record and its
///   directory entry carry the number `to` from now on, its key stays `from`.
///   activate_bot → the bot's handle; waits for a place, if it must, for a second at most. Errors: as
///               start_bot's; too_many_bots (with `refusal`): no other bot is idle.
///   stop_bot, bot_command, passivation_limits: notifications. get_report → supervision_report.

template <class Inspector>
bool inspect(Inspector& f, child_info& x) {
  return f.object(x).fields(f.field("name", x.name), f.field("state", x.state),
                            f.field("bot", x.bot), f.field("restarts", x.restarts),
                            f.field("uptime", x.uptime), f.field("supervisor", x.supervisor));
}

template <class Inspector>
bool inspect(Inspector& f, supervision_report& x) {
  return f.object(x).fields(f.field("name", x.name), f.field("strategy", x.strategy),
                            f.field("children", x.children), f.field("restarts", x.restarts),
                            f.field("rows", x.rows));
}

template <class Inspector>
bool inspect(Inspector& f, restart_child& x) {
  return f.object(x).fields(f.field("name", x.name), f.field("kill", x.kill));
}

template <class Inspector>
bool inspect(Inspector& f, start_bot& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("tenant", x.tenant),
                            f.field("proven", x.proven), f.field("claimed", x.claimed),
                            f.field("token_hash", x.token_hash), f.field("rps", x.rps),
                            f.field("concurrent", x.concurrent), f.field("pending", x.pending),
                            f.field("quarantines", x.quarantines), f.field("needed", x.needed));
}

template <class Inspector>
bool inspect(Inspector& f, activate_bot& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("look", x.look));
}

template <class Inspector>
bool inspect(Inspector& f, passivation_limits& x) {
  return f.object(x).fields(f.field("policy", x.policy), f.field("max_active", x.max_active),
                            f.field("idle_after", x.idle_after), f.field("pinned", x.pinned));
}

template <class Inspector>
bool inspect(Inspector& f, stop_bot& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("moves", x.moves));
}

template <class Inspector>
bool inspect(Inspector& f, bots_report& x) {
  return f.object(x).fields(f.field("by_phase", x.by_phase));
}

} // namespace troupe
