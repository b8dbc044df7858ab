#pragma once
#include "messages/store.hpp"
#include "runtime/net/http_server.hpp"
#include "runtime/registry/directory.hpp"
#include "runtime/registry/services.hpp"
#include "runtime/updates/secret.hpp"

#include <caf/actor_system.hpp>

#include <array>
#include <functional>
#include <memory>
#include <string>

namespace troupe::webhook {

/// How a request ended, for metrics.
enum class ending : std::uint8_t {
  stored,       ///< 200: on disk now.
  duplicate,    ///< 200: it was before.
  not_found,    ///< 404, 405: no webhook's URL, or no POST.
  wrong_source, ///< 403: not from Telegram's networks.
  wrong_secret, ///< 403: also for bots that do not exist.
  malformed,    ///< 400: no update.
  unknown_bot,  ///< 410: with its secret, but it was removed.
  full,         ///< 503: the bot has as many waiting as it may have.
  unavailable,  ///< 503: the journal does not answer, or cannot store.
  draining,     ///< 503: the node is about to stop.
};
inline constexpr std::array ending_names{"stored",       "duplicate",   "not_found",   "wrong_source",
                                         "wrong_secret", "malformed",   "unknown_bot", "full",
                                         "unavailable",  "draining"};

struct settings {
  std::string path; ///< In front of /webhook, see path_of.
  unsigned threads = 1;
  std::size_t max_body = std::size_t{1} << 20;      ///< Bytes; above: 413.
  std::chrono::milliseconds journal_timeout{10'000}; ///< Then 503.
};

struct ports {
  caf::actor_system* system = nullptr;
  std::shared_ptr<services> found; ///< With `updates`.
  std::shared_ptr<directory> names;
  std::shared_ptr<const updates::webhook_secret> secret;
  /// Whether Telegram may be where a request comes from; empty: from everywhere.
  std::function<bool(const net::http_request&)> source;
  std::function<bool()> draining;     ///< May be empty.
  /// Says whether a bot of another node's is registered. Needed in a cluster.
  std::function<store_actor()> store;
  std::function<void(ending)> counted; ///< Called for each request, on its thread. May be empty.
};

/// Answers what Telegram sends. 200 means: it is on disk. Whatever else Telegram is told, it keeps
/// the update and tries again.
/// @param server Gets its limits, its answers to what is no HTTP, and to whom it listens no further
///   than to the head.
[[nodiscard]] net::http_handler make_handler(net::http_server_config& server, settings how,
                                             ports to);

} // namespace troupe::webhook
