#include "actors/cluster/cluster.hpp"
#include "messages/registrar.hpp"
#include "runtime/log/log.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>

namespace troupe::clustering {
namespace {

struct desk_state {
  static inline const char* name = "troupe.cluster-desk";

  desk_state(caf::event_based_actor* self, desk_ports ports)
    : self(self), ports(std::move(ports)) {}

  caf::behavior make_behavior() {
    // What a newer version asks and this one does not know: its sender learns so.
    self->set_default_handler([](caf::scheduled_actor*, caf::message&) -> caf::skippable_result {
      return caf::make_error(caf::sec::unexpected_message);
    });
    return {
      [this](const peer_hello& x) { return greet(x); },
      [this](peer_request& x) { return pass_on(x); },
      [this](const bot_find& x) -> caf::result<bot_found> {
        if (!knows_sender() || !ports.find)
          return caf::make_error(ec::draining);
        return ports.find(self, x);
      },
      [this](const bot_steer& x) { return steer(x); },
      [this](const bot_changed& x) -> caf::result<done> {
        if (!knows_sender())
          return caf::make_error(ec::draining);
        ports.view->note_change(shard_of(x.bot));
        return done{};
      },
      [this](const box_filled& x) {
        if (auto to = knows_sender() && ports.part ? ports.part(peer_part::journal) : caf::actor{})
          caf::anon_send(to, x);
      },
    };
  }

  caf::result<peer_welcome> greet(const peer_hello& x) {
    auto cluster = ports.view->actor.get();
    if (!cluster || !self->current_sender())
      return caf::make_error(ec::draining);
    return self->delegate(cluster, x);
  }

  caf::result<caf::message> steer(const bot_steer& x) {
    if (!knows_sender() || !ports.steer)
      return caf::make_error(ec::draining);
    method_call what;
    what.tenant = x.tenant;
    what.bot = x.bot;
    what.method = x.method;
    return self->delegate(ports.steer(x), std::move(what));
  }

  /// The answer is the part's own.
  caf::result<caf::message> pass_on(peer_request& x) {
    if (!knows_sender())
      return caf::make_error(ec::draining);
    auto to = ports.part ? ports.part(x.to) : caf::actor{};
    if (!to)
      return caf::make_error(ec::draining);
    auto* element = self->current_mailbox_element();
    to->enqueue(caf::make_mailbox_element(element->sender, element->mid, {}, std::move(x.what)),
                self->context());
    element->mid.mark_as_answered();
    return caf::delegated<caf::message>{};
  }

  [[nodiscard]] bool knows_sender() const {
    return self->current_sender() && ports.view->knows(self->current_sender()->node());
  }

  caf::event_based_actor* self;
  desk_ports ports;
};

} // namespace
} // namespace troupe::clustering

namespace troupe {

caf::actor spawn_desk(caf::actor_system& sys, desk_ports ports) {
  return sys.spawn<caf::stateful_actor<clustering::desk_state>, caf::hidden>(std::move(ports));
}

} // namespace troupe
