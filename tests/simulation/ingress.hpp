#pragma once
#include "runtime/registry/directory.hpp"
#include "runtime/registry/services.hpp"
#include "tests/simulation/outside.hpp"

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <functional>

/// Where calls and updates come in. A gateway's connections are coroutines on real sockets, and no
/// part of this: these actors speak their part of the protocol, as `actors/gateway/session*.hpp`
/// and `runtime/webhook/handler.cpp` do. They are children of the tree's ingress supervisor, and
/// die like everybody.
namespace troupe::simulation {

struct ingress_ports {
  outside* world = nullptr; ///< Outlives the actors.
  std::shared_ptr<directory> names;
  std::shared_ptr<services> found;
};

/// Looks at a gateway's connections from outside. Valid while the node lives.
struct gateway_view {
  /// Calls that wait for a grant though their deadline is over for longer than `grace`,
  /// and twice what messages were delayed by meanwhile.
  std::function<std::string(duration grace)> overdue;
  std::function<std::size_t()> open;
};

/// Takes (put_atom, call of the plan), (delete_atom, call): its client goes away.
[[nodiscard]] caf::actor spawn_clients(caf::actor_system& sys, ingress_ports ports,
                                       std::shared_ptr<gateway_view> view);

/// Takes (put_atom, bot, update): a POST of Telegram.
[[nodiscard]] caf::actor spawn_webhook(caf::actor_system& sys, ingress_ports ports);

} // namespace troupe::simulation
