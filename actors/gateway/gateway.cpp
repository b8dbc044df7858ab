#include "actors/gateway/gateway.hpp"

#include "actors/gateway/connection.hpp"
#include "actors/gateway/context.hpp"

#include <boost/asio/post.hpp>

#include <caf/init_global_meta_objects.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <atomic>

namespace troupe {
namespace {

using namespace gateway;

/// Tells the connection its answer, on its own thread.
void tell(context& ctx, const std::weak_ptr<connection_base>& to, std::uint64_t ticket,
          verdict what) {
  if (ctx.lane().running_here()) {
    if (auto alive = to.lock())
      alive->resolve(ticket, std::move(what));
    return;
  }
  net::asio::post(ctx.lane().executor(), [to, ticket, what = std::move(what)]() mutable {
    if (auto alive = to.lock())
      alive->resolve(ticket, std::move(what));
  });
}

struct gateway_state {
  static inline const char* name = "troupe.gateway";

  gateway_state(gateway_impl::pointer self, std::shared_ptr<context> shared)
    : self(self), shared(std::move(shared)) {
    // Runs however the actor ends, also when it is killed.
    self->attach_functor([ctx = this->shared](const caf::error&) {
      net::asio::post(ctx->lane().executor(), [ctx] { ctx->abandon(); });
    });
    auto ctx = this->shared;
    auto me = gateway_impl{self};
    net::asio::post(ctx->lane().executor(), [ctx, me] {
      ctx->self = me;
      ctx->start();
    });
  }

  gateway_impl::behavior_type make_behavior() {
    return {
      [this](const drain& x) {
        net::asio::post(shared->lane().executor(),
                        [ctx = shared, close = x.close_listener] { ctx->drain(close); });
      },
      [this](const get_report&) { return report(); },
      [this](const submission& x) { submit(x); },
      [this](const adoption& x) { adopt(x); },
    };
  }

  void submit(const submission& x) {
    auto on_grant = [ctx = shared, from = x.from, ticket = x.ticket](const grant& granted) {
      tell(*ctx, from, ticket, granted);
    };
    auto on_error = [ctx = shared, from = x.from, ticket = x.ticket](caf::error& why) {
      tell(*ctx, from, ticket, std::move(why));
    };
    std::visit(
      [&](const auto& what) { self->request(x.bot, caf::infinite, what).then(on_grant, on_error); },
      x.what);
  }

  void adopt(const adoption& x) {
    self->request(x.supervisor, caf::infinite, x.what)
      .then([ctx = shared, from = x.from, ticket = x.ticket](
              const caf::strong_actor_ptr&) { tell(*ctx, from, ticket, grant{}); },
            [ctx = shared, from = x.from, ticket = x.ticket](caf::error& why) {
              tell(*ctx, from, ticket, std::move(why));
            });
  }

  gateway_report report() const {
    return {shared->open, shared->calls, shared->accepted_total, shared->calls_total};
  }

  gateway_impl::pointer self;
  std::shared_ptr<context> shared;
};

} // namespace

void init_gateway_types() {
  caf::init_global_meta_objects<caf::id_block::troupe_gateway_private>();
}

gateway_actor spawn_gateway(caf::actor_system& sys, gateway_config config, gateway_ports ports) {
  static std::atomic<std::uint64_t> incarnations{0};
  auto shared = std::make_shared<context>(std::move(config), std::move(ports));
  shared->next_call = (++incarnations << 40) + 1;
  listen(*shared);
  return sys.spawn<gateway_impl::stateful_impl<gateway_state>>(std::move(shared));
}

} // namespace troupe
