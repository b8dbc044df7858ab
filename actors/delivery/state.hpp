#pragma once
#include "actors/delivery/delivery.hpp"
#include "runtime/policy/fair_queue.hpp"
#include "runtime/relay/url.hpp"

#include <caf/disposable.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <string>
#include <unordered_map>
#include <vector>

namespace troupe::delivery {

/// What only the port's exchanges tell: the end of the one with this number.
using delivery_impl = delivery_actor::extend<caf::result<void>(std::uint64_t, relay_result)>;

/// The actor's state; only this folder sees it.
struct delivery_state {
  static inline const char* name = "troupe.delivery";

  using answer = caf::typed_response_promise<relay_result>;
  using actor_key = const caf::actor_control_block*;

  struct request {
    relay_request what;
    std::string host;         ///< Where to: name and port.
    std::uint32_t places = 0; ///< Of the bot.
    answer promise;
    actor_key who = nullptr; ///< Null: its bot died.
  };

  // A bot that waits or has exchanges under way; monitored while it does.
  struct asker {
    caf::actor_addr who;
    std::uint32_t requests = 0;
  };

  struct host_state {
    std::uint32_t busy = 0;
    std::vector<bot_id> parked; ///< Bots that wait for one of its places.
  };

  delivery_state(delivery_impl::pointer self, delivery_config config, delivery_ports ports);
  delivery_impl::behavior_type make_behavior();

  caf::result<relay_result> on_request(const relay_request& what);
  void serve();
  fair_queue::decision judge(const fair_queue::waiter& x, fair_queue::slot at);
  void start(request x);
  void on_end(std::uint64_t id, relay_result result);
  void count(const relay_result& result);
  void on_limits(const delivery_limits& limits);
  void on_down(const caf::down_msg& down);
  void set_alarm();
  void on_alarm();
  delivery_report report() const;

  void meet(request& x);
  void leave(actor_key who);
  [[nodiscard]] caf::timespan limit_of(const updates::update_settings& entry) const;
  [[nodiscard]] time_point now() const { return self->clock().now(); }

  delivery_impl::pointer self;
  delivery_config config;
  delivery_ports ports;
  fair_queue queue;
  std::vector<request> waiting; ///< By the queue's slots.
  std::unordered_map<std::uint64_t, request> running;
  std::unordered_map<actor_key, asker> askers;
  std::unordered_map<bot_id, std::uint32_t> busy; ///< Of bots that have exchanges under way.
  std::unordered_map<std::string, host_state> hosts;
  std::unordered_map<tenant_id, std::uint32_t> shares; ///< Exchanges under way, by tenant.
  std::vector<tenant_id> parked; ///< Tenants that have their share.
  std::uint64_t last_id = 0;
  caf::disposable alarm;
  time_point alarm_at = time_point::max();
  delivery_report counts;
};

} // namespace troupe::delivery
