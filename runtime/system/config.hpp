#pragma once
#include <caf/actor_system_config.hpp>

namespace troupe::system {

/// Settings of the actor system: `threads` workers that share one queue (few: most actors run on
/// the I/O lanes, see docs/architecture.md), our `timer_clock`, no log of CAF's own.
struct config : caf::actor_system_config {
  explicit config(std::size_t threads);
};

} // namespace troupe::system
