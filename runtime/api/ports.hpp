#pragma once
#include "messages/bot.hpp"
#include "runtime/metrics/instruments.hpp"
#include "runtime/metrics/render.hpp"

#include <caf/fwd.hpp>

#include <array>
#include <functional>
#include <memory>
#include <vector>

namespace troupe::api {

/// All that the API knows of its node. The functions are called on the listener's threads and must
/// not block; one that is empty, and an empty handle, mean that the service is not running.
struct ports {
  caf::actor_system* system = nullptr;
  std::function<session_pool_actor()> session_pool;
  std::function<rate_governor_actor()> rate_governor;
  std::function<health_actor()> health;
  std::function<supervisor_actor()> root;
  std::function<std::vector<gateway_actor>()> gateways;
  /// Bots per phase, indexed by bot_phase.
  std::function<std::array<std::uint64_t, bot_phase_names.size()>()> bots_by_phase;
  /// Whether the node refuses new work.
  std::function<bool()> draining;
  std::shared_ptr<metrics::instruments> instruments;
  std::shared_ptr<metrics::exporter> exporter;
  /// A request is answered with 503 when an actor says nothing for so long.
  caf::timespan answer_timeout = std::chrono::seconds{2};
};

} // namespace troupe::api
