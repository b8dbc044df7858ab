#pragma once
#include "messages/delivery.hpp"
#include "runtime/registry/delivery_book.hpp"
#include "runtime/relay/port.hpp"

#include <caf/fwd.hpp>

#include <functional>
#include <memory>
#include <string>

namespace troupe {

/// The limits change live by a message of that type.
struct delivery_config : delivery_limits {
  std::uint32_t max_waiting = 20'000; ///< Requests of all bots; beyond, ec::no_session.
};

struct delivery_ports {
  std::shared_ptr<relay::port> connections;
  /// The entry of a bot, asked at each request.
  std::function<delivery_book::entry(bot_id)> entry;
  /// By which a bot's updates are signed; empty: they are not.
  std::function<std::string(bot_id)> signing_key;
};

/// Spawns the pool; it closes all connections of earlier ones. A request waits for its turn as long
/// as its exchange may take; then, and when too many wait, it ends with ec::no_session.
delivery_actor spawn_delivery(caf::actor_system& sys, delivery_config config,
                              delivery_ports ports);

} // namespace troupe
