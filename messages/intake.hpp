#pragma once
#include "messages/bot.hpp"
#include "messages/enum.hpp"
#include "messages/fields.hpp"

#include <caf/typed_actor.hpp>

#include <string>
#include <vector>

/// How updates come in: what the registrar tells `webhooks` of its bots, and `webhooks` the poller.
namespace troupe {

enum class intake_state : std::uint8_t;

struct bot_served;
struct bot_gone;
struct served_query;
struct served_list;
struct webhook_release;
struct intake_check;
struct intake_query;
struct intake_view;
struct code_received;
struct poll_bot;
struct poll_stop;
struct polls_query;
struct polls_list;
struct webhooks_report;
struct poller_report;

} // namespace troupe

CAF_BEGIN_TYPE_ID_BLOCK(troupe_intake, caf::first_custom_type_id + 1200)
CAF_ADD_TYPE_ID(troupe_intake, (troupe::intake_state))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::bot_served))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::bot_gone))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::served_query))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::served_list))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::webhook_release))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::intake_check))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::intake_query))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::intake_view))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::code_received))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::poll_bot))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::poll_stop))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::polls_query))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::polls_list))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::webhooks_report))
CAF_ADD_TYPE_ID(troupe_intake, (troupe::poller_report))
CAF_END_TYPE_ID_BLOCK(troupe_intake)

namespace troupe {

/// The registrar serves a bot, or something of it changed: phase, settings, token.
struct bot_served {
  bot_id bot = 0;
  tenant_id tenant = 1;
  bot_phase phase = bot_phase::pending;
  bool moved = false; ///< Another node served it before: most probably all is as it should be.
};
/// It was removed, or another node serves it from now on.
struct bot_gone {
  bot_id bot = 0;
};
/// All bots that the registrar serves.
struct served_query {};
struct served_list {
  std::vector<bot_served> bots;
  bool restored = false; ///< All that is stored; otherwise the rest is told one by one.
};

/// How a bot's updates reach the node just now.
enum class intake_state : std::uint8_t {
  settling,  ///< What Telegram has of it is being looked at or changed.
  webhook,   ///< Telegram's webhook leads here.
  polling,   ///< The poller asks for them.
  none,      ///< Somebody else receives them, as its settings say.
  elsewhere, ///< Telegram's webhook leads elsewhere, and nobody said to take it over.
  resting,   ///< The bot is suspended, quarantined or unauthorized: Telegram keeps its updates.
  failing,   ///< Telegram does not take the change; it is tried again.
};
inline constexpr std::array intake_state_names{"settling",  "webhook", "polling", "none",
                                               "elsewhere", "resting", "failing"};
TROUPE_ENUM(intake_state, intake_state_names)

struct intake_query {
  bot_id bot = 0;
};
struct intake_view {
  intake_state state = intake_state::settling;
  std::string reason;       ///< For people; of failing and elsewhere: without secrets.
  std::string elsewhere;    ///< Where Telegram's webhook leads when not here: scheme and host.
  std::int64_t checked = 0; ///< Wall clock, milliseconds: when Telegram last said how it is.
  std::uint64_t pending = 0; ///< What waited at Telegram then.
  std::string last_error;    ///< Of Telegram's last delivery that failed.
  std::int64_t last_error_at = 0;
};

/// The bot is about to be removed: Telegram's side becomes what it was before. Answered when it
/// is, or cannot be.
struct webhook_release {
  bot_id bot = 0;
};
/// Somebody found that Telegram's side is not as it should be: looked at soon.
struct intake_check {
  bot_id bot = 0;
};
/// A pending bot was sent "/start CODE".
struct code_received {
  bot_id bot = 0;
  std::int64_t sender = 0;
  std::int64_t chat = 0;
  std::string code;
};

/// From now on this bot is polled; again: its kinds of updates may be others.
struct poll_bot {
  bot_id bot = 0;
  tenant_id tenant = 1;
  std::string allowed; ///< `allowed_updates` as JSON; empty: not given.
};
struct poll_stop {
  bot_id bot = 0;
};
/// All bots that are to be polled.
struct polls_query {};
struct polls_list {
  std::vector<poll_bot> bots;
};

struct webhooks_report {
  std::array<std::uint64_t, intake_state_names.size()> by_state{}; ///< Indexed by intake_state.
  std::uint64_t repaired = 0; ///< Webhooks that had drifted.
};
struct poller_report {
  std::uint64_t bots = 0;
  std::uint64_t polls = 0;     ///< Under way now.
  std::uint64_t received = 0;  ///< Updates, duplicates included.
  std::uint64_t stored = 0;
  std::uint64_t conflicts = 0; ///< Answers 409.
  std::uint64_t failures = 0;  ///< Others, transport errors included.
  std::uint64_t paused = 0;    ///< Bots whose journal is full.
  std::uint64_t repaired = 0;   ///< Updates with broken text, which was replaced.
  std::uint64_t unreadable = 0; ///< Of `received`: no updates; they become dead letters.
};

/// WEBHOOKS: keeps Telegram's side of each registered bot as its settings say: webhook here,
/// deleted, or left alone.
/// Owns: what it knows of each bot's webhook; where it led before it was taken over is in the store.
/// Blocks: never. Paces its requests over all bots.
/// Calls: the registrar (method_call `own`, verification_try), the poller, the store.
/// Fails: a restart asks the registrar for all bots and looks at each one's webhook anew.
///
///   intake_query → intake_view. Error: store_refusal::not_found for a bot it was not told of.
using webhooks_actor =
  caf::typed_actor<caf::result<void>(bot_served), caf::result<void>(bot_gone),
                   caf::result<void>(webhook_release), caf::result<void>(intake_check),
                   caf::result<void>(code_received), caf::result<intake_view>(intake_query),
                   caf::result<polls_list>(polls_query),
                   caf::result<webhooks_report>(get_report)>;

/// POLLER: the one consumer at Telegram of each bot that is polled.
/// Owns: whose turn it is, each bot's offset. Blocks: never.
/// Calls: the registrar (getUpdates through bot and pool), the journal, `webhooks`.
/// Fails: a restart polls again without an offset: Telegram repeats what was not confirmed, and the
/// journal knows duplicates.
using poller_actor =
  caf::typed_actor<caf::result<void>(poll_bot), caf::result<void>(poll_stop),
                   caf::result<poller_report>(get_report)>;

TROUPE_FIELDS(bot_served, bot, tenant, phase, moved)
TROUPE_FIELDS(bot_gone, bot)
TROUPE_FIELDS(served_list, bots, restored)
TROUPE_FIELDS(intake_query, bot)
TROUPE_FIELDS(intake_view, state, reason, elsewhere, checked, pending, last_error, last_error_at)
TROUPE_FIELDS(webhook_release, bot)
TROUPE_FIELDS(intake_check, bot)
TROUPE_FIELDS(code_received, bot, sender, chat, code)
TROUPE_FIELDS(poll_bot, bot, tenant, allowed)
TROUPE_FIELDS(poll_stop, bot)
TROUPE_FIELDS(polls_list, bots)
TROUPE_FIELDS(webhooks_report, by_state, repaired)
TROUPE_FIELDS(poller_report, bots, polls, received, stored, conflicts, failures, paused, repaired,
              unreadable)

template <class Inspector>
bool inspect(Inspector& f, served_query& x) {
  return f.object(x).fields();
}

template <class Inspector>
bool inspect(Inspector& f, polls_query& x) {
  return f.object(x).fields();
}

} // namespace troupe
