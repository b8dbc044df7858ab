#pragma once
#include "messages/handles.hpp"

#include <string>
#include <vector>

namespace troupe {

/// Asks for a session. The sender is the lessee: it is monitored while it holds or waits for one.
struct lease_request {
  bot_id bot = 0;
  tenant_id tenant = 1;
  call_id id = 0;
  call_kind kind = call_kind::request;
  std::uint16_t lane = 0;    ///< Preferred I/O thread.
  caf::timespan patience{0}; ///< Wait at most so long for a free session.
  std::uint32_t credit_epoch =
    0; ///< From the governor: the pool incarnation whose credit is spent; 0: no credit.
  std::int64_t permitted_at = 0; ///< The permit's stamp, copied into the lease.
};

/// Gives a lease back. A lease given back twice, or after it was reclaimed, is ignored.
struct lease_return {
  std::uint64_t lease = 0;
  bool reusable = false; ///< False closes the connection: its state on the wire is unknown.
};

/// A waiter of a bot gives up its place. Unknown ones are ignored.
struct lease_cancel {
  bot_id bot = 0;
  call_id id = 0;
};

/// A new governor asks for the pool's capacity; credits given to an earlier one are void.
struct credit_request {
  std::uint32_t governor_epoch = 0;
};

/// Limits of a pool, live. Raised ones open at once; with lowered ones idle connections close and
/// leases that are too many end in their own time.
struct pool_limits {
  std::uint32_t max_connections = 100; ///< In total, without long polls.
  std::uint32_t max_per_host = 30;     ///< To one upstream, without long polls.
  std::uint32_t max_per_bot = 10;      ///< Leases of one kind that one bot may have at once.
  std::uint32_t max_polls = 1000;      ///< Long polls at once, over all bots.
  caf::timespan idle_timeout = std::chrono::seconds{50}; ///< Idle for longer: closed.
  caf::timespan max_age = std::chrono::seconds{600};     ///< Older: closed when it is idle.
  std::uint32_t max_downloads = 10; ///< File downloads at once, of the connections above; one bot
                                    ///< has half of them at most.
};

/// One session, for /v1/sessions.
struct session_info {
  std::uint64_t id = 0;
  std::uint16_t lane = 0;
  call_kind kind = call_kind::request;
  bot_id lessee = 0;        ///< 0: idle.
  std::uint64_t leases = 0; ///< Granted on it so far.
  caf::timespan age{0};
  caf::timespan idle{0};
};

struct pool_report {
  std::uint32_t epoch = 0;
  std::uint32_t max_connections = 0;
  std::uint32_t max_per_host = 0;
  std::uint32_t max_polls = 0;
  std::uint32_t max_downloads = 0;
  std::uint32_t leased = 0; ///< Without polls.
  std::uint32_t idle = 0;
  std::uint32_t polls = 0;
  std::uint32_t downloads = 0; ///< Of the leased ones.
  std::uint32_t waiting = 0;
  std::uint64_t leases_total = 0;
  std::uint64_t reclaimed_total = 0;
  std::uint64_t opened_total = 0;
  std::uint64_t closed_total = 0;
  std::vector<session_info> sessions;
};

/// SESSION POOL: leases connections to the upstream. A session is a place for one keep-alive
/// connection on one I/O thread; the connection is made there at first use and validated there
/// before reuse.
/// Owns: the list of sessions, who leases them, the queue of waiters (long polls and files; calls
/// wait in the governor, which holds this pool's credits). Blocks: never.
/// Calls: rate_governor (capacity once, a credit for every lease of a request that ended), the
/// network port (close a connection).
/// Fails: a restart closes every connection; exchanges under way fail as broken.
///
///   lease_request  → lease. Errors: no_session (deadline passed, or nothing behind its credit: it
///                    is of another pool, or there are fewer places than there were).
///   lease_return, lease_cancel, pool_limits: notifications.
///   credit_request → pool_capacity.
///
/// A dead lessee's sessions are closed, their places freed, `lease.reclaimed` is logged, the next
/// waiter is served.

template <class Inspector>
bool inspect(Inspector& f, lease_request& x) {
  return f.object(x).fields(
    f.field("bot", x.bot), f.field("tenant", x.tenant), f.field("id", x.id),
    f.field("kind", x.kind), f.field("lane", x.lane), f.field("patience", x.patience),
    f.field("credit_epoch", x.credit_epoch), f.field("permitted_at", x.permitted_at));
}

template <class Inspector>
bool inspect(Inspector& f, lease_return& x) {
  return f.object(x).fields(f.field("lease", x.lease), f.field("reusable", x.reusable));
}

template <class Inspector>
bool inspect(Inspector& f, lease_cancel& x) {
  return f.object(x).fields(f.field("bot", x.bot), f.field("id", x.id));
}

template <class Inspector>
bool inspect(Inspector& f, credit_request& x) {
  return f.object(x).fields(f.field("governor_epoch", x.governor_epoch));
}

template <class Inspector>
bool inspect(Inspector& f, pool_limits& x) {
  return f.object(x).fields(
    f.field("max_connections", x.max_connections), f.field("max_per_host", x.max_per_host),
    f.field("max_per_bot", x.max_per_bot), f.field("max_polls", x.max_polls),
    f.field("idle_timeout", x.idle_timeout), f.field("max_age", x.max_age),
    f.field("max_downloads", x.max_downloads));
}

template <class Inspector>
bool inspect(Inspector& f, session_info& x) {
  return f.object(x).fields(f.field("id", x.id), f.field("lane", x.lane), f.field("kind", x.kind),
                            f.field("lessee", x.lessee), f.field("leases", x.leases),
                            f.field("age", x.age), f.field("idle", x.idle));
}

template <class Inspector>
bool inspect(Inspector& f, pool_report& x) {
  return f.object(x).fields(
    f.field("epoch", x.epoch), f.field("max_connections", x.max_connections),
    f.field("max_per_host", x.max_per_host), f.field("max_polls", x.max_polls),
    f.field("leased", x.leased), f.field("idle", x.idle), f.field("polls", x.polls),
    f.field("max_downloads", x.max_downloads), f.field("downloads", x.downloads),
    f.field("waiting", x.waiting), f.field("leases_total", x.leases_total),
    f.field("reclaimed_total", x.reclaimed_total), f.field("opened_total", x.opened_total),
    f.field("closed_total", x.closed_total), f.field("sessions", x.sessions));
}

} // namespace troupe
