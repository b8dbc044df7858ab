#include "actors/webhooks/state.hpp"
#include "runtime/log/log.hpp"

#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>

namespace troupe::keeping {
namespace {

using namespace std::chrono_literals;

/// A registrar that is being restarted is asked again after this pause.
constexpr caf::timespan registrar_pause = 100ms;

/// A registrar that still reads what is stored is asked again after this one.
constexpr caf::timespan restore_pause = 1s;

/// Looks at once: they wait for Telegram, not for each other.
constexpr std::uint32_t most_running = 64;

bool takes_own_calls(bot_phase x) noexcept {
  return x == bot_phase::active || x == bot_phase::pending || x == bot_phase::passive
         || x == bot_phase::starting || x == bot_phase::passivating;
}

std::size_t hash_of(const updates::intake_settings& x) {
  auto text = std::to_string(static_cast<int>(x.mode)) + '/' + std::to_string(x.max_connections)
              + (x.take_over ? "/t" : "/") + allowed_json(x);
  return std::hash<std::string>{}(text) | 1;
}

} // namespace

webhooks_state::webhooks_state(webhooks_actor::pointer self, webhooks_config config,
                               webhooks_ports ports)
  : self(self), cfg(std::move(config)), ports(std::move(ports)),
    pace(cfg.looks_per_second, std::max(cfg.looks_per_second, 1.0), self->clock().now()),
    dice(static_cast<std::uint_fast32_t>(self->id())) {}

webhooks_actor::behavior_type webhooks_state::make_behavior() {
  load();
  if (ports.silent)
    self->run_delayed(cfg.silent_after / 2, [this] { suspect_silent(); });
  return {
    [this](const bot_served& x) { serve(x); },
    [this](const bot_gone& x) { drop(x.bot); },
    [this](const webhook_release& x) { return release(x); },
    [this](const intake_check& x) { hurry(x.bot); },
    [this](const code_received& x) { try_code(x); },
    [this](const intake_query& x) { return view(x); },
    [this](const polls_query&) { return polls(); },
    [this](const get_report&) { return report(); },
  };
}

void webhooks_state::load() {
  auto again = [this] { self->run_delayed(registrar_pause, [this] { load(); }); };
  auto registrar = ports.found->updates->registrar.get();
  if (!registrar)
    return again();
  self->request(registrar, caf::infinite, served_query{})
    .then(
      [this](const served_list& all) {
        for (const auto& x : all.bots)
          if (auto known = bots.find(x.bot); known == bots.end() || !known->second.leaving)
            serve(x); // One that is being removed is in the list until it is gone.
        complete = all.restored;
        if (!complete)
          self->run_delayed(restore_pause, [this] { load(); });
      },
      [again](const caf::error&) { again(); });
}

void webhooks_state::serve(const bot_served& told) {
  auto how = ports.found->updates->book.find(told.bot);
  if (!how)
    return;
  auto [at, is_new] = bots.try_emplace(told.bot);
  auto& x = at->second;
  if (is_new)
    x.era = ++eras;
  bool ran = takes_own_calls(x.phase) && !is_new;
  bool runs = takes_own_calls(told.phase);
  auto wanted = hash_of(how->intake);
  bool changed = wanted != x.wanted || x.leaving;
  x.tenant = told.tenant;
  x.phase = told.phase;
  x.wanted = wanted;
  x.leaving = false;
  if (!runs) {
    stop_polling(told.bot, x);
    x.state = intake_state::resting;
    return unschedule(told.bot, x);
  }
  if (is_new && (!complete || told.moved))
    resume(told.bot, x, how->intake);
  else if (changed || !ran)
    hurry(told.bot);
}

/// A bot of before this actor's start, or that another node served: most probably all is as it
/// should be. It is polled at once, and looked at when nobody new waits for that.
void webhooks_state::resume(bot_id bot, kept_bot& x, const updates::intake_settings& how) {
  if (mode_of(how) == intake_mode::polling) {
    x.state = intake_state::polling;
    x.polled = true;
    if (auto poller = ports.found->updates->poller.get())
      caf::anon_send(poller, poll_bot{bot, x.tenant, allowed_json(how)});
  }
  schedule_in(bot, x, caf::timespan{0});
  pump();
}

void webhooks_state::drop(bot_id bot) {
  auto found = bots.find(bot);
  if (found == bots.end())
    return;
  stop_polling(bot, found->second);
  unschedule(bot, found->second);
  resolve(bot, found->second);
  bots.erase(found);
  codes.erase(bot);
}

/// It is looked at as soon as the pace allows.
void webhooks_state::hurry(bot_id bot) {
  auto found = bots.find(bot);
  if (found == bots.end() || !takes_own_calls(found->second.phase))
    return;
  auto& x = found->second;
  if (x.busy) {
    x.again = true;
    return;
  }
  unschedule(bot, x);
  if (!std::exchange(x.queued, true))
    urgent.push_back(bot);
  pump();
}

/// A webhook that leads elsewhere shows in updates that do not come any more. With many bots it
/// would be long before each one's turn.
void webhooks_state::suspect_silent() {
  for (auto bot : ports.silent()) {
    auto found = bots.find(bot);
    if (found == bots.end() || found->second.state != intake_state::webhook)
      continue;
    auto& x = found->second;
    if (!x.busy && !x.queued && !std::exchange(x.suspect, true))
      suspects.push_back(bot);
  }
  self->run_delayed(cfg.silent_after / 2, [this] { suspect_silent(); });
  pump();
}

/// Whose turn it is; 0: nobody's yet.
bot_id webhooks_state::next() {
  for (auto [line, flag] :
       {std::pair{&urgent, &kept_bot::queued}, std::pair{&suspects, &kept_bot::suspect}})
    while (!line->empty()) {
      auto found = bots.find(line->front());
      if (found != bots.end() && found->second.*flag)
        return line->front();
      line->pop_front(); // It is gone, rests, or was looked at.
    }
  return !schedule.empty() && schedule.begin()->first <= now() ? schedule.begin()->second : 0;
}

void webhooks_state::pump() {
  bot_id bot = 0;
  while (running < most_running && (bot = next()) != 0 && pace.take(now()))
    begin(bot);
  if (running >= most_running || (bot == 0 && schedule.empty()))
    return;
  auto at = now() + std::max<caf::timespan>(pace.wait(now()), 1ms);
  if (bot == 0)
    at = std::max(at, schedule.begin()->first);
  if (timer_at != time_point{} && timer_at <= at && timer_at > now())
    return;
  timer.dispose();
  timer_at = at;
  timer = self->run_delayed(at - now(), [this] {
    timer_at = {};
    pump();
  });
}

void webhooks_state::begin(bot_id bot) {
  auto& x = bots.at(bot);
  unschedule(bot, x);
  x.again = false;
  auto what = std::make_shared<look>();
  what->bot = bot;
  what->era = x.era;
  what->how = ports.found->updates->book.find(bot);
  if (!what->how)
    return;
  x.busy = true;
  ++running;
  settle(what);
}

void webhooks_state::schedule_in(bot_id bot, kept_bot& x, caf::timespan wait) {
  unschedule(bot, x);
  x.due = now() + wait;
  schedule.emplace(x.due, bot);
}

void webhooks_state::unschedule(bot_id bot, kept_bot& x) {
  x.queued = x.suspect = false;
  if (x.due != time_point{})
    schedule.erase({std::exchange(x.due, time_point{}), bot});
}

caf::result<void> webhooks_state::release(const webhook_release& what) {
  auto how = ports.found->updates->book.find(what.bot);
  if (!how && !bots.contains(what.bot))
    return caf::unit;
  auto& x = bots[what.bot]; // Perhaps it is not loaded yet.
  stop_polling(what.bot, x);
  unschedule(what.bot, x);
  x.leaving = true;
  // Whoever asks sees to it that the bot takes own calls just now, whatever its phase was; nobody
  // can make Telegram take a token that it rejects.
  if (x.phase == bot_phase::unauthorized || !how)
    return caf::unit;
  auto promise = self->make_response_promise<void>();
  auto one = std::make_shared<look>();
  one->bot = what.bot;
  // Whatever is under way for the bot ends as if it were gone.
  one->era = x.era = ++eras;
  x.busy = true;
  one->how = std::move(how);
  one->released = [promise]() mutable { promise.deliver(); };
  ++running;
  settle(one);
  return promise;
}

caf::result<intake_view> webhooks_state::view(const intake_query& what) const {
  auto found = bots.find(what.bot);
  if (found == bots.end())
    return caf::make_error(store_refusal::not_found);
  auto& x = found->second;
  auto result = x.more ? x.more->view : intake_view{};
  result.state = x.state;
  return result;
}

polls_list webhooks_state::polls() const {
  polls_list result;
  for (const auto& [bot, x] : bots)
    if (auto how = x.polled ? ports.found->updates->book.find(bot) : nullptr)
      result.bots.push_back({bot, x.tenant, allowed_json(how->intake)});
  return result;
}

webhooks_report webhooks_state::report() const {
  webhooks_report result;
  for (const auto& [bot, x] : bots)
    ++result.by_state[static_cast<std::size_t>(x.state)];
  result.repaired = repaired;
  return result;
}

kept_bot* webhooks_state::find(const look& x) {
  auto found = bots.find(x.bot);
  return found == bots.end() || found->second.era != x.era ? nullptr : &found->second;
}

kept_details& webhooks_state::details(kept_bot& x) {
  if (!x.more)
    x.more = std::make_unique<kept_details>();
  return *x.more;
}

} // namespace troupe::keeping

namespace troupe {

webhooks_actor spawn_webhooks(caf::actor_system& sys, webhooks_config config,
                              webhooks_ports ports) {
  using impl = webhooks_actor::stateful_impl<keeping::webhooks_state>;
  return sys.spawn<impl>(std::move(config), std::move(ports));
}

} // namespace troupe
