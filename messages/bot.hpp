#pragma once
#include "messages/handles.hpp"

#include <string>

namespace troupe {

/// A bot's life cycle. Which phase may follow which: actors/bot/life_cycle.hpp.
enum class bot_phase : std::uint8_t {
  starting,     ///< Spawned, not yet ready to take calls.
  active,       ///< Takes calls.
  passivating,  ///< Idle, about to leave memory.
  passive,      ///< Not in memory; the next call or update brings it back.
  suspended,    ///< An operator stopped it from taking calls.
  unauthorized, ///< The Bot API rejected its token. Final until the token changes.
  quarantined,  ///< Crashed too often; rests, then starts again.
  stopped,      ///< Ended, as asked.
  pending,      ///< Registered, not verified.
};
inline constexpr std::array bot_phase_names{"starting",    "active",    "passivating",
                                            "passive",     "suspended", "unauthorized",
                                            "quarantined", "stopped",   "pending"};
TROUPE_ENUM(bot_phase, bot_phase_names)

/// The exchange that `lease` was granted for did not succeed. May it be tried again?
struct attempt_failed {
  call_id id = 0;
  lease session;
  outcome how;
  caf::timespan patience{0}; ///< Time left until the caller's deadline.
};

/// The call is over and its lease goes back. Without a lease (id 0): the grant never reached the
/// connection, whose gateway died.
struct call_done {
  call_id id = 0;
  lease session;
  outcome how;
};

/// The client went away before its call was granted; its place in every queue is given up.
struct call_cancelled {
  call_id id = 0;
};

/// The answer of a granted call is being passed on and takes long: from now on its gateway alone
/// ends it, when it moves too slowly. Unknown calls are ignored.
struct answer_streams {
  call_id id = 0;
};

/// Health tells a bot (or, for the whole upstream, the governor: `bot` is 0) its breaker's state.
struct breaker_change {
  bot_id bot = 0;
  breaker_state state = breaker_state::closed;
  caf::timespan open_for{0}; ///< Until a probe is allowed, when `state` is open.
};

/// Moves a bot to another phase: suspended, active (resume), passive (resume as far
/// as there is room), unauthorized, stopped.
struct bot_command {
  bot_id bot = 0;
  bot_phase to = bot_phase::active;
};

/// Its supervisor asks a bot to leave memory. It goes (and ends with ec::passivated) if nothing of
/// it is under way, it was used at most `spare` times since it was last asked, and was not used for
/// `unused_for`. The use that it was started for does not count.
struct passivate {
  std::uint32_t spare = 0;
  caf::timespan unused_for{0};
};
/// How it stands with that.
struct passivation {
  bool goes = false;
  std::uint32_t uses = 0; ///< Since it was last asked.
  caf::timespan unused_for{0};
};

/// What a bot says of itself.
struct bot_report {
  bot_id bot = 0;
  bot_phase phase = bot_phase::starting;
  std::uint32_t running = 0; ///< Calls that hold a session, and long polls.
  std::uint32_t queued = 0;  ///< Calls that wait for permit and session, or to be tried again.
  breaker_state breaker = breaker_state::closed;
  std::uint32_t delivering = 0; ///< Updates with their receiver, or whose end is not stored yet.
};

/// BOT: admits the calls of one bot token, decides about retries, holds the leases of its calls.
/// Owns: its calls (those that wait do so in governor and pool), its view of its breaker. Blocks:
/// never. Calls: rate_governor (permit and lease in one chain), session_pool (leases for long polls
/// and files, returns), health (outcomes, in batches; failures at once). Fails: a crash answers
/// every waiting call with an error of the actor system, and the pool takes its leases back; the
/// supervisor starts it anew.
///
///   call            → grant. Errors: unauthorized, suspended, queue_full, breaker_open,
///                     upstream_open, budget_wait_too_long, no_session, deadline_passed, draining,
///                     cancelled; each with `refusal` as context. The caller owes one call_done or
///                     attempt_failed per grant.
///   attempt_failed  → grant for the next attempt, after the backoff; or not_retried, at once: the
///                     outcome is final. Either way the lease has gone back.
///   updates_ready   : it fetches them from the journal and delivers them as the bot's entry in the
///                     delivery book says; see messages/updates.hpp.
///   pull_request    → pull_answer, at once or when something came or its timeout is over. Errors:
///                     not_pulled, pull_conflict, suspended, unauthorized.
///   passivate → passivation: whether it goes. What comes between that and its end is answered with
///                     an error of the actor system, as with any bot that ended: nothing was begun.
///   call_done, call_cancelled, answer_streams, breaker_change, bot_command: notifications without
///                     an answer.

template <class Inspector>
bool inspect(Inspector& f, attempt_failed& x) {
  return f.object(x).fields(f.field("id", x.id), f.field("session", x.session),
                            f.field("how", x.how), f.field("patience", x.patience));
}

template <class Inspector>
bool inspect(Inspector& f, call_done& x) {
  return f.object(x).fields(f.field("id", x.id), f.field("session", x.session),
                            f.field("how", x.how));
}

template <class Inspector>
bool inspect(Inspector& f, call_cancelled& x) {
  return f.object(x).fields(f.field("id", x.id));
}

template <class Inspector>
bool inspect(Inspector& f, answer_streams& x) {
  return f.object(x).fields(f.field("id", x.id));
}

template <class Inspector>
bool inspect(Inspector& f, breaker_change& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("state", x.state),
                            f.field("open_for", x.open_for));
}

template <class Inspector>
bool inspect(Inspector& f, bot_command& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("to", x.to));
}

template <class Inspector>
bool inspect(Inspector& f, passivate& x) {
  return f.object(x).fields(f.field("spare", x.spare), f.field("unused_for", x.unused_for));
}

template <class Inspector>
bool inspect(Inspector& f, passivation& x) {
  return f.object(x).fields(f.field("goes", x.goes), f.field("uses", x.uses),
                            f.field("unused_for", x.unused_for));
}

template <class Inspector>
bool inspect(Inspector& f, bot_report& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("phase", x.phase),
                            f.field("running", x.running), f.field("queued", x.queued),
                            f.field("breaker", x.breaker), f.field("delivering", x.delivering));
}

} // namespace troupe
