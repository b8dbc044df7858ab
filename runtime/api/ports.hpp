#pragma once
#include "messages/bot.hpp"
#include "messages/cluster.hpp"
#include "messages/intake.hpp"
#include "messages/journal.hpp"
#include "messages/registrar.hpp"
#include "runtime/config/networks.hpp"
#include "runtime/metrics/instruments.hpp"
#include "runtime/metrics/render.hpp"
#include "runtime/registry/delivery_book.hpp"
#include "runtime/registry/event_hub.hpp"
#include "runtime/registry/live_value.hpp"

#include <caf/fwd.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {
class cluster_view; // runtime/registry/cluster_view.hpp
} // namespace troupe

namespace troupe::api {

/// Quotas of the control API.
struct api_limits {
  std::uint32_t requests_per_minute = 100; ///< Of one user; 0: no limit.
  std::uint32_t creations_per_minute = 5;  ///< Bots registered from one address; 0: no limit.
  std::uint32_t failures_per_minute = 30;  ///< Wrong keys from one address; 0: no limit.
  std::vector<config::network> trusted_proxies; ///< Whose X-Forwarded-For is believed.

  friend bool operator==(const api_limits&, const api_limits&) = default;
};

/// All that the API knows of its node. The functions are called on the listener's threads and must
/// not block; one that is empty, and an empty handle, mean that the service is not running.
struct ports {
  caf::actor_system* system = nullptr;
  std::function<session_pool_actor()> session_pool;
  std::function<rate_governor_actor()> rate_governor;
  std::function<health_actor()> health;
  std::function<supervisor_actor()> root;
  std::function<std::vector<gateway_actor>()> gateways;
  /// Empty (the function, not the handle): the node has no store, and its reports need no key.
  std::function<store_actor()> store;
  std::function<registrar_actor()> registrar;
  std::function<journal_actor()> journal;
  std::function<webhooks_actor()> webhooks;
  /// Until when, and why, the delivery of a bot's updates rests by itself; may be empty.
  std::function<std::optional<delivery_book::pause>(bot_id)> delivery_pause;
  /// Whether a receiver's URL may be one that only development needs; empty: not looked at.
  std::function<bool()> private_urls;
  /// By which a bot's relayed updates are signed; may be empty.
  std::function<std::string(bot_id)> signing_key;
  /// Where what happens to bots is told; null: nobody can watch.
  std::shared_ptr<event_hub> events;
  /// Whether an active bot is out of memory until it is needed; may be empty.
  std::function<bool(bot_id)> is_passive;
  /// Bots per phase, indexed by bot_phase.
  std::function<std::array<std::uint64_t, bot_phase_names.size()>()> bots_by_phase;
  /// This node among others; null for a node by itself. What is asked about a bot of another node
  /// is asked there.
  std::shared_ptr<cluster_view> cluster;
  /// Whether the node refuses new work.
  std::function<bool()> draining;
  std::shared_ptr<metrics::instruments> instruments;
  std::shared_ptr<metrics::exporter> exporter;
  api_limits limits;
  /// The limits as they are now, where they change while the API runs; may be null.
  std::shared_ptr<const live_value<api_limits>> live;
  /// A request is answered with 503 when an actor says nothing for so long.
  caf::timespan answer_timeout = std::chrono::seconds{2};
  /// The same where the Bot API is asked, or much is copied.
  caf::timespan long_timeout = std::chrono::seconds{30};
  /// The time that quotas go by.
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
};

} // namespace troupe::api
