#pragma once
#include "messages/call.hpp"
#include "messages/enum.hpp"
#include "messages/fields.hpp"

#include <caf/typed_actor.hpp>

#include <string>
#include <vector>

/// What the control APIs of a cluster's nodes ask of each other. What crosses nodes is laid out for
/// ever.
namespace troupe {

/// What is counted: requests of a user, bots registered from an address, wrong keys from one.
enum class quota_kind : std::uint8_t;
struct quota_take;
struct quota_said;
struct events_take;
struct event_row;
struct events_said;

} // namespace troupe

CAF_BEGIN_TYPE_ID_BLOCK(troupe_api_peer, caf::first_custom_type_id + 1400)
CAF_ADD_TYPE_ID(troupe_api_peer, (troupe::quota_kind))
CAF_ADD_TYPE_ID(troupe_api_peer, (troupe::quota_take))
CAF_ADD_TYPE_ID(troupe_api_peer, (troupe::quota_said))
CAF_ADD_TYPE_ID(troupe_api_peer, (troupe::events_take))
CAF_ADD_TYPE_ID(troupe_api_peer, (troupe::event_row))
CAF_ADD_TYPE_ID(troupe_api_peer, (troupe::events_said))
CAF_END_TYPE_ID_BLOCK(troupe_api_peer)

namespace troupe {

enum class quota_kind : std::uint8_t { requests, creations, failures };
inline constexpr std::array quota_kind_names{"requests", "creations", "failures"};
TROUPE_ENUM(quota_kind, quota_kind_names)

/// One more event of this name.
struct quota_take {
  quota_kind kind = quota_kind::requests;
  std::string name;
};
struct quota_said {
  caf::timespan wait{0}; ///< 0: it counts. Else it may not happen for so long, and counts nothing.
};

/// What happened to a bot since the last time, for one who watches it: at once when there is
/// something, else when there is, or after `patience`. Who does not ask for a minute is forgotten.
struct events_take {
  std::uint64_t watcher = 0; ///< Drawn by who asks: nobody else has it.
  bot_id bot = 0;
  caf::timespan patience{0}; ///< At most 30 s.
};
struct event_row {
  std::uint64_t number = 0;
  std::int64_t at = 0; ///< Wall clock, milliseconds since 1970.
  std::string type;
  std::string data; ///< A JSON object.
};
struct events_said {
  std::vector<event_row> events;
  std::uint64_t missed = 0; ///< So many were dropped before these; the highest number: unknown.
};

/// API PEER: what the control APIs of other nodes ask of this node's.
/// Owns: who watches a bot from another node. Blocks: never. Calls: nobody.
/// Fails: with the control API's listener. Its successor counts from nothing, and other nodes'
/// watchers miss what happened meanwhile.
///
///   quota_take → quota_said, of a name that this node counts.
///   events_take → events_said. Error: ec::draining: the bot is another node's, or there are too
///   many
///     watchers; ask again, perhaps another node.
using api_peer_actor =
  caf::typed_actor<caf::result<quota_said>(quota_take), caf::result<events_said>(events_take)>;

TROUPE_FIELDS(quota_take, kind, name)
TROUPE_FIELDS(quota_said, wait)
TROUPE_FIELDS(events_take, watcher, bot, patience)
TROUPE_FIELDS(event_row, number, at, type, data)
TROUPE_FIELDS(events_said, events, missed)

} // namespace troupe
