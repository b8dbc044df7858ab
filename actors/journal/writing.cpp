#include "actors/journal/state.hpp"
#include "runtime/log/log.hpp"

/// What waits is gathered while the store is at work, and goes there as one unit.
namespace troupe::journal {

/// So many commits wait for nobody after one that waited in vain.
constexpr std::uint32_t rarely = 20;

/// Upkeep is spread over the units, so that none of them keeps those waiting who come next: so many
/// marks of one bot are merged together, and so many bots' marks are cut back in one unit.
constexpr std::size_t most_merged = 256;
constexpr std::size_t most_truncated = 8;

bool journal_state::leave(bot_id bot, bot_queue& q, const update_end& x) {
  bool urgent = false;
  auto found = q.pending.take(x.seq, urgent);
  if (!found)
    return false;
  if (x.how == update_verdict::expired && ports.expired)
    ports.expired(bot, found->received);
  --entries;
  --counts.pending;
  bodies.erase(x.seq);
  ending one{bot, x.seq, x.how, false, x.attempts, x.reason};
  if (x.how == update_verdict::dead) {
    one.buried = true;
  } else if (x.how == update_verdict::expired && !urgent) {
    one.buried = true;
    one.reason = "expired";
  }
  // Receivers' words: a text that the store does not take would keep everything else out.
  if (!store::is_text(one.reason))
    one.reason = "a reason that is no UTF-8 text";
  ++q.ending;
  ending_seqs.insert(x.seq);
  ends.push_back(std::move(one));
  return true;
}

std::uint64_t journal_state::bytes_of(const std::vector<stored_update>& what) {
  std::uint64_t result = 0;
  for (const auto& one : what)
    result += one.body.str().size();
  return result;
}

bool journal_state::has_room(const std::vector<stored_update>& what) const {
  return waiting_updates == 0
         || (waiting_updates + what.size() <= cfg.max_waiting
             && waiting_bytes + bytes_of(what) <= cfg.max_waiting_bytes);
}

void journal_state::now_wait(const std::vector<stored_update>& what) {
  waiting_updates += static_cast<std::uint32_t>(what.size());
  waiting_bytes += bytes_of(what);
}

void journal_state::wait_no_more(const std::vector<stored_update>& what) {
  waiting_updates -= static_cast<std::uint32_t>(what.size());
  waiting_bytes -= bytes_of(what);
}

void journal_state::write() {
  if (!ready || writing || (retry_armed && appends.empty()))
    return;
  if (gathering && waiting_items() < enough)
    return;
  gathering = false;
  written what;
  what.what = next_group(what);
  if (!what.what) {
    // Nothing is on its way: what they wait for is stored.
    for (auto& one : std::exchange(waiters, {}))
      (void)one({});
    return;
  }
  writing = true;
  flying = what.what;
  what.failed = std::make_shared<caf::error>();
  storage::work one;
  one.how = storage::work::kind::write;
  one.run = [g = what.what, failed = what.failed](store::unit& u) {
    *failed = {};
    g->run(u);
  };
  one.fail = [failed = what.failed](caf::error why) { *failed = std::move(why); };
  submit(std::move(one), [this, began = now(), kept = std::make_shared<written>(std::move(what))] {
    writing = false;
    flying.reset();
    if (*kept->failed)
      write_failed(*kept, *kept->failed);
    else
      written_down(*kept);
    if (stopping && *kept->failed)
      return;
    if (!*kept->failed)
      gather(now() - began, kept->what->updates.size() + kept->what->ends.size());
    check_leaving();
    write();
  });
}

/// Those who were just answered ask again soon, or never: a commit that waits for them, a part of
/// its own length, takes them along with those who wait, instead of serving both in turns. Where
/// nobody comes in that time, it is seldom tried.
void journal_state::gather(caf::timespan took, std::size_t answered) {
  constexpr caf::timespan longest = std::chrono::milliseconds{2};
  auto pause = std::min(took / 2, longest);
  if (stopping || pause.count() <= 0 || waiting_items() == 0)
    return;
  if (not_worth > 0) {
    --not_worth;
    return;
  }
  gathering = true;
  enough = (waiting_items() + answered) * 3 / 4;
  self->run_delayed(pause, [this, round = ++gathered] {
    if (round != gathered || !std::exchange(gathering, false))
      return;
    not_worth = rarely;
    write();
  });
}

std::size_t journal_state::waiting_items() const noexcept {
  return waiting_updates + ends.size();
}

std::shared_ptr<group> journal_state::next_group(written& to) {
  if (appends.empty() && ends.empty() && replays.empty() && forgotten.empty() && to_truncate.empty()
      && to_settle.empty())
    return nullptr;
  auto g = std::make_shared<group>();
  g->now = wall();
  g->lifetime = lifetime_ms();
  g->max_dead = cfg.max_dead;
  g->wary = wary > 0;
  if (end_of_block - next_seq < cfg.number_block / 2 && next_block == 0)
    g->reserve = cfg.number_block;
  g->first_number = next_seq;
  g->blocks = blocks;
  // Should replays break a rule, then no append's. In turns: neither waits for all of the others.
  bool replaying = !replays.empty() && (appends.empty() || !std::exchange(replayed, false));
  if (!replaying)
    take_appends(*g, to);
  g->ends = std::exchange(ends, {});
  to.waiters = std::exchange(waiters, {});
  g->first_letter = next_seq;
  std::unordered_map<bot_id, std::uint32_t> buried;
  for (auto& one : g->ends)
    if (one.buried) {
      (void)next_number();
      ++buried[one.bot];
    }
  for (auto& [bot, n] : buried)
    if (auto* q = find(bot); q != nullptr && q->dead + n > cfg.max_dead)
      g->trimmed.push_back(bot);
  g->forgotten.assign(forgotten.begin(), forgotten.end());
  forgotten.clear();
  while (!to_truncate.empty() && g->truncated.size() < most_truncated) {
    auto bot = to_truncate.extract(to_truncate.begin()).value();
    if (auto* q = find(bot))
      g->truncated.emplace_back(bot, cfg.remembered + q->count() + q->coming + q->ending);
  }
  if (replaying)
    take_replays(*g, to);
  take_marks(*g, to);
  if (ports.cluster)
    stamp(*g);
  return g;
}

/// Some letters at a time: each is a few steps of the store's, and meanwhile nothing else is
/// stored.
void journal_state::take_replays(group& to, written& from) {
  replayed = true;
  for (std::size_t room = cfg.group_letters; room > 0 && !replays.empty();) {
    auto& one = from.replays.emplace_back(std::move(replays.front()));
    replays.pop_front();
    auto n = std::min(room, one.left);
    room -= n;
    auto& added = to.replays.emplace_back();
    added.what = one.what;
    if (!one.all) {
      auto end = one.what.ids.begin() + static_cast<std::ptrdiff_t>(n);
      added.what.ids.assign(one.what.ids.begin(), end);
      one.what.ids.erase(one.what.ids.begin(), end);
    }
    for (std::size_t i = 0; i < n; ++i)
      added.numbers.push_back(next_number());
    to_settle.insert(one.what.bot);
  }
}

/// Fresh marks of bots by which something is looked for now, and so many that the rest is not too
/// much.
void journal_state::take_marks(group& to, written& from) {
  to.settled.merge(to_settle);
  to_settle.clear();
  from.settling = std::exchange(settling, {});
  for (auto bot : to.settled)
    fresh.take(bot, to.merged);
  // Of as many again rows stay until older ones have gone.
  while (fresh.size() > cfg.fresh_marks / 2)
    fresh.take_oldest(to.merged, most_merged);
  from.was_dropped = marks_dropped;
  if (ports.cluster)
    return; // Rows of fresh marks are many bots': of nodes that share a store none makes any.
  // What was merged may stay for a while: rows that follow each other go at once.
  if (auto lowest = fresh.lowest(to.first_number); lowest > marks_dropped + cfg.fresh_marks / 16)
    to.merged_below = marks_dropped = lowest;
}

void journal_state::take_appends(group& to, written& from) {
  std::uint64_t bytes = 0;
  std::unordered_map<bot_id, std::optional<std::int64_t>> tops;
  while (!appends.empty()) {
    auto& one = appends.front();
    if (!to.updates.empty()
        && (wary > 0 || to.updates.size() + one.updates.size() > cfg.group_updates
            || bytes > cfg.group_bytes))
      break;
    auto& q = queue(one.bot);
    to.tops.emplace(one.bot, q.top);
    auto& top = tops.emplace(one.bot, q.top).first->second;
    for (auto& x : one.updates) {
      if (wary > 0 || ports.cluster || !top || x.id <= *top)
        to.settled.insert(one.bot);
      else
        top = x.id;
      to.places.push_back(0);
      bytes += x.body.str().size();
      to.hashes.push_back(store::content_hash(x.body.str()));
      to.bots.push_back(one.bot);
      to.updates.push_back(x);
      to.updates.back().seq = next_number();
    }
    std::ranges::copy(one.places, to.places.end() - static_cast<std::ptrdiff_t>(one.places.size()));
    from.appends.push_back(std::move(one));
    appends.pop_front();
  }
  if (wary > 0)
    --wary;
}

// -- afterwards -----------------------------------------------------------------------------------

void journal_state::written_down(written& what) {
  ++counts.commits;
  auto& g = *what.what;
  if (g.reserved >= end_of_block) // Lower: taken before the block that is in use now.
    next_block = g.reserved;
  if (end_of_block - next_seq < cfg.number_block / 4 && next_block != 0) {
    if (next_block != end_of_block) // Another node's are in between.
      next_seq = next_block;
    end_of_block = std::exchange(next_block, 0) + cfg.number_block;
  }
  drop_fenced(g);
  stored_ends(g);
  stored_updates(what);
  stored_replays(what);
  for (auto& one : what.waiters)
    (void)one(g.is_fenced(one.bot) ? caf::make_error(store_refusal::fenced) : caf::error{});
  for (auto& one : what.settling)
    one({});
}

void journal_state::stored_updates(written& what) {
  auto& g = *what.what;
  for (auto& [bot, top] : g.tops)
    if (auto* q = find(bot); q != nullptr && applies(g, bot))
      q->top = top;
  std::size_t i = 0;
  for (auto& one : what.appends) {
    append_result result;
    auto n = static_cast<std::uint32_t>(one.updates.size());
    if (g.is_fenced(one.bot)) {
      i += n;
      reroute(std::move(one));
      continue;
    }
    wait_no_more(one.updates);
    if (!one.places.empty())
      looking.erase(one.bot);
    if (!applies(g, one.bot)) { // It is stored; the bot's owner reads it there.
      for (auto end = i + n; i < end; ++i)
        ++(g.stored[i] ? result.stored : result.duplicates);
      one.answer(result);
      continue;
    }
    if (forgotten.contains(one.bot)) { // It goes with the next group.
      one.answer(caf::make_error(ec::unknown_bot));
      i += n;
      continue;
    }
    auto& q = queue(one.bot);
    q.coming -= std::min(q.coming, n);
    for (auto end = i + n; i < end; ++i) {
      auto& x = g.updates[i];
      if (!g.stored[i]) {
        ++result.duplicates;
        continue;
      }
      ++result.stored;
      if (!g.settled.contains(one.bot))
        fresh.add({one.bot, x.id, g.hashes[i], x.seq});
      q.last_id = x.id;
      q.add(x.seq, x.urgent, {x.id, x.received, x.expires});
      if (q.state == bot_queue::memory::warm)
        ++entries;
      bodies.put(x);
      if (ports.stored)
        ports.stored(one.bot, x);
    }
    counts.pending += result.stored;
    counts.appended += result.stored;
    counts.duplicates += result.duplicates;
    one.answer(result);
    if (result.stored > 0)
      tell(one.bot, q);
    if (!one.places.empty())
      look_in_box(one.bot); // There may be more.
  }
}

void journal_state::stored_ends(group& g) {
  for (std::size_t i = 0; i < g.ends.size(); ++i) {
    auto& x = g.ends[i];
    ending_seqs.erase(x.seq);
    if (g.is_fenced(x.bot))
      continue;
    ++(x.how == update_verdict::delivered ? counts.delivered
       : x.how == update_verdict::dead    ? counts.died
                                          : counts.expired);
    auto* q = find(x.bot);
    if (q == nullptr || !applies(g, x.bot))
      continue;
    q->ending -= q->ending > 0 ? 1 : 0;
    if (g.was_buried[i]) {
      ++q->dead;
      ++counts.dead;
    }
    if (++q->ended_since > std::max(cfg.remembered / 4, 16u)) {
      q->ended_since = 0;
      to_truncate.insert(x.bot);
    }
  }
  for (std::size_t i = 0; i < g.trimmed.size(); ++i) {
    if (g.went[i] > 0)
      log::event(log::level::warning, "dead-letters.dropped", name,
                 {{"bot", g.trimmed[i]}, {"dropped", static_cast<std::int64_t>(g.went[i])}},
                 "A bot has more dead letters than are kept; the oldest are gone.");
    if (auto* q = find(g.trimmed[i]); q != nullptr && applies(g, g.trimmed[i])) {
      auto went = std::min<std::uint32_t>(static_cast<std::uint32_t>(g.went[i]), q->dead);
      q->dead -= went;
      counts.dead -= went;
    }
  }
}

void journal_state::stored_replays(written& what) {
  auto& g = *what.what;
  std::vector<waiting_replay> go_on;
  for (std::size_t i = 0; i < g.replays.size(); ++i) {
    auto& x = g.replays[i];
    auto& one = what.replays[i];
    if (g.is_fenced(x.what.bot)) {
      one.to.deliver(caf::make_error(store_refusal::fenced));
      continue;
    }
    stored_replay(x, g);
    one.left -= x.numbers.size();
    one.done.replayed += x.gone;
    one.done.missing.insert(one.done.missing.end(), x.missing.begin(), x.missing.end());
    if (one.left == 0 || (one.all && x.gone == 0))
      one.to.deliver(std::move(one.done));
    else if (!applies(g, x.what.bot)) // The others are its new owner's.
      one.to.deliver(caf::make_error(store_refusal::fenced));
    else
      go_on.push_back(std::move(one));
  }
  std::move(go_on.rbegin(), go_on.rend(), std::front_inserter(replays));
}

void journal_state::stored_replay(const group::replay& x, const group& g) {
  auto* q = find(x.what.bot);
  if (q == nullptr || !applies(g, x.what.bot))
    return;
  auto gone = std::min(q->dead, x.gone);
  q->dead -= gone;
  counts.dead -= gone;
  for (auto& one : x.updates) {
    if (q->top)
      q->top = std::max(*q->top, one.update_id);
    q->add(one.seq, one.urgent, {one.update_id, one.received, one.expires});
    if (q->state == bot_queue::memory::warm)
      ++entries;
  }
  counts.pending += x.updates.size();
  if (!x.updates.empty())
    tell(x.what.bot, *q);
}

void journal_state::write_failed(written& what, const caf::error& why) {
  auto& g = *what.what;
  // A rule that is broken by one of them shall not keep the others out.
  auto count = what.appends.size();
  bool alone = !g.wary
               && ((why == store_refusal::invalid && count > 0)
                   || (why == store_refusal::failed && count > 1));
  if (alone) {
    wary = what.appends.size();
    std::move(what.appends.rbegin(), what.appends.rend(), std::front_inserter(appends));
  } else {
    for (auto& one : what.appends) {
      auto n = static_cast<std::uint32_t>(one.updates.size());
      if (!one.places.empty())
        looking.erase(one.bot);
      if (auto* q = find(one.bot); q != nullptr && applies(g, one.bot))
        q->coming -= std::min(q->coming, n);
      wait_no_more(one.updates);
      counts.refused += n;
      one.answer(why);
    }
  }
  for (auto& one : what.replays)
    one.to.deliver(why);
  // What has ended must be stored some time: it stays.
  g.ends.insert(g.ends.end(), std::make_move_iterator(ends.begin()),
                std::make_move_iterator(ends.end()));
  ends = std::move(g.ends);
  std::erase_if(ends, [&](const ending& x) {
    if (applies(g, x.bot))
      return false;
    ending_seqs.erase(x.seq); // Its shard is gone meanwhile.
    return true;
  });
  forgotten.insert(g.forgotten.begin(), g.forgotten.end());
  for (auto& [bot, keep] : g.truncated)
    to_truncate.insert(bot);
  std::erase_if(g.merged, [&](auto& x) { return forgotten.contains(x.bot); });
  fresh.put_back(g.merged);
  marks_dropped = what.was_dropped;
  if (alone) {
    to_settle.merge(g.settled);
    std::ranges::move(what.settling, std::back_inserter(settling));
  } else {
    for (auto& one : what.settling)
      one(why);
  }
  std::erase_if(what.waiters, [&](waiter& one) { return one(why); });
  waiters.insert(waiters.begin(), std::make_move_iterator(what.waiters.begin()),
                 std::make_move_iterator(what.waiters.end()));
  if (why == store_refusal::outcome_unknown) {
    // It is stored, or it is not: what memory says of it may be wrong.
    log::event(log::level::warning, "journal.reloaded", name,
               {{"updates", static_cast<std::int64_t>(g.updates.size())},
                {"ends", static_cast<std::int64_t>(ends.size())}},
               "The store broke off during a commit; the journal reads anew what is stored.");
    load();
    return;
  }
  if (g.blocks == blocks)
    next_seq = g.first_number; // None of them was given.
  if (!alone && !stopping && !std::exchange(retry_armed, true))
    self->run_delayed(cfg.retry_pause, [this] {
      retry_armed = false;
      write();
    });
}

} // namespace troupe::journal
