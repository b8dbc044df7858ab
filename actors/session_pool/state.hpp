#pragma once
#include "actors/session_pool/credits.hpp"
#include "actors/session_pool/place_line.hpp"
#include "actors/session_pool/session_pool.hpp"
#include "actors/session_pool/session_table.hpp"
#include "messages/rate_governor.hpp"
#include "runtime/policy/recent_map.hpp"

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <vector>

namespace troupe {

/// The pool's state; only this folder sees it.
struct session_pool_state {
  static inline const char* name = "troupe.session-pool";

  // A bot that holds or waits for sessions, or did so lately. Monitored once.
  struct lessee {
    caf::actor_addr who;
    std::uint32_t leases = 0;
    std::uint32_t waiting = 0;
    time_point seen;
  };

  struct waiter {
    lease_request what;
    std::uint64_t lessee = 0; // 0: nobody.
    caf::typed_response_promise<lease> promise;
  };

  // The waiters of one kind, by their slots in the line's queue.
  struct waiting {
    place_line line;
    std::vector<waiter> by_slot;
  };

  session_pool_state(session_pool_actor::pointer self, session_pool_config config,
                     session_pool_ports ports);

  session_pool_actor::behavior_type make_behavior();

  // -- session_pool.cpp: requests and waiters ---------------------------------

  caf::result<lease> on_request(const lease_request& what);
  caf::result<lease> on_credit(const lease_request& what, const caf::strong_actor_ptr& sender);
  caf::result<lease> wait(const lease_request& what, const caf::strong_actor_ptr& sender);
  lease grant(const lease_request& what, std::uint64_t who, time_point at);
  waiter leave(waiting& from, fair_queue::slot slot);
  waiter take_out(waiting& from, fair_queue::slot slot);
  void serve(call_kind kind);
  void on_cancel(const lease_cancel& what);
  void set_alarm();
  void on_alarm();

  // -- upkeep.cpp: leases that end, lessees, governor, limits, reports -----------

  void on_return(const lease_return& back);
  void end_lease(std::uint32_t index, bool reusable);
  std::uint64_t meet(const caf::strong_actor_ptr& sender);
  void forget_quiet(std::size_t n, duration quiet_for);
  void on_down(const caf::down_msg& down);
  void reclaim(std::uint32_t index, const caf::error& reason);
  void tell_governor(bot_id bot, bool free);
  void on_limits(const pool_limits& limits);
  void settle_credits(std::uint32_t room_before, std::uint32_t room_now);
  void look_for_governor();
  pool_capacity announce_to(const caf::strong_actor_ptr& governor);
  void on_tick();
  template <class T>
  void tell(const rate_governor_actor& governor, T what);
  pool_report report(const get_report& what);

  static session_limits limits_of(const session_pool_config& config);
  /// Files that one bot may download at once.
  static std::uint32_t file_share(const pool_limits& limits);

  waiting& waiting_for(call_kind kind) { return kind == call_kind::file ? files : polls; }

  /// Counts the incarnations, and the governors told, of this process; never 0.
  static std::uint32_t next_epoch() noexcept;

  /// An actor by its address, unique while somebody keeps that address.
  static std::uint64_t key_of(const caf::actor_control_block* ptr) noexcept {
    return reinterpret_cast<std::uintptr_t>(ptr);
  }

  [[nodiscard]] time_point now() const { return self->clock().now(); }

  session_pool_actor::pointer self;
  session_pool_config config;
  session_pool_ports ports;
  std::uint32_t epoch;
  credit_book credits;
  session_table table;
  waiting polls; // Requests wait in the governor.
  waiting files;
  recent_map<std::uint64_t, lessee> lessees;
  caf::disposable alarm;
  time_point alarm_at = time_point::max();
  caf::actor_addr told; // The governor that was told last: the credits are its.
  bool announced = false;
  std::uint64_t reclaimed = 0;
};

} // namespace troupe
