#pragma once
#include "messages/enum.hpp"
#include "messages/updates.hpp"

#include <caf/typed_actor.hpp>

namespace troupe {

/// One POST of an update to its tenant's URL. Where to, with which secrets and limits: the bot's
/// entry in the node's delivery book.
struct relay_request {
  bot_id bot = 0;
  tenant_id tenant = 1;
  std::uint64_t id = 0; ///< The bot's, unique among its requests under way.
  std::uint32_t attempt = 1;
  shared_text body;
};

/// How it ended.
enum class relay_end : std::uint8_t {
  answered,    ///< With `status`.
  not_sent,    ///< Not connected, or no place before the deadline: it certainly did not happen.
  broken,      ///< The connection ended before the whole answer.
  timeout,     ///< No answer in time.
  forbidden,   ///< The URL leads to an address that may not be used, or is none.
  not_relayed, ///< The bot's updates go nowhere by relay (any more).
};
inline constexpr std::array relay_end_names{"answered", "not_sent",  "broken",
                                            "timeout",  "forbidden", "not_relayed"};
TROUPE_ENUM(relay_end, relay_end_names)

struct relay_result {
  relay_end how = relay_end::answered;
  std::uint16_t status = 0;
  caf::timespan retry_after{-1}; ///< As the receiver asked for; negative: it did not.
  caf::timespan took{0};
  std::string content_type;
  std::string body;   ///< Of a 2xx: may ask for a method. At most 256 KiB, else left out.
  std::string reason; ///< For people, when there is no answer. Without the URL's secrets.
};

/// Live limits.
struct delivery_limits {
  std::uint32_t max_connections = 200; ///< To all tenants.
  std::uint32_t max_per_host = 50;     ///< To one host and port.
  caf::timespan timeout = std::chrono::seconds{60}; ///< One exchange, unless the bot's is shorter.
  caf::timespan idle_timeout = std::chrono::seconds{30};
  bool allow_private_addresses = false;

  friend bool operator==(const delivery_limits&, const delivery_limits&) = default;
};

struct delivery_report {
  std::uint32_t open = 0; ///< Connections, idle ones included.
  std::uint32_t busy = 0;
  std::uint32_t waiting = 0;
  std::uint64_t relayed = 0;   ///< Answered with 2xx.
  std::uint64_t failed = 0;    ///< Everything else but forbidden.
  std::uint64_t forbidden = 0;
};

/// DELIVERY: the second pool: connections to tenants' URLs, fair among tenants and bots.
/// Owns: who waits for a connection and who uses one. Blocks: never. Calls: its port.
/// Fails: a restart closes all connections; requests under way get an error of the actor system
/// and their bots try again.
///
///   relay_request → relay_result. A bot that dies gives up its requests.
///   delivery_limits: a notification.
using delivery_actor =
  caf::typed_actor<caf::result<relay_result>(relay_request), caf::result<void>(delivery_limits),
                   caf::result<delivery_report>(get_report)>;

TROUPE_FIELDS(relay_request, bot, tenant, id, attempt, body)
TROUPE_FIELDS(relay_result, how, status, retry_after, took, content_type, body, reason)
TROUPE_FIELDS(delivery_limits, max_connections, max_per_host, timeout, idle_timeout,
              allow_private_addresses)
TROUPE_FIELDS(delivery_report, open, busy, waiting, relayed, failed, forbidden)

} // namespace troupe
