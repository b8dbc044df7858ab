#include "actors/bots/bots.hpp"

#include "actors/bots/bots_state.hpp"
#include "runtime/log/log.hpp"

#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>

#include <algorithm>

namespace troupe {

caf::error refuse_start(ec why, caf::timespan retry_after) {
  return caf::make_error(why, refusal{std::max(retry_after, caf::timespan::zero())});
}

namespace {

std::shared_ptr<bots_ledger> ledger_of(const bots_config& config) {
  auto ledger = std::make_shared<bots_ledger>();
  ledger->limits = config.passivation;
  return ledger;
}

} // namespace

bots_state::bots_state(bots_impl::pointer self, bots_config config,
                       std::shared_ptr<directory> names, std::shared_ptr<bots_ledger> ledger)
  : self(self), cfg(std::move(config)), names(std::move(names)), shared(std::move(ledger)),
    ledger(*shared) {}

bots_state::~bots_state() {
  // Runs before anybody hears of the end, so the ledger has no other owner yet.
  last_deadline.dispose();
  for (auto& [at, timer] : deadlines)
    timer.dispose();
  for (auto& [at, trouble] : ledger.troubles)
    trouble.timer.dispose();
  stop_passivating();
}

bots_impl::behavior_type bots_state::make_behavior() {
  self->set_down_handler([this](const caf::down_msg& down) { on_down(down); });
  self->set_exit_handler([this](const caf::exit_msg& ask) {
    if (ask.reason)
      end(ask.reason);
  });
  if (cfg.limits)
    ledger.limits = cfg.limits->get();
  begin_passivating();
  take_over();
  make_room();
  return {
    [this](get_report ask) { return report(ask.limit); },
    [this](const start_bot& spec) { return start(spec); },
    [this](stop_bot ask) { stop(ask); },
    [this](const bot_command& order) { obey(order); },
    [this](const identity_proven& proof) { prove(proof); },
    [this](const activate_bot& what) { return activate(what); },
    [this](const passivation_limits& x) { limit(x); },
    [](ready_request) {},
  };
}

caf::result<caf::strong_actor_ptr> bots_state::start(const start_bot& spec) {
  if (ending)
    return caf::make_error(ec::draining);
  auto known = ledger.find(spec.bot);
  if (!known && ledger.size() >= cfg.max_bots)
    return caf::make_error(ec::too_many_bots);
  bool new_token = !known;
  auto at = known ? *known : ledger.add(spec);
  auto& record = ledger[at];
  if (known) {
    record.tenant = spec.tenant;
    record.rps = spec.rps;
    record.concurrent = spec.concurrent;
    record.proven = record.proven || spec.proven;
    record.pending = spec.pending; // For a start; one that runs is told by `active`.
    if (spec.claimed != 0)
      record.claimed = spec.claimed;
    if (spec.token_hash != 0 && spec.token_hash != record.token_hash) {
      auto until = record.phase == bot_phase::quarantined ? record.since : time_point{};
      if (!names->set_phase(spec.token_hash, record.bot, record.phase, until))
        return caf::make_error(ec::unknown_bot);
      new_token = true;
      names->erase(record.token_hash, record.bot);
      record.token_hash = spec.token_hash;
      if (record.actor && !record.leaving)
        names->attach(record.token_hash, record.bot, record.actor, record.phase);
    }
    if (record.leaving) {
      record.forgotten = false;
      record.returns = true;
    } else if (record.actor) {
      return caf::actor_cast<caf::strong_actor_ptr>(record.actor);
    } else if (record.phase == bot_phase::passive && !record.pending) {
      names->set_phase(record.token_hash, record.bot, record.phase);
      if (!spec.needed)
        return caf::make_error(ec::passivated);
      bring_back(at);
      return promise_of(at);
    } else if (record.phase == bot_phase::quarantined) {
      names->set_phase(record.token_hash, record.bot, record.phase, record.since);
      return refuse_start(ec::quarantined, record.since - now());
    } else if (record.phase == bot_phase::suspended) {
      names->set_phase(record.token_hash, record.bot, record.phase);
      return refuse_start(ec::suspended);
    } else if (record.phase == bot_phase::unauthorized && !new_token) {
      names->set_phase(record.token_hash, record.bot, record.phase);
      return refuse_start(ec::unauthorized);
    }
  }
  if (record.leaving || (known && !new_token)) {
    // It starts as soon as its predecessor is dead, or its pause is over.
    auto promise = self->make_response_promise<caf::strong_actor_ptr>();
    waiting[at].push_back(promise);
    return promise;
  }
  if (!known && spec.quarantines > 0) // They were before this node's start.
    trouble_of(at).quarantines = spec.quarantines;
  rest(at);
  bool no_place = !record.pending && !is_pinned(record) && (spec.needed ? full() : crowded());
  if (!known && no_place) { // A place is for one that somebody needs.
    record.phase = bot_phase::passive;
    if (!names->set_phase(record.token_hash, record.bot, record.phase)) {
      forget(at, caf::make_error(ec::unknown_bot));
      return caf::make_error(ec::unknown_bot);
    }
    if (!spec.needed)
      return caf::make_error(ec::passivated);
    bring_back(at);
    return promise_of(at);
  }
  launch(at);
  if (!record.taken)
    return caf::make_error(ec::unknown_bot);
  if (record.actor)
    return caf::actor_cast<caf::strong_actor_ptr>(record.actor);
  if (record.phase == bot_phase::quarantined)
    return refuse_start(ec::quarantined, record.since - now());
  auto promise = self->make_response_promise<caf::strong_actor_ptr>();
  waiting[at].push_back(promise);
  return promise;
}

void bots_state::stop(const stop_bot& ask) {
  auto at = ledger.find(ask.bot);
  if (!at)
    return forward({ask.bot, bot_phase::stopped});
  if (ending)
    return;
  auto& record = ledger[*at];
  rest(*at);
  refuse_waiting(*at, caf::make_error(ec::stopped));
  names->erase(record.token_hash, record.bot);
  record.forgotten = true;
  record.moves = ask.moves;
  record.returns = false;
  if (!record.actor)
    return forget(*at, {});
  if (!record.leaving)
    leave(*at);
}

void bots_state::obey(const bot_command& order) {
  auto at = ledger.find(order.bot);
  if (!at)
    return forward(order);
  if (ending || ledger[*at].forgotten)
    return;
  auto& record = ledger[*at];
  switch (order.to) {
  case bot_phase::suspended:
    return suspend(*at, order);
  case bot_phase::active:
  case bot_phase::passive: // One of many: it comes back now if there is room.
    return resume(*at, order);
  case bot_phase::stopped:
    return stop({order.bot});
  case bot_phase::starting:
    return restart(*at);
  case bot_phase::unauthorized:
    if (!record.actor)
      return settle(*at, bot_phase::unauthorized, caf::make_error(ec::unauthorized));
    caf::anon_send(record.actor, order); // It ends with that reason.
    return;
  default:
    return; // Nobody but the bot itself gets there.
  }
}

/// An adopted bot goes by its number once it is proven, but lives where its provisional id belongs.
void bots_state::forward(const bot_command& order) const {
  if (auto known = names->find(order.bot); known && known->home != order.bot && cfg.found)
    if (auto shard = cfg.found->bots_of(known->home))
      caf::anon_send(shard, bot_command{known->home, order.to});
}

void bots_state::suspend(place at, const bot_command& order) {
  auto& record = ledger[at];
  rest(at);
  refuse_waiting(at, refuse_start(ec::suspended));
  record.returns = false;
  if (std::exchange(record.phase, bot_phase::suspended) != bot_phase::suspended)
    log::event(log::level::info, "bot.suspended", "troupe.bot", {{"bot", record.known_as()}},
               "The bot was ordered to take no calls.");
  reckon(at);
  if (record.actor && !record.leaving) {
    caf::anon_send(record.actor, order);
    names->set_phase(record.token_hash, record.bot, bot_phase::suspended);
  } else {
    names->detach(record.token_hash, record.bot, bot_phase::suspended);
  }
}

void bots_state::resume(place at, const bot_command& order) {
  auto& record = ledger[at];
  bool runs = record.phase == record.at_work() || record.phase == bot_phase::passivating;
  if (runs && !record.leaving)
    return;
  if (record.phase == bot_phase::passive) // It does, as soon as somebody needs it.
    return;
  // It crashed, and starts after its pause, or rests: a registrar that begins anew, or has not
  // stored yet that it rests, says this of every bot, and must not give it another restart budget.
  // An order to restart does.
  if ((record.phase == bot_phase::starting || record.phase == bot_phase::quarantined)
      && !record.actor)
    return;
  if (record.phase == bot_phase::pending)
    log::event(log::level::info, "bot.activated", "troupe.bot",
               {{"bot", record.known_as()}, {"tenant", std::int64_t{record.tenant}}},
               "The bot's owner is known; the bot takes calls.");
  else
    log::event(log::level::info, "bot.resumed", "troupe.bot", {{"bot", record.known_as()}},
               record.pending ? "The bot takes the node's own calls again."
                              : "The bot takes calls again.");
  if (record.leaving) {
    record.phase = bot_phase::starting;
    record.returns = true;
    names->set_phase(record.token_hash, record.bot, record.phase);
  } else if (record.actor) {
    record.phase = record.at_work();
    caf::anon_send(record.actor, bot_command{order.bot, record.phase});
    names->set_phase(record.token_hash, record.bot, record.phase);
    reckon(at);
  } else {
    rest(at);
    if (auto trouble = ledger.troubles.find(at); trouble != ledger.troubles.end())
      trouble->second.budget.reset();
    bool comes = order.to == bot_phase::active || record.pending || is_pinned(record);
    if (comes || !crowded())
      return launch(at);
    record.phase = bot_phase::passive;
    names->set_phase(record.token_hash, record.bot, record.phase);
  }
}

/// Its past is forgiven, its next incarnation starts at once.
void bots_state::restart(place at) {
  auto& record = ledger[at];
  if (record.phase == bot_phase::suspended || record.phase == bot_phase::unauthorized
      || record.phase == bot_phase::passive)
    return;
  rest(at);
  if (auto trouble = ledger.troubles.find(at); trouble != ledger.troubles.end()) {
    trouble->second.budget.reset();
    trouble->second.quarantines = 0;
  }
  if (!record.actor)
    return launch(at);
  record.phase = bot_phase::starting;
  record.returns = true;
  names->detach(record.token_hash, record.bot, bot_phase::starting);
  if (!record.leaving)
    leave(at);
}

supervision_report bots_state::report(std::size_t limit) const {
  supervision_report result;
  result.name = name;
  result.strategy = "bots";
  result.children = ledger.size();
  auto row_of = [this, at_now = now()](const bot_record& record) {
    child_info row;
    row.name = "bot";
    row.state = to_string(record.phase);
    row.bot = record.known_as();
    row.restarts = record.starts > 1 ? record.starts - 1 : 0;
    if (record.actor)
      row.uptime = at_now - record.since;
    return row;
  };
  auto is_well = [](bot_phase x) {
    return x == bot_phase::active || x == bot_phase::passivating || x == bot_phase::passive;
  };
  auto collect = [&](bool well) {
    for (place at = 0; at < ledger.end() && result.rows.size() < limit; ++at)
      if (auto& record = ledger[at]; record.taken && is_well(record.phase) == well)
        result.rows.push_back(row_of(record));
  };
  for (place at = 0; at < ledger.end(); ++at)
    if (ledger[at].taken && ledger[at].starts > 1)
      result.restarts += ledger[at].starts - 1;
  collect(false);
  collect(true);
  return result;
}

bots_actor spawn_bots(caf::actor_system& sys, bots_config config, std::shared_ptr<directory> names,
                      std::shared_ptr<bots_ledger> ledger) {
  if (!ledger)
    ledger = ledger_of(config);
  return sys.spawn<bots_impl::stateful_impl<bots_state>>(std::move(config), std::move(names),
                                                         std::move(ledger));
}

child_spec supervise_bots(std::size_t shard, bots_config config, std::shared_ptr<directory> names,
                          std::shared_ptr<services> found) {
  config.found = found;
  auto ledger = ledger_of(config);
  auto start = [shard, config = std::move(config), names = std::move(names),
                found = std::move(found), ledger](caf::actor_system& sys) {
    auto handle = spawn_bots(sys, config, names, ledger);
    found->bots.at(shard).publish(handle);
    return caf::actor_cast<caf::actor>(handle);
  };
  return {.id = "troupe.bots",
          .start = std::move(start),
          .restart = restart_type::permanent,
          .shutdown_deadline = caf::infinite,
          .is_supervisor = true};
}

} // namespace troupe
