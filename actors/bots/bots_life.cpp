#include "actors/bots/bots_state.hpp"
#include "actors/supervisor/end_reason.hpp"
#include "runtime/log/log.hpp"

#include <caf/send.hpp>

#include <algorithm>

namespace troupe {
namespace {

/// Whether a bot in this phase runs, or is about to.
bool is_wanted(bot_phase phase) noexcept {
  return phase == bot_phase::pending || phase == bot_phase::starting || phase == bot_phase::active
         || phase == bot_phase::passivating;
}

/// What a bot is spawned from. One that was proven is no adopted bot any more.
start_bot spec_of(const bot_record& record) {
  start_bot spec;
  spec.bot = record.known_as();
  spec.tenant = record.tenant;
  spec.proven = record.proven;
  spec.claimed = record.proven ? 0 : record.claimed;
  spec.token_hash = record.token_hash;
  spec.rps = record.rps;
  spec.concurrent = record.concurrent;
  spec.pending = record.pending;
  return spec;
}

std::int64_t signed_of(std::size_t x) {
  return static_cast<std::int64_t>(x);
}

double seconds_of(caf::timespan x) {
  return std::chrono::duration<double>(x).count();
}

void raise_alert(const bot_record& record, std::string_view alert, std::string_view reason,
                 std::string_view note) {
  log::event(log::level::error, "alert.raised", "troupe.bot",
             {{"bot", record.known_as()},
              {"tenant", std::int64_t{record.tenant}},
              {"alert", alert},
              {"reason", reason}},
             note);
}

void resolve_alert(const bot_record& record, std::string_view alert, std::string_view note) {
  log::event(
    log::level::info, "alert.resolved", "troupe.bot",
    {{"bot", record.known_as()}, {"tenant", std::int64_t{record.tenant}}, {"alert", alert}}, note);
}

} // namespace

void bots_state::take_over() {
  auto ownership = ledger.take_over();
  self->attach_functor(
    [shared = shared, ownership](const caf::error&) { shared->orphaned(ownership); });
  for (place at = 0; at < ledger.end(); ++at) {
    auto& record = ledger[at];
    if (!record.taken)
      continue;
    record.leaving = static_cast<bool>(record.actor);
    if (record.leaving) { // Of the incarnation before: nothing runs twice.
      record.returns = is_wanted(record.phase) && !record.forgotten;
      self->monitor(record.actor);
      kill_now(caf::actor_cast<caf::strong_actor_ptr>(record.actor));
      names->detach(record.token_hash, record.bot,
                    record.returns ? bot_phase::starting : record.phase);
    } else if (record.forgotten) {
      forget(at, {});
    } else if (is_wanted(record.phase)) {
      launch(at);
    } else if (record.phase == bot_phase::quarantined) {
      auto& trouble = trouble_of(at);
      auto left = std::max<caf::timespan>(record.since - now(), caf::timespan::zero());
      trouble.timer = self->run_delayed(left, [this, at] { launch(at); });
    }
  }
}

void bots_state::launch(place at) {
  auto& record = ledger[at];
  // Its token may have been dropped while the order to start was on its way: nobody could find it.
  if (!names->set_phase(record.token_hash, record.bot, bot_phase::starting))
    return forget(at, caf::make_error(ec::unknown_bot));
  auto before = record.phase;
  bool back = before == bot_phase::passive; // Neither a restart nor a new bot.
  if (!back || record.starts == 0)
    ++record.starts;
  record.since = now();
  record.returns = record.leaving = false;
  bot_actor actor;
  caf::error failure;
  try {
    actor = cfg.spawn(self->system(), spec_of(record), record.starts);
    if (!actor)
      failure = caf::make_error(caf::sec::runtime_error, "spawn returned no actor");
  } catch (const std::exception& e) {
    failure = caf::make_error(caf::sec::runtime_error, e.what());
  } catch (...) {
    failure = caf::make_error(caf::sec::runtime_error, "spawn threw no std::exception");
  }
  if (failure)
    return crash(at, failure);
  self->monitor(actor);
  record.phase = record.at_work();
  names->attach(record.token_hash, record.bot, actor, record.phase);
  ledger.bind(at, std::move(actor));
  reckon(at);
  if (record.starts > 1 && !back)
    log::event(log::level::info, "child.restarted", "troupe.bot",
               {{"bot", record.known_as()},
                {"tenant", std::int64_t{record.tenant}},
                {"attempt", std::int64_t{record.starts - 1}}},
               "The supervisor started the bot again.");
  else if (log::enabled(log::level::debug))
    log::event(log::level::debug, "child.started", "troupe.bot",
               {{"bot", record.known_as()}, {"tenant", std::int64_t{record.tenant}}},
               "The supervisor started the bot.");
  tell_activated(at, before);
  if (before == bot_phase::quarantined)
    tell(at, caf::timespan{0}, {});
  if (std::exchange(record.rejected, false))
    resolve_alert(record, "bot.unauthorized",
                  "The bot starts again, with a new token or by order.");
  await_calm(at);
  hand_over(at);
}

/// A bot that crashed was active all the time, as its owner sees it.
void bots_state::tell_activated(place at, bot_phase before) const {
  auto& record = ledger[at];
  bool first = record.starts == 1 && before != bot_phase::passive;
  if (record.pending)
    return;
  if (!first
      && (before == bot_phase::starting || before == bot_phase::active
          || before == bot_phase::passivating))
    return;
  // All the bots of a configuration start at once; an adopted one tells when it is proven.
  auto level = first ? log::level::debug : log::level::info;
  if (log::enabled(level))
    log::event(level, "bot.activated", "troupe.bot",
               {{"bot", record.known_as()}, {"tenant", std::int64_t{record.tenant}}},
               "The bot takes calls.");
}

/// For what is stored of a bot.
void bots_state::tell(place at, caf::timespan rest, std::string reason) const {
  const auto& record = ledger[at];
  if (!cfg.told || !record.proven)
    return;
  auto trouble = ledger.troubles.find(at);
  auto quarantines = trouble == ledger.troubles.end() ? 0 : trouble->second.quarantines;
  cfg.told(record.known_as(), record.phase, rest, std::move(reason), quarantines);
}

void bots_state::prove(const identity_proven& proof) {
  auto at = ledger.find(proof.from);
  if (!at)
    return;
  auto& record = ledger[*at];
  bool first = !std::exchange(record.proven, true);
  record.claimed = proof.to;
  reckon(*at);
  names->prove(record.token_hash, proof.to);
  if (first)
    log::event(log::level::info, "bot.activated", "troupe.bot",
               {{"bot", record.known_as()}, {"tenant", std::int64_t{record.tenant}}},
               "The upstream accepted the token of an adopted bot.");
}

void bots_state::on_down(const caf::down_msg& down) {
  auto found = ledger.find_actor(down.source.id());
  if (!found)
    return;
  auto at = *found;
  auto& record = ledger[at];
  ledger.unbind(at);
  reckon(at);
  record.since = now();
  if (auto timer = deadlines.find(at); timer != deadlines.end()) {
    timer->second.dispose();
    deadlines.erase(timer);
  }
  if (down.reason == ec::passivated && going > 0)
    --going;
  settle_down(at, down.reason);
  if (ending)
    return;
  admit_line();
  make_room();
}

/// What becomes of a bot that ended.
void bots_state::settle_down(place at, const caf::error& reason) {
  auto& record = ledger[at];
  if (ending) {
    record.leaving = false;
    names->detach(record.token_hash, record.bot, bot_phase::stopped);
    return finish_if_empty();
  }
  if (std::exchange(record.leaving, false)) {
    if (record.forgotten)
      forget(at, reason);
    else if (record.returns)
      launch(at);
    else
      settle(at, record.phase, reason);
  } else if (reason == ec::passivated && record.phase != bot_phase::suspended) {
    evicted(at);
  } else if (reason == ec::unauthorized) {
    settle(at, bot_phase::unauthorized, reason);
  } else if (reason == ec::suspended) {
    settle(at, bot_phase::suspended, reason);
  } else if (reason == ec::quarantined) {
    rest(at);
    quarantine(at, trouble_of(at), reason);
  } else if (is_orderly(reason)) {
    forget(at, reason);
  } else if (record.phase == bot_phase::suspended) {
    settle(at, bot_phase::suspended, reason); // Nothing to restart it for.
  } else {
    crash(at, reason);
  }
}

/// Asks a bot to end; later, kills it.
void bots_state::leave(place at) {
  auto& record = ledger[at];
  record.leaving = true;
  reckon(at);
  // Its own way answers the calls it holds; the exit message is for one that has no such way.
  caf::anon_send(record.actor, bot_command{record.bot, bot_phase::stopped});
  self->send_exit(record.actor, caf::exit_reason::user_shutdown);
  deadlines[at] = self->run_delayed(cfg.stop_deadline, [this, at, id = record.actor.id()] {
    if (auto& late = ledger[at].actor; late && late.id() == id)
      kill_now(caf::actor_cast<caf::strong_actor_ptr>(late));
  });
}

/// The bot stays known, in a phase in which it does not run.
void bots_state::settle(place at, bot_phase phase, const caf::error& reason) {
  auto& record = ledger[at];
  rest(at);
  record.phase = phase;
  names->detach(record.token_hash, record.bot, phase);
  refuse_waiting(at,
                 refuse_start(phase == bot_phase::suspended ? ec::suspended : ec::unauthorized));
  log::event(
    is_orderly(reason) ? log::level::info : log::level::warning, "child.stopped", "troupe.bot",
    {{"bot", record.known_as()}, {"reason", readable(reason)}, {"phase", to_string(phase)}},
    "The bot ended and is not restarted.");
  if (phase == bot_phase::unauthorized)
    tell(at, caf::timespan{0}, readable(reason));
  if (phase == bot_phase::unauthorized && !std::exchange(record.rejected, true))
    raise_alert(record, "bot.unauthorized", "unauthorized",
                "The upstream rejected the token of a bot that it knew.");
}

void bots_state::forget(place at, const caf::error& reason) {
  auto& record = ledger[at];
  names->erase(record.token_hash, record.bot);
  refuse_waiting(at, caf::make_error(ec::unknown_bot));
  log::event(log::level::info, "child.stopped", "troupe.bot",
             {{"bot", record.known_as()}, {"reason", readable(reason)}}, "The bot ended.");
  if (auto trouble = ledger.troubles.find(at);
      trouble != ledger.troubles.end() && trouble->second.alert)
    resolve_alert(record, "bot.quarantined", "The bot is gone.");
  if (record.rejected)
    resolve_alert(record, "bot.unauthorized", "The bot is gone.");
  // Behind what it told at its end.
  if (auto health = cfg.found ? cfg.found->health.get() : health_actor{}; health && !record.moves)
    caf::anon_send(health, stop_bot{record.known_as()});
  ledger.remove(at);
}

void bots_state::crash(place at, const caf::error& reason) {
  auto& record = ledger[at];
  auto& trouble = trouble_of(at);
  trouble.timer.dispose();
  if (!trouble.budget.record(now()))
    return quarantine(at, trouble, reason);
  auto used = trouble.budget.used(now());
  auto pause = used < 2
                 ? caf::timespan::zero()
                 : cfg.pause * (caf::timespan::rep{1} << std::min<std::size_t>(used - 2, 16));
  record.phase = bot_phase::starting;
  log::event(log::level::warning, "child.crashed", "troupe.bot",
             {{"bot", record.known_as()},
              {"tenant", std::int64_t{record.tenant}},
              {"reason", readable(reason)},
              {"attempt", signed_of(used)},
              {"of", signed_of(cfg.restarts)},
              {"after", seconds_of(pause)}},
             "The bot crashed; its supervisor restarts it.");
  if (pause == caf::timespan::zero())
    return launch(at);
  names->detach(record.token_hash, record.bot, bot_phase::starting);
  trouble.timer = self->run_delayed(pause, [this, at] { launch(at); });
}

void bots_state::quarantine(place at, bot_trouble& trouble, const caf::error& reason) {
  auto& record = ledger[at];
  auto length = cfg.quarantine;
  for (std::uint32_t i = 0; i < trouble.quarantines && length < cfg.longest_quarantine; ++i)
    length *= 2;
  length = std::min(length, cfg.longest_quarantine);
  ++trouble.quarantines;
  trouble.budget.reset();
  record.phase = bot_phase::quarantined;
  record.since = now() + length;
  names->detach(record.token_hash, record.bot, bot_phase::quarantined, record.since);
  log::event(log::level::error, "child.quarantined", "troupe.bot",
             {{"bot", record.known_as()},
              {"tenant", std::int64_t{record.tenant}},
              {"reason", readable(reason)},
              {"attempt", std::int64_t{trouble.quarantines}},
              {"after", seconds_of(length)}},
             "The bot spent its restart budget and rests.");
  if (!std::exchange(trouble.alert, true))
    raise_alert(record, "bot.quarantined", readable(reason), "A bot crashes again and again.");
  tell(at, length, readable(reason));
  refuse_waiting(at, refuse_start(ec::quarantined, length));
  trouble.timer = self->run_delayed(length, [this, at] { launch(at); });
}

/// A started bot that had crashed: when has it been quiet for long enough?
void bots_state::await_calm(place at) {
  auto trouble = ledger.troubles.find(at);
  if (trouble == ledger.troubles.end())
    return;
  auto& x = trouble->second;
  auto wait = x.alert || x.quarantines == 0 ? cfg.period : std::max(cfg.calm, cfg.period);
  auto up = now() - ledger[at].since;
  x.timer.dispose(); // It may have left memory and come back meanwhile.
  x.timer =
    self->run_delayed(wait + std::chrono::milliseconds{1} - up, [this, at] { calm_down(at); });
}

void bots_state::calm_down(place at) {
  auto& trouble = ledger.troubles.at(at);
  auto& record = ledger[at];
  if (std::exchange(trouble.alert, false)) {
    resolve_alert(record, "bot.quarantined", "The bot runs again without crashing.");
    return await_calm(at);
  }
  bool counted = trouble.quarantines > 0;
  ledger.troubles.erase(at);
  bool runs = record.phase == bot_phase::active || record.phase == bot_phase::passivating
              || record.phase == bot_phase::passive;
  if (counted && runs) // What is stored starts from nothing, too.
    tell(at, caf::timespan{0}, {});
}

/// Stops all bots at once, with one deadline, then this supervisor.
void bots_state::end(caf::error reason) {
  if (ending)
    return;
  ending = std::move(reason);
  stop_passivating();
  for (auto& [at, trouble] : ledger.troubles)
    trouble.timer.dispose();
  for (auto& [at, promises] : std::exchange(waiting, {}))
    for (auto& promise : promises)
      promise.deliver(caf::make_error(ec::draining));
  for (place at = 0; at < ledger.end(); ++at)
    if (auto& record = ledger[at]; record.actor)
      self->send_exit(record.actor, caf::exit_reason::user_shutdown);
  last_deadline = self->run_delayed(cfg.stop_deadline, [this] {
    for (place at = 0; at < ledger.end(); ++at)
      if (auto& record = ledger[at]; record.actor)
        kill_now(caf::actor_cast<caf::strong_actor_ptr>(record.actor));
  });
  finish_if_empty();
}

void bots_state::finish_if_empty() {
  if (ledger.running() == 0)
    self->quit(*ending);
}

bot_trouble& bots_state::trouble_of(place at) {
  return ledger.troubles.try_emplace(at, restart_budget{cfg.restarts, cfg.period}).first->second;
}

void bots_state::rest(place at) {
  if (auto trouble = ledger.troubles.find(at); trouble != ledger.troubles.end())
    trouble->second.timer.dispose();
}

void bots_state::refuse_waiting(place at, const caf::error& why) {
  needed.erase(at);
  to_look.erase(at);
  in_line.erase(at);
  if (auto found = waiting.find(at); found != waiting.end()) {
    auto promises = std::move(found->second);
    waiting.erase(found);
    for (auto& promise : promises)
      promise.deliver(why);
  }
}

} // namespace troupe
