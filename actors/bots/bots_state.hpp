#pragma once
#include "actors/bots/bots.hpp"
#include "messages/rate_governor.hpp"
#include "messages/updates.hpp"
#include "runtime/policy/passivation.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

/// The state of a shard's supervisor; for the files of this folder only.
namespace troupe {

using bots_impl = bots_actor::extend<caf::result<void>(ready_request)>;

struct bots_state {
  static inline const char* name = "troupe.bots";

  using place = bots_ledger::place;
  using bot_promise = caf::typed_response_promise<caf::strong_actor_ptr>;

  bots_state(bots_impl::pointer self, bots_config config, std::shared_ptr<directory> names,
             std::shared_ptr<bots_ledger> ledger);
  ~bots_state();

  bots_impl::behavior_type make_behavior();

  // Requests, bots.cpp.
  caf::result<caf::strong_actor_ptr> start(const start_bot& spec);
  void stop(const stop_bot& ask);
  void obey(const bot_command& order);
  void forward(const bot_command& order) const;
  void suspend(place at, const bot_command& order);
  void resume(place at, const bot_command& order);
  void restart(place at);
  supervision_report report(std::size_t limit) const;

  // Starts and ends, bots_life.cpp.
  void take_over();
  void launch(place at);
  void prove(const identity_proven& proof);
  void on_down(const caf::down_msg& down);
  void settle_down(place at, const caf::error& reason);
  void leave(place at);
  void settle(place at, bot_phase phase, const caf::error& reason);
  void forget(place at, const caf::error& reason);
  void crash(place at, const caf::error& reason);
  void quarantine(place at, bot_trouble& trouble, const caf::error& reason);
  void await_calm(place at);
  void calm_down(place at);
  void tell_activated(place at, bot_phase before) const;
  void tell(place at, caf::timespan rest, std::string reason) const;
  void end(caf::error reason);
  void finish_if_empty();

  // Who is in memory, bots_passivation.cpp.
  caf::result<caf::strong_actor_ptr> activate(const activate_bot& what);
  void limit(const passivation_limits& x);
  /// Starts a passive bot when there is a place for it.
  void bring_back(place at);
  /// Whoever needs it is told, once the bot of a promise runs.
  caf::result<caf::strong_actor_ptr> promise_of(place at);
  /// Takes over in the orders what the record says: called wherever that may have changed.
  void reckon(place at);
  void make_room();
  void ask(place at, const passivate& how);
  void asked(place at, caf::actor_id id, const passivation& said);
  void evicted(place at);
  /// Bots that wait for a place get the one that became free.
  void admit_line();
  void wait_in_line();
  void end_wait();
  /// An operator learns that the bound is too low, and when it no longer is.
  void tell_no_place();
  void tell_places();
  /// The bot runs: whoever waits for that is told.
  void hand_over(place at);
  void begin_passivating();
  void sweep();
  void arm_sweep();
  void stop_passivating();
  [[nodiscard]] bool passivates() const noexcept {
    return ledger.limits.policy != passivation_kind::off;
  }
  [[nodiscard]] bool full() const noexcept {
    return passivates() && ledger.limits.max_active != 0
           && ledger.running() >= ledger.limits.max_active;
  }
  /// No place is left but those kept for bots that somebody needs.
  [[nodiscard]] bool crowded() const noexcept;
  [[nodiscard]] bool is_pinned(const bot_record& record) const;

  bot_trouble& trouble_of(place at);
  void rest(place at); ///< Cancels what its timer was going to do.
  void refuse_waiting(place at, const caf::error& why);
  time_point now() const { return self->clock().now(); }

  bots_impl::pointer self;
  bots_config cfg;
  std::shared_ptr<directory> names;
  std::shared_ptr<bots_ledger> shared;
  bots_ledger& ledger;
  std::unordered_map<place, std::vector<bot_promise>> waiting; ///< For a bot that is to start soon.
  std::unordered_map<place, caf::disposable> deadlines;        ///< Of bots asked to stop.
  struct waiter {
    place at;
    time_point since;
  };
  std::deque<waiter> line;                      ///< Passive bots that are needed and find no place.
  std::unordered_set<place> in_line;            ///< The same.
  std::unordered_set<place> to_look;            ///< May have updates: told when they run.
  std::unordered_map<place, time_point> needed; ///< Since when a passive bot is.
  std::unordered_set<bot_id> pinned;
  std::unique_ptr<passivation_order::order> pressed; ///< Who leaves when there are too many.
  std::unique_ptr<passivation_order::idle> unused;   ///< Who leaves in any case.
  std::size_t asking = 0;                            ///< Bots that have not said yet.
  std::size_t going = 0;                             ///< Bots that said so, and have not ended yet.
  std::size_t stayed = 0;                            ///< Bots in a row that did not leave.
  caf::disposable sweeper;
  caf::disposable line_timer;
  bool line_waits = false; ///< The timer is set.
  std::optional<caf::error> ending;
  caf::disposable last_deadline; ///< For all bots, once this shard ends.
};

/// The error that refuses a start, with its refusal.
caf::error refuse_start(ec why, caf::timespan retry_after = caf::timespan::zero());

} // namespace troupe
