#pragma once
#include "messages/delivery.hpp"
#include "messages/intake.hpp"
#include "messages/journal.hpp"
#include "messages/registrar.hpp"
#include "runtime/registry/delivery_book.hpp"
#include "runtime/registry/event_hub.hpp"
#include "runtime/registry/slot.hpp"
#include "runtime/registry/update_meter.hpp"
#include "runtime/registry/wall_clock.hpp"

#include <atomic>

namespace troupe::native {
class pool; // runtime/native/pool.hpp
} // namespace troupe::native

namespace troupe {

/// What deals with updates, as everybody finds it: beside `services`, whose many readers need none
/// of these protocols.
struct update_services {
  service_slot<journal_actor> journal;
  service_slot<delivery_actor> delivery;
  service_slot<registrar_actor> registrar; ///< Makes the node's own calls: method_call with `own`.
  service_slot<webhooks_actor> webhooks;
  service_slot<poller_actor> poller;
  delivery_book book;
  event_hub events;                     ///< For those who watch a bot.
  std::shared_ptr<native::pool> native; ///< Runs handlers; set before any bot runs, may be null.
  update_meter meter;                   ///< Set before any bot runs; may be empty.
  /// Whether tenants' URLs may be plain HTTP and lead to private addresses; changes live.
  std::atomic<bool> private_urls{false};
  /// The node is about to stop: no bot hands over what has not begun, nor repeats it.
  std::atomic<bool> draining{false};
  /// Updates that are with receivers, and those whose end is not stored yet: they would be
  /// repeated.
  std::atomic<std::size_t> under_way{0};
  std::atomic<std::size_t> ending{0};
  wall_clock wall = wall_now; ///< Set before anything runs; called on any thread.
};

} // namespace troupe
