#include "actors/bots/bots_state.hpp"
#include "runtime/log/log.hpp"
#include "runtime/policy/mutation.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <limits>
#include <utility>

/// Which bots are in memory: idle ones are asked to leave, and come back when they are needed.
namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto any_uses = std::numeric_limits<std::uint32_t>::max();

/// After so many in a row that were used again, one that is merely idle has to go.
constexpr std::size_t patience = 8;

/// So many are asked in a row that do not leave; then those that need a place wait for this.
constexpr std::size_t most_in_a_row = 64;
constexpr caf::timespan room_pause = 20ms;

/// Idle bots that are asked in one sweep.
constexpr std::size_t most_in_a_sweep = 1000;

/// When nobody was refused for so long, there are places enough.
constexpr caf::timespan enough_after = 60s;

/// Places that are kept free, so that a bot that is needed waits for nobody.
std::size_t ahead_of(std::size_t most) noexcept {
  return std::min<std::size_t>(most / 8, 64);
}

std::unique_ptr<passivation_order::order> order_of(const passivation_limits& x) {
  auto most = x.max_active != 0 ? x.max_active : std::size_t{100'000};
  switch (x.policy) {
  case passivation_kind::lru:
    return std::make_unique<passivation_order::lru>();
  case passivation_kind::slru:
    return std::make_unique<passivation_order::slru>(most);
  default:
    return std::make_unique<passivation_order::idle>();
  }
}

} // namespace

bool bots_state::crowded() const noexcept {
  auto most = ledger.limits.max_active;
  return passivates() && most != 0 && ledger.running() >= most - ahead_of(most);
}

bool bots_state::is_pinned(const bot_record& record) const {
  return pinned.contains(record.known_as()) || pinned.contains(record.bot);
}

void bots_state::begin_passivating() {
  pinned = {ledger.limits.pinned.begin(), ledger.limits.pinned.end()};
  pressed = order_of(ledger.limits);
  unused = std::make_unique<passivation_order::idle>();
  arm_sweep();
}

void bots_state::limit(const passivation_limits& x) {
  if (ending)
    return;
  ledger.limits = x;
  begin_passivating();
  for (place at = 0; at < ledger.end(); ++at) {
    auto& record = ledger[at];
    if (!record.taken)
      continue;
    reckon(at);
    // Nobody leaves any more, and who is pinned never did.
    if (record.phase == bot_phase::passive && (!passivates() || is_pinned(record)))
      launch(at);
  }
  admit_line();
  stayed = 0;
  make_room();
  tell_places();
}

void bots_state::reckon(place at) {
  const auto& record = ledger[at];
  bool runs = record.phase == bot_phase::active || record.phase == bot_phase::passivating;
  bool in = passivates() && record.taken && record.actor && runs && !record.leaving
            && (!is_pinned(record) || TROUPE_MUTATION("pin-ignored"));
  if (in == unused->contains(at))
    return;
  if (in) {
    unused->add(at, now());
    pressed->add(at, now());
  } else {
    unused->remove(at);
    pressed->remove(at);
  }
}

// -- leaving --------------------------------------------------------------------------------------

void bots_state::make_room() {
  if (!passivates() || ledger.limits.max_active == 0 || ending)
    return;
  auto most = ledger.limits.max_active;
  auto wanted = most - ahead_of(most);
  while (ledger.running() + line.size() > wanted + asking + going
         && stayed + asking < most_in_a_row) {
    auto who = pressed->next();
    if (!who)
      return;
    unused->take(*who);
    ask(*who, {stayed < patience ? 0 : any_uses, {}});
  }
}

void bots_state::ask(place at, const passivate& how) {
  auto& record = ledger[at];
  record.phase = bot_phase::passivating;
  names->set_phase(record.token_hash, record.bot, record.phase);
  ++asking;
  self->request(record.actor, caf::infinite, how)
    .then([this, at, id = record.actor.id()](const passivation& said) { asked(at, id, said); },
          [this](const caf::error&) { --asking; }); // It ended meanwhile.
}

void bots_state::asked(place at, caf::actor_id id, const passivation& said) {
  --asking;
  if (said.goes) { // Its end follows.
    stayed = 0;
    ++going;
    return;
  }
  ++stayed;
  auto& record = ledger[at];
  if (record.actor && record.actor.id() == id && record.phase == bot_phase::passivating) {
    record.phase = bot_phase::active;
    names->set_phase(record.token_hash, record.bot, record.phase);
    unused->used(at, said.uses, now() - said.unused_for);
    pressed->used(at, said.uses, now() - said.unused_for);
    hand_over(at);
  }
  make_room();
}

/// It left memory. What is known of it: its record, and its entry in the directory.
void bots_state::evicted(place at) {
  auto& record = ledger[at];
  record.phase = bot_phase::passive;
  names->detach(record.token_hash, record.bot, record.phase);
  log::event(log::level::info, "bot.evicted", "troupe.bot",
             {{"bot", record.known_as()}, {"tenant", std::int64_t{record.tenant}}},
             "The bot was idle and left memory; the next call or update brings it back.");
  if (cfg.evicted)
    cfg.evicted();
  if (waiting.contains(at) || to_look.contains(at)) // It is needed again.
    bring_back(at);
}

void bots_state::sweep() {
  stayed = 0;
  auto idle_for = ledger.limits.idle_after;
  for (std::size_t i = 0; idle_for.count() > 0 && i < most_in_a_sweep; ++i) {
    auto who = unused->next(now() - idle_for);
    if (!who)
      break;
    pressed->take(*who);
    ask(*who, {any_uses, idle_for});
  }
  make_room();
  tell_places();
}

void bots_state::arm_sweep() {
  sweeper.dispose();
  if (!passivates() || ending)
    return;
  sweeper = self->run_delayed(cfg.sweep_every, [this] {
    sweep();
    arm_sweep();
  });
}

void bots_state::stop_passivating() {
  sweeper.dispose();
  line_timer.dispose();
  line.clear();
  in_line.clear();
}

// -- coming back ----------------------------------------------------------------------------------

caf::result<caf::strong_actor_ptr> bots_state::activate(const activate_bot& what) {
  if (ending)
    return caf::make_error(ec::draining);
  auto found = ledger.find(what.bot);
  if (!found || ledger[*found].forgotten)
    return caf::make_error(ec::unknown_bot);
  auto at = *found;
  auto& record = ledger[at];
  switch (record.phase) {
  case bot_phase::suspended:
  case bot_phase::stopped:
    return refuse_start(ec::suspended);
  case bot_phase::unauthorized:
    return refuse_start(ec::unauthorized);
  case bot_phase::quarantined:
    return refuse_start(ec::quarantined, record.since - now());
  default:
    break;
  }
  if (record.actor && !record.leaving && record.phase != bot_phase::passivating) {
    if (what.look)
      caf::anon_send(record.actor, updates_ready{record.known_as(), 0});
    return caf::actor_cast<caf::strong_actor_ptr>(record.actor);
  }
  if (what.look)
    to_look.insert(at);
  needed.try_emplace(at, now());
  auto promise = promise_of(at);
  // Otherwise it is about to start, or has not said yet whether it stays.
  if (record.phase == bot_phase::passive)
    bring_back(at);
  return promise;
}

caf::result<caf::strong_actor_ptr> bots_state::promise_of(place at) {
  auto promise = self->make_response_promise<caf::strong_actor_ptr>();
  waiting[at].push_back(promise);
  return promise;
}

void bots_state::bring_back(place at) {
  if (!full() || is_pinned(ledger[at])) {
    launch(at);
    return make_room();
  }
  if (in_line.insert(at).second)
    line.push_back({at, now()});
  make_room();
  wait_in_line();
}

void bots_state::hand_over(place at) {
  auto& record = ledger[at];
  if (to_look.erase(at) != 0)
    caf::anon_send(record.actor, updates_ready{record.known_as(), 0});
  if (auto since = needed.extract(at); since && cfg.activated)
    cfg.activated(now() - since.mapped());
  if (auto found = waiting.extract(at))
    for (auto& promise : found.mapped())
      promise.deliver(caf::actor_cast<caf::strong_actor_ptr>(record.actor));
}

void bots_state::admit_line() {
  while (!line.empty() && !full()) {
    auto at = line.front().at;
    line.pop_front();
    bool needed =
      in_line.erase(at) != 0 && ledger[at].taken && ledger[at].phase == bot_phase::passive;
    if (needed && !TROUPE_MUTATION("needed-again-ignored"))
      launch(at);
  }
}

void bots_state::wait_in_line() {
  if (line.empty() || std::exchange(line_waits, true))
    return;
  line_timer = self->run_delayed(room_pause, [this] {
    line_waits = false;
    end_wait();
  });
}

/// Who waited for too long gives up; for the others those are asked again who did not leave.
void bots_state::end_wait() {
  while (!line.empty() && line.front().since + cfg.activation_patience <= now()) {
    auto at = line.front().at;
    line.pop_front();
    if (in_line.erase(at) == 0)
      continue;
    tell_no_place();
    refuse_waiting(at, refuse_start(ec::too_many_bots, 1s)); // The journal asks again.
  }
  stayed = std::min(stayed, patience);
  make_room();
  wait_in_line();
}

void bots_state::tell_no_place() {
  ledger.refused_at = now();
  if (std::exchange(ledger.no_place, true))
    return;
  log::event(log::level::error, "alert.raised", name,
             {{"alert", std::string_view{"bots.no-place"}},
              {"running", static_cast<std::int64_t>(ledger.running())},
              {"of", static_cast<std::int64_t>(ledger.limits.max_active)}},
             "Bots that are needed find no place in memory: those who are there stay, since they "
             "are busy, wait for updates or are pinned.");
}

void bots_state::tell_places() {
  bool enough = !passivates() || (line.empty() && ledger.refused_at + enough_after <= now());
  if (enough && std::exchange(ledger.no_place, false))
    log::event(log::level::info, "alert.resolved", name,
               {{"alert", std::string_view{"bots.no-place"}}},
               "Each bot that was needed found its place.");
}

} // namespace troupe
