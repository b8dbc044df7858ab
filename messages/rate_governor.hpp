#pragma once
#include "messages/bot.hpp"

#include <string>
#include <vector>

namespace troupe {

/// A bot asks to make one request of kind `request`. The sender is monitored while it waits.
struct permit_request {
  bot_id bot = 0;
  tenant_id tenant = 1;
  call_id id = 0;
  std::uint16_t method = 0;
  bool produces_message = false; ///< Charge `chat` too.
  bool paid_broadcast = false;
  chat_ref chat;
  std::uint16_t lane = 0;    ///< Passed on to the pool.
  caf::timespan patience{0}; ///< Wait at most so long for budget and session together.
};

/// The waiting call of a bot was given up: its place goes, nothing is spent.
struct permit_cancel {
  bot_id bot = 0;
  call_id id = 0;
};

/// A permit that no request was sent for: its stamp is taken out of every window again.
struct permit_unused {
  bot_id bot = 0;
  tenant_id tenant = 1;
  chat_ref chat;
  std::int64_t permitted_at = 0; ///< 0: not known, since its lease was refused. Then:
  call_id id = 0;                ///< The last permit of this call, ...
  std::int64_t after = 0;        ///< ... if it was stamped later than this (steady clock, ns).
};

/// The Bot API answered 429 to `bot`.
struct flood_report {
  bot_id bot = 0;
  chat_ref chat; ///< None: the bot as a whole is held for that method.
  std::uint16_t method = 0;
  caf::timespan retry_after{0};
};

/// A call's chat was seen only after its permit (late in a multipart body): charge it now.
struct chat_charge {
  bot_id bot = 0;
  chat_ref chat;
};

/// Sets a bot's own limits, live.
struct bot_limits {
  bot_id bot = 0;
  std::uint32_t rps = 0;        ///< Requests in any second. 0: the default.
  std::uint32_t concurrent = 0; ///< Requests at once. 0: the default.
};

/// The rates of all tenants that have one of their own, live: requests of a tenant's bots in any
/// second, instead of `rate_limits::tenant_rps`. Exact at once: what went out before counts.
struct tenant_limits {
  std::vector<std::pair<tenant_id, std::uint32_t>> rates; ///< Who is not named has none.
};

/// A pool says what it has: credits of earlier epochs are void.
struct pool_capacity {
  std::uint32_t epoch = 0;
  std::uint32_t sessions = 0; ///< Free places for requests, all of them now the governor's credits.
  std::uint32_t per_bot = 0;  ///< At most so many at once for one bot.
  std::uint32_t places = 0;   ///< All places for requests, leased ones included.
  /// Bots that have leases of requests now, and how many: they count against what each may have.
  std::vector<std::pair<bot_id, std::uint32_t>> leases = {};
};

/// The limits of the pool whose credits the governor has were changed. Credits that this one has
/// too many of are found out when they are spent.
struct capacity_change {
  std::uint32_t epoch = 0;
  std::uint32_t added = 0; ///< So many credits more.
  std::uint32_t per_bot = 0;
  std::uint32_t places = 0;
};

/// Limits of every budget, live: requests in any window of the named length, 0 = no limit. From
/// now on no window holds more than these, what went out before counted.
struct rate_limits {
  std::uint32_t global_rps = 25;           ///< All bots together.
  std::uint32_t tenant_rps = 0;            ///< The bots of one tenant, unless it has its own rate.
  std::uint32_t bot_rps = 30;              ///< One bot, unless it has a rate of its own.
  std::uint32_t chat_rps = 3;              ///< Messages to one private chat (0: in 20 s, too), ...
  std::uint32_t chat_per_20s = 20;         ///< ... and in 20 s.
  std::uint32_t group_rpm = 20;            ///< Messages to one group, in 60 s.
  std::uint32_t paid_broadcast_rps = 1000; ///< One bot, requests that pay for it included.
  std::uint64_t max_windows = 1'000'000;   ///< Of bots, chats, groups each.
};

/// What had been granted on credit is over.
struct credit {
  std::uint32_t epoch = 0;
  bot_id bot = 0;    ///< The bot whose lease ended, or was refused.
  bool gone = false; ///< Its place is not free again: there were more credits than places.
};

/// An adopted bot's token was accepted: what `from` used counts for `to` from now on.
struct identity_proven {
  bot_id from = 0;
  bot_id to = 0;
};

/// One budget, for /v1/budgets.
struct budget_usage {
  std::string scope;       ///< "global", "tenant", "bot", "chat", "group".
  std::uint64_t limit = 0; ///< If it is limited, 0: this node has no part of it now.
  caf::timespan window{0};
  std::uint64_t used = 0;      ///< Now, in the fullest window of that scope.
  std::uint64_t windows = 0;   ///< Windows in memory.
  std::uint64_t throttled = 0; ///< Requests that this scope made wait, ever.
  bool limited = false;        ///< False: as many as one likes.
};

struct governor_report {
  std::uint64_t granted = 0;
  std::uint64_t refused = 0;
  std::uint32_t waiting = 0;
  std::uint32_t credits = 0;
  std::uint32_t holds = 0; ///< Chats, methods and bots held after a 429.
  breaker_state upstream = breaker_state::closed;
  std::vector<budget_usage> budgets;
};

/// RATE GOVERNOR: decides when a request may go to the Bot API, over all bots. One per node.
/// Owns: the windows (global, tenant, bot, chat, group), the holds learned from 429s, the pool's
/// credits, the queue of waiters: fair over tenants, then bots. Blocks: never.
/// Calls: session_pool (a due request is delegated to it with a credit, so a permit never waits
/// for a session), and asks it for its capacity at start.
/// Fails: a new governor treats the past it has not seen as full.
///
///   permit_request → lease (answered by the pool). Errors, with `refusal` as context:
///                    budget_wait_too_long (at once, when the wait would outlast the patience),
///                    no_session, deadline_passed, upstream_open, cancelled. no_session before the
///                    patience is over: the pool had no place for the credit; give the permit back
///                    (permit_unused) and ask again.
///   shards_gained, shards_lost: see messages/cluster.hpp; answered when what may count yet in the
///                    windows of their bots is known, or nobody can tell; and when it is kept for
///                    the next owner.
///   The rest: notifications.

template <class Inspector>
bool inspect(Inspector& f, permit_request& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("tenant", x.tenant), f.field("id", x.id),
                            f.field("method", x.method),
                            f.field("produces_message", x.produces_message),
                            f.field("paid_broadcast", x.paid_broadcast), f.field("chat", x.chat),
                            f.field("lane", x.lane), f.field("patience", x.patience));
}

template <class Inspector>
bool inspect(Inspector& f, permit_cancel& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("id", x.id));
}

template <class Inspector>
bool inspect(Inspector& f, permit_unused& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("tenant", x.tenant),
                            f.field("chat", x.chat), f.field("permitted_at", x.permitted_at),
                            f.field("id", x.id), f.field("after", x.after));
}

template <class Inspector>
bool inspect(Inspector& f, flood_report& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("chat", x.chat),
                            f.field("method", x.method), f.field("retry_after", x.retry_after));
}

template <class Inspector>
bool inspect(Inspector& f, chat_charge& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("chat", x.chat));
}

template <class Inspector>
bool inspect(Inspector& f, bot_limits& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("rps", x.rps),
                            f.field("concurrent", x.concurrent));
}

template <class Inspector>
bool inspect(Inspector& f, tenant_limits& x) {
  return f.object(x).fields(f.field("rates", x.rates));
}

template <class Inspector>
bool inspect(Inspector& f, pool_capacity& x) {
  return f.object(x).fields(f.field("epoch", x.epoch), f.field("sessions", x.sessions),
                            f.field("per_bot", x.per_bot), f.field("places", x.places),
                            f.field("leases", x.leases));
}

template <class Inspector>
bool inspect(Inspector& f, capacity_change& x) {
  return f.object(x).fields(f.field("epoch", x.epoch), f.field("added", x.added),
                            f.field("per_bot", x.per_bot), f.field("places", x.places));
}

template <class Inspector>
bool inspect(Inspector& f, rate_limits& x) {
  return f.object(x).fields(
    f.field("global_rps", x.global_rps), f.field("tenant_rps", x.tenant_rps),
    f.field("bot_rps", x.bot_rps), f.field("chat_rps", x.chat_rps),
    f.field("chat_per_20s", x.chat_per_20s), f.field("group_rpm", x.group_rpm),
    f.field("paid_broadcast_rps", x.paid_broadcast_rps), f.field("max_windows", x.max_windows));
}

template <class Inspector>
bool inspect(Inspector& f, credit& x) {
  return f.object(x).fields(f.field("epoch", x.epoch), f.field("bot", x.bot),
                            f.field("gone", x.gone));
}

template <class Inspector>
bool inspect(Inspector& f, identity_proven& x) {
  return f.object(x).fields(f.field("from", x.from), f.field("to", x.to));
}

template <class Inspector>
bool inspect(Inspector& f, budget_usage& x) {
  return f.object(x).fields(f.field("scope", x.scope), f.field("limit", x.limit),
                            f.field("window", x.window), f.field("used", x.used),
                            f.field("windows", x.windows), f.field("throttled", x.throttled),
                            f.field("limited", x.limited));
}

template <class Inspector>
bool inspect(Inspector& f, governor_report& x) {
  return f.object(x).fields(f.field("granted", x.granted), f.field("refused", x.refused),
                            f.field("waiting", x.waiting), f.field("credits", x.credits),
                            f.field("holds", x.holds), f.field("upstream", x.upstream),
                            f.field("budgets", x.budgets));
}

} // namespace troupe
