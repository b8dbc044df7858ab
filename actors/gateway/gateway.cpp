#include "actors/gateway/gateway.hpp"

#include "actors/gateway/connection.hpp"
#include "actors/gateway/context.hpp"

#include <boost/asio/post.hpp>

#include <caf/make_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <atomic>

namespace troupe {
namespace {

using namespace gateway;

struct gateway_state {
  static inline const char* name = "troupe.gateway";

  gateway_state(gateway_actor::pointer self, std::shared_ptr<context> shared)
    : self(self), shared(std::move(shared)) {
    caf::actor_config config;
    // Runs however the actor ends, also when it is killed.
    self->attach_functor([ctx = this->shared](const caf::error&) {
      net::asio::post(ctx->lane().executor(), [ctx] { ctx->abandon(); });
    });
    auto replies = caf::make_actor<reply_port, caf::strong_actor_ptr>(
      self->system().next_actor_id(), self->system().node(), &self->system(), config,
      std::weak_ptr{this->shared});
    net::asio::post(this->shared->lane().executor(), [ctx = this->shared, replies] {
      ctx->replies = replies;
      ctx->start();
    });
  }

  gateway_actor::behavior_type make_behavior() {
    return {
      [this](const drain& x) {
        net::asio::post(shared->lane().executor(),
                        [ctx = shared, close = x.close_listener] { ctx->drain(close); });
      },
      [this](const get_report&) { return report(); },
    };
  }

  gateway_report report() const {
    return {shared->open, shared->calls, shared->accepted_total, shared->calls_total};
  }

  gateway_actor::pointer self;
  std::shared_ptr<context> shared;
};

} // namespace

gateway_actor spawn_gateway(caf::actor_system& sys, gateway_config config, gateway_ports ports) {
  static std::atomic<std::uint64_t> incarnations{0};
  if (!ports.connections)
    ports.connections = std::make_shared<std::atomic<std::size_t>>(0);
  auto shared = std::make_shared<context>(std::move(config), std::move(ports));
  shared->next_call = (++incarnations << 40) + 1;
  listen(*shared);
  return sys.spawn<gateway_actor::stateful_impl<gateway_state>>(std::move(shared));
}

} // namespace troupe
