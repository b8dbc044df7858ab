#include "actors/journal/state.hpp"

#include <caf/send.hpp>

/// Who consumes a bot's updates, and what he was told.
namespace troupe::journal {

void journal_state::attach(journal_attach& x, promise<pending_count> to) {
  auto& q = queue(x.bot);
  if (auto who = to.source())
    watch(x.bot, q, caf::actor_cast<bot_actor>(who));
  q.told = false;
  to.deliver(count_of(q));
}

/// The queue's bot learns that there is something, unless it knows.
void journal_state::tell(bot_id bot, bot_queue& q) {
  if (q.told)
    return;
  if (!q.consumer && ports.bot)
    if (auto who = ports.bot(bot))
      watch(bot, q, who);
  if (!q.consumer)
    return look_for(bot);
  q.told = true;
  caf::anon_send(q.consumer, updates_ready{bot, q.count()});
}

/// A bot that is idle comes back at once; any other one starts sooner or later.
void journal_state::look_for(bot_id bot) {
  if (ports.wake && !ports.wake(bot))
    return;
  not_found.insert(bot);
  if (!std::exchange(finding, true))
    self->run_delayed(cfg.find_pause, [this] { find_bots(); });
}

void journal_state::find_bots() {
  finding = false;
  for (auto bot : std::exchange(not_found, {}))
    if (auto* q = find(bot); q != nullptr && q->count() > 0)
      tell(bot, *q);
}

/// One monitor for each actor, whatever number of bots it stands for.
void journal_state::watch(bot_id bot, bot_queue& q, bot_actor who) {
  if (q.consumer == who)
    return;
  unwatch(bot, q);
  if (!watched.contains(who->id()))
    self->monitor(who);
  watched.emplace(who->id(), bot);
  take_back(q);
  q.consumer = std::move(who);
  not_found.erase(bot);
}

void journal_state::unwatch(bot_id bot, bot_queue& q) {
  if (!q.consumer)
    return;
  auto [first, last] = watched.equal_range(q.consumer->id());
  auto mine = std::find_if(first, last, [bot](auto& one) { return one.second == bot; });
  if (mine != last)
    watched.erase(mine);
  if (!watched.contains(q.consumer->id()))
    self->demonitor(q.consumer.address());
  q.consumer = bot_actor{};
}

/// Nobody says any more how what a bot was given ends.
void journal_state::take_back(bot_queue& q) {
  q.pending.take_back();
  q.next_expiry = std::min(q.next_expiry, q.pending.next_expiry(grace_ms()));
}

void journal_state::consumer_down(caf::actor_id who) {
  auto [first, last] = watched.equal_range(who);
  std::vector<bot_id> bots;
  for (auto i = first; i != last; ++i)
    bots.push_back(i->second);
  watched.erase(first, last);
  for (auto bot : bots)
    if (auto* q = find(bot)) {
      q->consumer = bot_actor{};
      q->told = false;
      take_back(*q);
      // Its successor, which needs a moment to start. What it was told it may not have heard.
      if (q->count() > 0)
        look_for(bot);
    }
}

} // namespace troupe::journal
