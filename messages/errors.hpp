#pragma once
#include "messages/type_ids.hpp"

#include <caf/default_enum_inspect.hpp>
#include <caf/error.hpp>
#include <caf/is_error_code_enum.hpp>

#include <array>
#include <string>
#include <string_view>

namespace troupe {

/// Why Troupe refuses or fails something.
enum class ec : std::uint8_t {
  none,                    ///< Success; never put into a caf::error.
  unknown_bot,             ///< No bot has this token or id.
  unauthorized,            ///< The Bot API rejected the bot's token. Final.
  suspended,               ///< An operator suspended the bot.
  quarantined,             ///< The bot crashed too often and rests.
  queue_full,              ///< The bot has as many waiting calls as it may have.
  budget_wait_too_long,    ///< The budget frees up after the caller's deadline.
  breaker_open,            ///< The bot's breaker is open.
  upstream_open,           ///< The breaker of the whole upstream is open.
  no_session,              ///< No session became free before the deadline.
  draining,                ///< The node is shutting down.
  deadline_passed,         ///< The caller's deadline passed while the call waited.
  not_retried,             ///< The attempt's outcome is final: pass it on as it is.
  cancelled,               ///< The caller went away.
  transport_failed,        ///< The connection broke before an answer.
  restart_budget_exceeded, ///< A supervisor gave up on a child.
  bad_config,              ///< A setting is wrong; the message names file, key, value, allowed.
  stopped,                 ///< Asked to stop, and did.
  too_many_bots,           ///< No further bot can be adopted.
  journal_full,            ///< The bot has as many updates waiting as it may have.
  pull_conflict,           ///< Another poll of the bot's updates took over, or was first.
  not_pulled,              ///< The bot's updates are delivered in another way than by polls.
  passivated,              ///< The bot was idle and left memory; it comes back when it is needed.
};

/// Names in the order of the enumerators: the only list that spells them.
inline constexpr std::array ec_names{"none",
                                     "unknown_bot",
                                     "unauthorized",
                                     "suspended",
                                     "quarantined",
                                     "queue_full",
                                     "budget_wait_too_long",
                                     "breaker_open",
                                     "upstream_open",
                                     "no_session",
                                     "draining",
                                     "deadline_passed",
                                     "not_retried",
                                     "cancelled",
                                     "transport_failed",
                                     "restart_budget_exceeded",
                                     "bad_config",
                                     "stopped",
                                     "too_many_bots",
                                     "journal_full",
                                     "pull_conflict",
                                     "not_pulled",
                                     "passivated"};

static_assert(ec_names.size() == static_cast<std::size_t>(ec::passivated) + 1);

inline std::string to_string(ec x) {
  return ec_names.at(static_cast<std::size_t>(x));
}

inline bool from_integer(std::uint8_t raw, ec& x) {
  return raw < ec_names.size() ? (x = static_cast<ec>(raw), true) : false;
}

inline bool from_string(caf::string_view name, ec& x) {
  for (std::uint8_t i = 0; i < ec_names.size(); ++i)
    if (name.compare(ec_names[i]) == 0)
      return from_integer(i, x);
  return false;
}

template <class Inspector>
bool inspect(Inspector& f, ec& x) {
  return caf::default_enum_inspect(f, x);
}

/// Whether a caller may try again later. Also true for a receiver that died.
bool is_transient(const caf::error& err) noexcept;

} // namespace troupe

CAF_ERROR_CODE_ENUM(troupe::ec)
