#pragma once
#include "messages/enum.hpp"
#include "messages/errors.hpp"
#include "messages/type_ids.hpp"

#include <caf/timespan.hpp>

#include <cstdint>

/// The words that several protocols share: what a call is, what grants it, how it ends.
namespace troupe {

/// The number before a token's colon. An adopted token that the upstream has not accepted yet has a
/// negative id made from its keyed hash, so that nobody acts on another bot's number.
using bot_id = std::int64_t;

/// Owner of bots. Those of bot.conf and adopted ones belong to tenant 1.
using tenant_id = std::uint32_t;

/// Unique in its node while the node runs: the gateway's incarnation, then a count.
using call_id = std::uint64_t;

/// Asks an actor for its report.
struct get_report {
  std::uint32_t limit = 1000; ///< At most so many rows in lists.
};

/// What a call is to budgets and pool.
enum class call_kind : std::uint8_t {
  request,   ///< Counted by the global and bot budgets.
  long_poll, ///< getUpdates: own session places, outside the budgets.
  file,      ///< File download: a session, outside the budgets.
};
inline constexpr std::array call_kind_names{"request", "long_poll", "file"};
TROUPE_ENUM(call_kind, call_kind_names)

/// A chat as the budgets see it: its numeric id, or a hash of its @name.
struct chat_ref {
  std::int64_t key = 0; ///< 0: no chat.
  bool group = false;   ///< Counts as a group: negative ids and @names until known otherwise.
  explicit operator bool() const noexcept { return key != 0; }
  friend bool operator==(const chat_ref&, const chat_ref&) = default;
};

/// A client asks its bot to make one Bot API request.
struct call {
  call_id id = 0;
  std::uint16_t method = 0; ///< Index into runtime/telegram's method table.
  call_kind kind = call_kind::request;
  bool repeatable = false;       ///< Sending it twice does no harm, or the caller asked for it.
  bool replayable = true;        ///< The body is held whole, so it can be sent again.
  bool produces_message = false; ///< Charged to the chat budgets.
  bool paid_broadcast = false;   ///< `allow_paid_broadcast`: lifts the bot's budget to 1000/s.
  chat_ref chat;
  caf::timespan patience{0}; ///< Time left until the caller's deadline; 0: it waits for nothing.
  std::uint16_t lane = 0;    ///< I/O thread of the client's connection: the pool prefers it.
  bool own = false;          ///< The node's own, for the bot's updates: also for a bot whose owner
                             ///< is not proven yet.
};

/// Carried as context by the errors that refuse a call.
struct refusal {
  caf::timespan retry_after{0}; ///< When trying again makes sense; 0: not known.
};

/// The right to use one session until it is returned.
struct lease {
  std::uint64_t id = 0;          ///< 0: none. Never used again.
  std::uint64_t session = 0;     ///< Which connection, on ...
  std::uint16_t lane = 0;        ///< ... which I/O thread.
  std::uint32_t epoch = 0;       ///< Incarnation of the pool that granted it.
  std::int64_t permitted_at = 0; ///< Steady clock, ns: the permit's stamp; 0 if it needed none.
};

/// The bot allows the exchange: write the request on `session` now.
struct grant {
  call_id id = 0;
  lease session;
  std::uint16_t attempt = 1; ///< 1 for the first.
  caf::timespan waited{0};   ///< Time spent waiting so far, without the exchanges.
};

/// Where an exchange with the upstream broke.
enum class failure : std::uint8_t {
  none,        ///< An answer came (of whatever status).
  not_sent,    ///< Not connected, or nothing written: it certainly did not happen.
  broken,      ///< Connection lost after something was written: it may have happened.
  timeout,     ///< No answer in time: it may have happened.
  half_answer, ///< The answer ended too early, and part of it may have reached the client.
  aborted,     ///< The client went away, or the lease was taken back.
};
inline constexpr std::array failure_names{"none",    "not_sent",    "broken",
                                          "timeout", "half_answer", "aborted"};
TROUPE_ENUM(failure, failure_names)

/// How one exchange ended.
struct outcome {
  failure what = failure::none;
  std::uint16_t status = 0;     ///< HTTP status when `what` is none.
  caf::timespan latency{0};     ///< First byte written to last byte read.
  caf::timespan retry_after{0}; ///< From a 429.
  bool reusable = false;        ///< The session is in a known state and may be kept.
  bool unsent = false;          ///< Of `aborted`: nothing was written, so no budget is spent.
};

/// Whether an answer with this HTTP status says that something is wrong with the upstream. Of 501
/// the client is the cause: its request is of a kind that is not served, however often it comes.
[[nodiscard]] constexpr bool is_server_fault(unsigned status) noexcept {
  return status >= 500 && status != 501;
}

/// A circuit breaker's state.
enum class breaker_state : std::uint8_t { closed, open, half_open };
inline constexpr std::array breaker_state_names{"closed", "open", "half-open"};
TROUPE_ENUM(breaker_state, breaker_state_names)

template <class Inspector>
bool inspect(Inspector& f, get_report& x) {
  return f.object(x).fields(f.field("limit", x.limit));
}

template <class Inspector>
bool inspect(Inspector& f, chat_ref& x) {
  return f.object(x).fields(f.field("key", x.key), f.field("group", x.group));
}

template <class Inspector>
bool inspect(Inspector& f, call& x) {
  return f.object(x).fields(
    f.field("id", x.id), f.field("method", x.method), f.field("kind", x.kind),
    f.field("repeatable", x.repeatable), f.field("replayable", x.replayable),
    f.field("produces_message", x.produces_message), f.field("paid_broadcast", x.paid_broadcast),
    f.field("chat", x.chat), f.field("patience", x.patience), f.field("lane", x.lane),
    f.field("own", x.own));
}

template <class Inspector>
bool inspect(Inspector& f, refusal& x) {
  return f.object(x).fields(f.field("retry_after", x.retry_after));
}

template <class Inspector>
bool inspect(Inspector& f, lease& x) {
  return f.object(x).fields(f.field("id", x.id), f.field("session", x.session),
                            f.field("lane", x.lane), f.field("epoch", x.epoch),
                            f.field("permitted_at", x.permitted_at));
}

template <class Inspector>
bool inspect(Inspector& f, grant& x) {
  return f.object(x).fields(f.field("id", x.id), f.field("session", x.session),
                            f.field("attempt", x.attempt), f.field("waited", x.waited));
}

template <class Inspector>
bool inspect(Inspector& f, outcome& x) {
  return f.object(x).fields(f.field("what", x.what), f.field("status", x.status),
                            f.field("latency", x.latency), f.field("retry_after", x.retry_after),
                            f.field("reusable", x.reusable), f.field("unsent", x.unsent));
}

} // namespace troupe
