#include "actors/poller/poller.hpp"

#include "actors/poller/state.hpp"
#include "runtime/log/log.hpp"

#include <caf/stateful_actor.hpp>

#include <algorithm>

namespace troupe::polling {

using namespace std::chrono_literals;

poller_state::poller_state(poller_actor::pointer self, poller_config config, poller_ports ports)
  : self(self), cfg(config), ports(std::move(ports)),
    dice(static_cast<std::uint_fast32_t>(self->id())) {}

poller_actor::behavior_type poller_state::make_behavior() {
  load();
  return {
    [this](const poll_bot& x) { add(x); },
    [this](const poll_stop& x) { remove(x.bot); },
    [this](const get_report&) { return report(); },
  };
}

/// Those that an earlier poller polled. Where there is no `webhooks` yet, it will tell.
void poller_state::load() {
  auto webhooks = ports.found->updates->webhooks.get();
  if (!webhooks)
    return;
  self->request(webhooks, caf::infinite, polls_query{})
    .then(
      [this](const polls_list& all) {
        for (const auto& x : all.bots)
          add(x);
      },
      [](const caf::error&) {}); // Its successor looks at every bot anew.
}

void poller_state::add(const poll_bot& what) {
  auto [at, is_new] = bots.try_emplace(what.bot);
  auto& x = at->second;
  x.tenant = what.tenant;
  x.allowed = what.allowed;
  if (!is_new)
    return;
  x.era = ++eras;
  make_ready(what.bot, x);
  pump();
}

void poller_state::remove(bot_id bot) {
  auto found = bots.find(bot);
  if (found == bots.end())
    return;
  auto& x = found->second;
  if (x.now == stage::pausing)
    pauses.erase({x.due, bot});
  well(bot, x);
  bots.erase(found);
}

void poller_state::make_ready(bot_id bot, polled_bot& x) {
  x.now = stage::ready;
  turns.emplace_back(bot, x.era);
}

void poller_state::pump() {
  while (running < cfg.max_polls && !turns.empty()) {
    auto [bot, era] = turns.front();
    turns.pop_front();
    if (auto* x = find(bot, era); x != nullptr && x->now == stage::ready)
      poll(bot, *x);
  }
}

/// With more bots than places each waits a shorter time, so that all have their turn about as often
/// as if there were places enough.
std::chrono::seconds poller_state::timeout() const {
  if (bots.size() <= cfg.max_polls)
    return cfg.timeout;
  auto share = static_cast<double>(cfg.max_polls) / static_cast<double>(bots.size());
  auto seconds = static_cast<double>(cfg.timeout.count()) * share;
  return std::max(std::chrono::seconds{static_cast<std::int64_t>(seconds)},
                  std::min(cfg.timeout, 1s));
}

void poller_state::pause(bot_id bot, polled_bot& x, trouble why, caf::timespan wait) {
  x.now = stage::pausing;
  x.why = why;
  x.due = now() + wait;
  pauses.emplace(x.due, bot);
  arm();
}

void poller_state::pause_again(bot_id bot, polled_bot& x, trouble why) {
  x.times = x.why == why ? x.times + 1 : 1;
  backoff how;
  how.first = why == trouble::conflict ? cfg.first_conflict
              : why == trouble::full   ? cfg.first_full
                                       : cfg.first_retry;
  how.longest = why == trouble::conflict ? cfg.last_conflict
                : why == trouble::full   ? cfg.last_full
                                         : cfg.last_retry;
  pause(bot, x, why, how.delay(x.times, std::uniform_real_distribution<double>{0, 1}(dice)));
}

void poller_state::arm() {
  if (pauses.empty())
    return;
  auto at = pauses.begin()->first;
  if (timer_at != time_point{} && timer_at <= at)
    return;
  timer.dispose();
  timer_at = at;
  timer = self->run_delayed(std::max<caf::timespan>(at - now(), 1ms), [this] {
    timer_at = {};
    wake();
  });
}

void poller_state::wake() {
  while (!pauses.empty() && pauses.begin()->first <= now()) {
    auto bot = pauses.begin()->second;
    pauses.erase(pauses.begin());
    auto& x = bots.at(bot);
    if (x.why == trouble::full)
      look_at_journal(bot, x);
    else
      make_ready(bot, x);
  }
  arm();
  pump();
}

poller_report poller_state::report() const {
  auto result = counts;
  result.bots = bots.size();
  result.polls = running;
  result.paused = static_cast<std::uint64_t>(std::count_if(
    bots.begin(), bots.end(), [](const auto& x) { return x.second.why == trouble::full; }));
  return result;
}

} // namespace troupe::polling

namespace troupe {

poller_actor spawn_poller(caf::actor_system& sys, poller_config config, poller_ports ports) {
  return sys.spawn<poller_actor::stateful_impl<polling::poller_state>>(config, std::move(ports));
}

} // namespace troupe
