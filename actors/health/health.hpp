#pragma once
#include "messages/handles.hpp"
#include "runtime/policy/time.hpp"

#include <caf/fwd.hpp>

#include <functional>

namespace troupe {

struct health_config {
  duration window = std::chrono::seconds{60}; ///< Error rates look back so far.
  std::uint32_t min_requests = 20;            ///< With fewer in the window, rates decide nothing.
  double ewma_alpha = 0.3;                    ///< Weight of the newest latency.
  double degraded_from = 0.2;                 ///< Error rate.
  double unhealthy_from = 0.5;                ///< Error rate.
  std::uint32_t unhealthy_consecutive = 5;    ///< Failures in a row that make a bot unhealthy.
  std::uint32_t failure_threshold = 5;        ///< Failures in a row that open a breaker.
  duration open_timeout = std::chrono::seconds{60};
  std::uint32_t success_threshold = 2; ///< Successful probes that close it.
  /// The upstream's breaker waits so long for successes that are still in their batches.
  duration settle = std::chrono::milliseconds{250};
  duration forget_after = std::chrono::hours{1}; ///< Records of bots not heard of for so long go.
  std::size_t max_records = 200'000;             ///< Beyond, those not heard of for longest go.
};

struct health_ports {
  std::function<rate_governor_actor()> governor; ///< Asked at each use; may be empty.
};

/// Spawns health. It tells the governor that the upstream's breaker is closed: an earlier health
/// may have left it open.
health_actor spawn_health(caf::actor_system& sys, health_config cfg, health_ports ports);

} // namespace troupe
