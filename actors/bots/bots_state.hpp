#pragma once
#include "actors/bots/bots.hpp"
#include "messages/rate_governor.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <optional>
#include <unordered_map>
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
  void stop(bot_id bot);
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
  std::optional<caf::error> ending;
  caf::disposable last_deadline; ///< For all bots, once this shard ends.
};

/// The error that refuses a start, with its refusal.
caf::error refuse_start(ec why, caf::timespan retry_after = caf::timespan::zero());

} // namespace troupe
