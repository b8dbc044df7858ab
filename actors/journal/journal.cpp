#include "actors/journal/journal.hpp"

#include "actors/journal/state.hpp"
#include "runtime/registry/wall_clock.hpp"
#include "runtime/store/cells.hpp"

#include <caf/stateful_actor.hpp>

namespace troupe::journal {

/// How far above the newest id an offset may be: as in the official server's queue (TQueue in
/// tdlib/td).
constexpr std::int64_t offset_ahead = 10;

journal_state::journal_state(journal_impl::pointer self, journal_config config, journal_ports given)
  : self(self), cfg(std::move(config)), ports(std::move(given)), bodies(cfg.cache_bytes) {
  if (!ports.now)
    ports.now = wall_now;
  // Weak: what still runs keeps no dead actor.
  ended = std::make_shared<storage::completion>([me = caf::weak_actor_ptr{self->ctrl()}] {
    if (auto strong = me.lock())
      caf::anon_send(caf::actor_cast<journal_impl>(strong), caf::ok_atom_v);
  });
}

journal_impl::behavior_type journal_state::make_behavior() {
  self->set_exit_handler([this](const caf::exit_msg& ask) {
    if (ask.reason == caf::exit_reason::user_shutdown)
      return stop();
    if (ask.reason)
      self->quit(ask.reason);
  });
  self->set_down_handler([this](const caf::down_msg& x) { consumer_down(x.source.id()); });
  load();
  self->run_delayed(cfg.sweep_every, [this] { sweep(); });
  return {
    [this](update_append& x) { return take(&journal_state::append, x); },
    [this](update_fetch& x) { return take(&journal_state::fetch, x); },
    [this](update_ends& x) { return take(&journal_state::end_updates, x); },
    [this](update_confirm& x) { return take(&journal_state::confirm, x); },
    [this](journal_attach& x) { return take(&journal_state::attach, x); },
    [this](const journal_forget& x) {
      if (ready)
        forget(x.bot);
      else
        deferred.push_back({[this, bot = x.bot] { forget(bot); }, {}});
    },
    [this](pending_query& x) { return take(&journal_state::count, x); },
    [this](dead_letter_query& x) { return take(&journal_state::list_dead, x); },
    [this](dead_letter_replay& x) { return take(&journal_state::replay, x); },
    [this](const journal_limits& x) { set_limits(x); },
    [this](get_report) { return report(); },
    [this](const shards_gained& x) { return gained(x); },
    [this](const shards_lost& x) { return lost(x); },
    [this](const pasts_keep& x) { return keep_pasts(x); },
    [this](const pasts_ask& x) { return find_pasts(x); },
    [this](const box_filled& x) {
      if (ready)
        look_in_box(x.bot);
    },
    [this](caf::ok_atom) { take_ended(); },
  };
}

// -- requests -------------------------------------------------------------------------------------

void journal_state::append(update_append& x, promise<append_result> to) {
  auto n = static_cast<std::uint32_t>(x.updates.size());
  if (n == 0)
    return to.deliver(append_result{});
  for (auto& one : x.updates)
    if (!store::is_text(one.body.str()))
      return to.deliver(caf::make_error(store_refusal::invalid));
  auto& q = queue(x.bot);
  auto waiting = q.count() + q.coming;
  // An empty queue takes what is larger than itself: it would never fit.
  if (waiting > 0 && waiting + n > cfg.max_pending) {
    counts.refused += n;
    return to.deliver(caf::make_error(ec::journal_full, refusal{std::chrono::seconds{1}}));
  }
  if (!has_room(x.updates)) {
    counts.refused += n;
    return to.deliver(unavailable());
  }
  complete(x.updates);
  q.coming += n;
  now_wait(x.updates);
  appends.push_back({x.bot, std::move(x.updates), std::move(to)});
  write();
}

void journal_state::end_updates(update_ends& x, promise<void> to) {
  auto* q = find(x.bot);
  if (q == nullptr || x.ends.empty())
    return to.deliver();
  auto bot = x.bot;
  auto run = [this, x = std::move(x), to]() mutable {
    if (!mine(x.bot)) // No longer.
      return to.deliver(caf::make_error(store_refusal::fenced));
    auto& q = queue(x.bot);
    for (auto& one : x.ends)
      leave(x.bot, q, one);
    // Also when none was known: they may be on their way to the store since they were told first.
    waiters.push_back({x.bot, [to](const caf::error& why) mutable {
                         if (why == store_refusal::fenced) {
                           to.deliver(why);
                           return true;
                         }
                         if (!why)
                           to.deliver();
                         return !why;
                       }});
    write();
  };
  when_warm(bot, *q, {std::move(run), {}});
}

/// What an offset confirms. Telegram's ids may begin anew below those of updates that still wait:
/// an offset far above the newest is of the time before that, and confirms what came then.
/// @param last_id the newest, which may not wait any more
static std::vector<std::int64_t>
below(const std::vector<std::pair<std::int64_t, std::int64_t>>& arrived, std::int64_t last_id,
      std::int64_t offset) {
  auto end = arrived.end();
  if (last_id < offset - offset_ahead)
    while (end != arrived.begin() && std::prev(end)->second < offset - offset_ahead)
      --end;
  std::vector<std::int64_t> result;
  for (auto i = arrived.begin(); i != end; ++i)
    if (i->second < offset)
      result.push_back(i->first);
  return result;
}

void journal_state::confirm(update_confirm& x, promise<confirm_result> to) {
  auto* q = find(x.bot);
  if (q == nullptr)
    return to.deliver(confirm_result{});
  when_warm(x.bot, *q,
            {[this, x, to]() mutable { confirm_warm(x, to); },
             [to](const caf::error& why) mutable { to.deliver(why); }});
}

void journal_state::confirm_warm(update_confirm& x, promise<confirm_result> to) {
  auto& q = queue(x.bot);
  auto arrived = q.pending.seqs_and_ids();
  std::vector<std::int64_t> seqs;
  if (!x.seqs.empty()) {
    seqs = x.seqs;
  } else if (x.all || x.keep_last > 0) {
    auto keep = x.all ? std::size_t{0} : std::min<std::size_t>(x.keep_last, arrived.size());
    for (std::size_t i = 0; i + keep < arrived.size(); ++i)
      seqs.push_back(arrived[i].first);
  } else if (!arrived.empty()) {
    if (arrived.back().second < x.below - offset_ahead && !q.last_id)
      return read_marks(
        x.bot, [bot = x.bot](store::unit& u) { return store::last_update_id(u, bot); },
        [this, x, to](const caf::error& why, std::optional<std::int64_t>& id) mutable {
          if (why)
            return to.deliver(why);
          if (auto* q = find(x.bot); q != nullptr && !q->last_id)
            q->last_id = id.value_or(x.below);
          confirm(x, to);
        });
    seqs = below(arrived, q.last_id.value_or(x.below), x.below);
    if (!seqs.empty())
      return confirm_seen(x, std::move(arrived), std::move(seqs), to);
  }
  confirm_all(x.bot, seqs, to);
}

/// Whoever names an offset has seen the update right below it. One that came after that with a
/// lower id (Telegram sends again what a webhook failed to take) he may not have seen: it is not
/// confirmed. An offset behind an update that never came is a wish to skip whatever is below.
void journal_state::confirm_seen(const update_confirm& x, ids_by_arrival arrived,
                                 std::vector<std::int64_t> seqs, promise<confirm_result> to) {
  auto up_to = [this, bot = x.bot, to](std::vector<std::int64_t> seqs, std::int64_t seen) mutable {
    std::erase_if(seqs, [seen](std::int64_t seq) { return seq > seen; });
    confirm_all(bot, seqs, to);
  };
  for (auto& [seq, id] : arrived)
    if (id == x.below - 1)
      return up_to(std::move(seqs), seq);
  auto go_on = [this, bot = x.bot, up_to, seqs = std::move(seqs),
                to](const caf::error& why, std::optional<std::int64_t>& found) mutable {
    if (why)
      return to.deliver(why);
    auto* q = find(bot);
    if (q == nullptr)
      return to.deliver(confirm_result{});
    auto seen = found.value_or(std::numeric_limits<std::int64_t>::max());
    when_warm(bot, *q,
              {[up_to, seqs, seen]() mutable { up_to(std::move(seqs), seen); },
               [to](const caf::error& cold) mutable { to.deliver(cold); }});
  };
  read_marks(
    x.bot,
    [bot = x.bot, id = x.below - 1](store::unit& u) { return store::seq_of_update(u, bot, id); },
    std::move(go_on));
}

/// Those of them that still wait are delivered. Answered when that is on disk.
void journal_state::confirm_all(bot_id bot, const std::vector<std::int64_t>& seqs,
                                promise<confirm_result> to) {
  auto& q = queue(bot);
  std::uint32_t confirmed = 0;
  for (auto seq : seqs)
    if (leave(bot, q, {seq, update_verdict::delivered, 1, {}}))
      ++confirmed;
  confirm_result result{confirmed, q.count()};
  if (confirmed == 0)
    return to.deliver(result);
  waiters.push_back({bot, [to, result](const caf::error& why) mutable {
                       why ? to.deliver(why) : to.deliver(result);
                       return true;
                     }});
  write();
}

void journal_state::forget(bot_id bot) {
  if (!mine(bot))
    return;
  drop_queue(bot, caf::make_error(ec::unknown_bot));
  std::vector<store::update_mark> gone;
  fresh.take(bot, gone);
  std::deque<waiting_append> others;
  for (auto& one : appends)
    if (one.bot == bot) {
      wait_no_more(one.updates);
      one.answer(caf::make_error(ec::unknown_bot));
      looking.erase(bot);
    } else {
      others.push_back(std::move(one));
    }
  appends = std::move(others);
  forgotten.insert(bot);
  write();
}

/// Memory knows nothing of it any more.
void journal_state::drop_queue(bot_id bot, const caf::error& why) {
  if (auto found = queues.extract(bot); !found.empty()) {
    auto& q = found.mapped();
    unwatch(bot, q);
    if (q.state == bot_queue::memory::warm)
      entries -= q.pending.size();
    for (auto& [seq, id] : q.pending.seqs_and_ids())
      bodies.erase(seq);
    counts.pending -= q.count();
    counts.dead -= q.dead;
    for (auto& one : q.deferred)
      if (one.fail)
        one.fail(why);
      else
        one.run();
  }
  not_found.erase(bot);
  to_truncate.erase(bot);
}

void journal_state::replay(dead_letter_replay& x, promise<replay_result> to) {
  auto all = x.ids.empty();
  auto* q = find(x.bot);
  auto dead = q == nullptr ? std::size_t{0} : q->dead;
  auto left = all ? dead : x.ids.size();
  replays.push_back({std::move(x), std::move(to), all, left});
  write();
}

void journal_state::count(pending_query& x, promise<pending_count> to) {
  auto* q = find(x.bot);
  to.deliver(q == nullptr ? pending_count{} : count_of(*q));
}

pending_count journal_state::count_of(const bot_queue& q) const {
  auto n = q.count();
  return {n, q.dead, q.oldest(), n + q.coming >= cfg.max_pending};
}

void journal_state::set_limits(const journal_limits& x) {
  static_cast<journal_limits&>(cfg) = x;
  bodies.set_max(cfg.cache_bytes);
}

journal_report journal_state::report() const {
  auto result = counts;
  result.cached_bytes = bodies.bytes();
  result.oldest = 0;
  for (auto& [bot, q] : queues)
    if (auto at = q.oldest(); at != 0 && (result.oldest == 0 || at < result.oldest))
      result.oldest = at;
  return result;
}

// -- upkeep ---------------------------------------------------------------------------------------

/// Gives up what nobody wants any more.
void journal_state::sweep() {
  self->run_delayed(cfg.sweep_every, [this] { sweep(); });
  if (!ready || stopping)
    return;
  auto at = wall();
  std::vector<bot_id> due;
  for (auto& [bot, q] : queues)
    if (q.next_expiry <= at && q.count() > 0)
      due.push_back(bot);
  for (auto bot : due) {
    auto expire = [this, bot] {
      auto& q = queue(bot);
      for (auto seq : q.pending.expired(wall(), grace_ms()))
        leave(bot, q, {seq, update_verdict::expired, 0, {}});
      q.next_expiry = q.pending.next_expiry(grace_ms());
    };
    when_warm(bot, queue(bot), {expire, [](const caf::error&) {}});
  }
  cool_down();
  forget_idle_bots();
  if (ports.cluster && now() >= next_walk)
    look_in_boxes();
  write();
}

void journal_state::forget_idle_bots() {
  if (queues.size() <= cfg.max_bots)
    return;
  for (auto i = queues.begin(); i != queues.end();) {
    auto& q = i->second;
    auto next = std::next(i);
    if (q.state == bot_queue::memory::warm && q.count() == 0 && q.coming == 0 && q.ending == 0
        && q.dead == 0 && q.used + std::chrono::minutes{1} < now()) {
      unwatch(i->first, q);
      queues.erase(i);
    }
    i = next;
  }
}

void journal_state::stop() {
  stopping = true;
  gathering = false;
  write();
  if (running.empty())
    self->quit(caf::exit_reason::user_shutdown);
}

// -- works ----------------------------------------------------------------------------------------

void journal_state::submit(storage::work what, std::function<void()> then) {
  what.id = ++last_work;
  what.expires = now() + cfg.patience;
  what.told = ended;
  running.emplace(what.id, std::move(then));
  ports.sql->submit(std::move(what));
}

void journal_state::take_ended() {
  for (auto id : ended->take()) {
    auto found = running.extract(id);
    if (!found.empty())
      found.mapped()();
  }
  if (stopping && running.empty())
    self->quit(caf::exit_reason::user_shutdown);
}

bot_queue& journal_state::queue(bot_id bot) {
  auto& q = queues[bot];
  q.used = now();
  return q;
}

bot_queue* journal_state::find(bot_id bot) {
  auto found = queues.find(bot);
  return found == queues.end() ? nullptr : &found->second;
}

} // namespace troupe::journal

namespace troupe {

journal_actor spawn_journal(caf::actor_system& sys, journal_config config, journal_ports ports) {
  using impl = journal::journal_impl::stateful_impl<journal::journal_state>;
  return sys.spawn<impl>(std::move(config), std::move(ports));
}

} // namespace troupe
