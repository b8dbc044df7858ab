#pragma once
#include "messages/intake.hpp"
#include "runtime/registry/directory.hpp"
#include "runtime/registry/services.hpp"

#include <caf/fwd.hpp>

#include <functional>
#include <memory>

namespace troupe {

struct poller_config {
  std::chrono::seconds timeout{50}; ///< Telegram waits so long for a first update, at most.
  std::uint32_t limit = 100;        ///< Updates of one poll.
  std::size_t max_polls = 1000;     ///< At once. More bots take turns, with shorter timeouts.
  caf::timespan patience = std::chrono::seconds{30};      ///< For a place in the pool.
  caf::timespan first_retry = std::chrono::seconds{1};    ///< After a failure, doubling ...
  caf::timespan last_retry = std::chrono::seconds{60};    ///< ... up to this.
  caf::timespan first_conflict = std::chrono::seconds{5}; ///< Somebody else polls: the same.
  caf::timespan last_conflict = std::chrono::minutes{10};
  caf::timespan first_full = std::chrono::seconds{1}; ///< A full journal is looked at again.
  caf::timespan last_full = std::chrono::seconds{30};
};

struct poller_ports {
  std::shared_ptr<services> found; ///< With `updates`.
  std::shared_ptr<directory> names;
  /// Told how many updates were stored, and how many had been before. May be empty.
  std::function<void(std::uint64_t stored, std::uint64_t duplicates)> counted;
};

/// Spawns the poller; it asks `webhooks` whom to poll. See messages/intake.hpp.
poller_actor spawn_poller(caf::actor_system& sys, poller_config config, poller_ports ports);

} // namespace troupe
