#include "actors/journal/state.hpp"
#include "runtime/log/log.hpp"

/// What comes from the store: everything that waits, at a start; a bot that was only counted;
/// bodies that memory does not have.
namespace troupe::journal {

/// Bodies in one page of dead letters, about.
constexpr std::uint64_t letter_bytes = 1u << 20;

/// Whoever can do without is told; the others wait on.
static void fail_waiting(std::vector<bot_queue::waiting_request>& from, const caf::error& why) {
  std::erase_if(from, [&](auto& one) {
    if (one.fail)
      one.fail(why);
    return static_cast<bool>(one.fail);
  });
}

// -- a start --------------------------------------------------------------------------------------

/// Also when memory and store may differ: what is in memory is thrown away, what it has to write is
/// kept.
void journal_state::load() {
  ready = false;
  ++epoch;
  entries = 0;
  bodies.clear();
  fresh.clear();
  counts.pending = counts.dead = 0;
  for (auto& [bot, q] : queues) {
    q.state = bot_queue::memory::warm;
    q.pending.clear();
    q.uncounted = q.dead = 0;
    q.top.reset();
    q.last_id.reset();
    q.told = false;
  }
  auto job = std::make_shared<loading>();
  job->epoch = epoch;
  std::vector<shard_hold> holds;
  if (ports.cluster) {
    hold_owned();
    std::vector<shard_id> shards;
    for (shard_id shard = 0; shard < shard_count; ++shard)
      if (held[shard].revision != 0) {
        holds.push_back({shard, held[shard].revision});
        shards.push_back(shard);
      }
    job->of.emplace(shards);
  }
  auto failed = std::make_shared<caf::error>();
  auto first = std::make_shared<std::int64_t>(0);
  storage::work what;
  what.how = storage::work::kind::write;
  what.run = [failed, first, holds, count = cfg.number_block](store::unit& u) {
    *failed = {};
    store::raise_fences(u, holds);
    store::merge_all_marks(u);
    *first = store::reserve_numbers(u, count);
  };
  what.fail = [failed](caf::error why) { *failed = std::move(why); };
  submit(std::move(what), [this, job, failed, first] {
    if (*failed)
      return load_failed(*job);
    take_block(*first);
    marks_dropped = next_seq;
    load_some(job, 0);
  });
}

void journal_state::take_block(std::int64_t first) {
  ++blocks;
  next_seq = first;
  end_of_block = next_seq + cfg.number_block;
  next_block = 0;
}

void journal_state::load_some(loading_ptr what, std::int64_t after) {
  read(
    [what, after, limit = cfg.load_rows](store::unit& u) {
      return what->of ? store::load_pending(u, after, limit, *what->of)
                      : store::load_pending(u, after, limit);
    },
    [this, what](const caf::error& why, const std::vector<store::pending_update>& rows) {
      if (what->epoch != epoch)
        return;
      if (why)
        return load_failed(*what);
      for (auto& x : rows)
        loaded(x);
      if (rows.size() < cfg.load_rows)
        return load_dead(what, 0);
      load_some(what, rows.back().seq);
    });
}

void journal_state::loaded(const store::pending_update& x) {
  if (ending_seqs.contains(x.seq) || (!mine(x.bot) && !is_coming(shard_of(x.bot))))
    return;
  auto& q = queue(x.bot);
  ++counts.pending;
  if (q.state == bot_queue::memory::warm && entries >= cfg.max_entries && q.ending == 0)
    cool(q);
  q.add(x.seq, x.urgent, {x.update_id, x.received, x.expires});
  if (q.state == bot_queue::memory::warm)
    ++entries;
}

void journal_state::load_dead(loading_ptr what, bot_id after) {
  read(
    [what, after, limit = cfg.load_rows](store::unit& u) {
      return what->of ? store::count_dead_letters(u, after, limit, *what->of)
                      : store::count_dead_letters(u, after, limit);
    },
    [this, what](const caf::error& why, const std::vector<std::pair<bot_id, std::int64_t>>& rows) {
      if (what->epoch != epoch)
        return;
      if (why)
        return load_failed(*what);
      for (auto& [bot, count] : rows) {
        if (!mine(bot) && !is_coming(shard_of(bot)))
          continue;
        queue(bot).dead = static_cast<std::uint32_t>(count);
        counts.dead += static_cast<std::uint64_t>(count);
      }
      if (rows.size() == cfg.load_rows)
        return load_dead(what, rows.back().first);
      what->for_gain ? end_gain(what->for_gain) : begin();
    });
}

void journal_state::begin() {
  ready = true;
  log::event(log::level::info, "journal.loaded", name,
             {{"pending", static_cast<std::int64_t>(counts.pending)},
              {"dead", static_cast<std::int64_t>(counts.dead)}});
  if (ports.begun)
    ports.begun();
  for (auto& one : std::exchange(deferred, {}))
    one.run();
  // Those that waited for a bot whose queue was being read when all was loaded anew.
  std::vector<bot_id> parked;
  for (auto& [bot, q] : queues)
    if (!q.deferred.empty())
      parked.push_back(bot);
  for (auto bot : parked) {
    auto* q = find(bot);
    if (q != nullptr && q->state == bot_queue::memory::warm)
      run_deferred(bot);
    else if (q != nullptr && q->state == bot_queue::memory::cold)
      warm_up(bot);
  }
  for (auto& [bot, q] : queues)
    if (q.count() > 0)
      tell(bot, q);
  if (ports.cluster) {
    begin_gain();
    check_leaving();
    look_in_boxes();
  }
  write();
}

void journal_state::load_failed(const loading& what) {
  if (stopping)
    return;
  if (what.for_gain) {
    self->run_delayed(cfg.retry_pause, [this, from = what.epoch, job = what.for_gain] {
      if (from == epoch && job == gaining)
        raise_and_load(job);
    });
    return;
  }
  fail_waiting(deferred, unavailable());
  self->run_delayed(cfg.retry_pause, [this] { load(); });
}

// -- bots that were only counted ------------------------------------------------------------------

void journal_state::when_warm(bot_id bot, bot_queue& q, bot_queue::waiting_request what) {
  if (q.state == bot_queue::memory::warm)
    return what.run();
  q.deferred.push_back(std::move(what));
  if (q.state == bot_queue::memory::cold)
    warm_up(bot);
}

void journal_state::warm_up(bot_id bot) {
  queue(bot).state = bot_queue::memory::loading;
  read_marks(
    bot, [bot](store::unit& u) { return store::pending_of(u, bot); },
    [this, bot, from = epoch, term = held[shard_of(bot)].term](
      const caf::error& why, const std::vector<store::pending_update>& found) {
      if (from == epoch && term == held[shard_of(bot)].term)
        warmed(bot, why, found);
    });
}

void journal_state::warmed(bot_id bot, const caf::error& why,
                           const std::vector<store::pending_update>& found) {
  auto* q = find(bot);
  if (q == nullptr || q->state != bot_queue::memory::loading)
    return; // Forgotten meanwhile.
  if (why) {
    q->state = bot_queue::memory::cold;
    q->pending.clear();
    fail_waiting(q->deferred, why);
    if (!q->deferred.empty())
      self->run_delayed(cfg.retry_pause, [this, bot] {
        if (auto* q = find(bot); q != nullptr && q->state == bot_queue::memory::cold)
          warm_up(bot);
      });
    return;
  }
  for (auto& x : found)
    q->pending.add(x.seq, x.urgent, {x.update_id, x.received, x.expires});
  q->state = bot_queue::memory::warm;
  counts.pending += q->pending.size();
  counts.pending -= q->uncounted;
  entries += q->pending.size();
  run_deferred(bot);
}

void journal_state::run_deferred(bot_id bot) {
  auto* q = find(bot);
  for (auto& one : std::exchange(q->deferred, {}))
    one.run();
}

void journal_state::cool(bot_queue& q) {
  q.uncounted = static_cast<std::uint32_t>(q.pending.size());
  q.cold_oldest = q.pending.oldest();
  q.next_expiry = q.pending.next_expiry(grace_ms());
  entries -= q.pending.size();
  q.pending.clear();
  q.state = bot_queue::memory::cold;
}

/// Those that were not asked for longest need not be in memory.
void journal_state::cool_down() {
  if (entries <= cfg.max_entries)
    return;
  std::vector<std::pair<caf::actor_clock::time_point, bot_id>> idle;
  for (auto& [bot, q] : queues)
    if (q.state == bot_queue::memory::warm && q.pending.size() > 0 && q.ending == 0)
      idle.emplace_back(q.used, bot);
  std::ranges::sort(idle);
  for (auto& [used, bot] : idle) {
    if (entries <= cfg.max_entries)
      return;
    cool(*find(bot));
  }
}

// -- pages ----------------------------------------------------------------------------------------

void journal_state::fetch(update_fetch& x, promise<update_page> to) {
  auto* q = find(x.bot);
  if (q == nullptr)
    return to.deliver(update_page{});
  q->used = now();
  q->told = false; // What comes from now on it has not been told of.
  when_warm(x.bot, *q,
            {[this, x, to] { fetch_warm(x, to); },
             [to](const caf::error& why) mutable { to.deliver(why); }});
}

void journal_state::fetch_warm(const update_fetch& x, promise<update_page> to) {
  auto& q = queue(x.bot);
  auto limit = std::clamp<std::size_t>(x.limit, 1, 1000);
  if (q.next_expiry <= wall()) {
    for (auto seq : q.pending.expired(wall(), grace_ms()))
      leave(x.bot, q, {seq, update_verdict::expired, 0, {}});
    q.next_expiry = q.pending.next_expiry(grace_ms());
    write();
  }
  auto seqs = x.by_id ? q.pending.by_id(x.after, x.after_seq, limit)
                      : q.pending.by_arrival(x.after_urgent, x.after, limit);
  // Copies: memory may forget them while others are read, and a page without one of those that wait
  // would let later ones overtake it.
  std::vector<stored_update> known;
  std::vector<std::int64_t> missing;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < seqs.size(); ++i) {
    auto* found = bodies.find(seqs[i]);
    if (found == nullptr) {
      missing.push_back(seqs[i]);
      continue;
    }
    if (bytes += found->body.str().size(); bytes > x.max_bytes && i > 0) {
      seqs.resize(i);
      break;
    }
    known.push_back(*found);
  }
  if (missing.empty())
    return give_page(x, seqs, std::move(known), to);
  using part = std::pair<std::vector<store::update_record>, std::size_t>;
  auto go_on = [this, x, seqs, missing, known = std::move(known), to](const caf::error& why,
                                                                      part& got) mutable {
    if (why)
      return to.deliver(why);
    for (auto& row : got.first)
      known.push_back(update_of(std::move(row)));
    if (got.second < missing.size()) // Enough for this page.
      seqs.erase(std::ranges::find(seqs, missing[got.second]), seqs.end());
    give_page(x, seqs, std::move(known), to);
  };
  auto query = [missing, most = x.max_bytes](store::unit& u) {
    part result;
    result.first = store::read_updates(u, missing, most, result.second);
    return result;
  };
  read(std::move(query), std::move(go_on));
}

void journal_state::give_page(const update_fetch& x, const std::vector<std::int64_t>& seqs,
                              std::vector<stored_update> known, promise<update_page> to) {
  if (!mine(x.bot)) // No longer.
    return to.deliver(caf::make_error(store_refusal::fenced));
  std::unordered_map<std::int64_t, stored_update*> by_seq;
  for (auto& one : known)
    by_seq.emplace(one.seq, &one);
  update_page page;
  auto& q = queue(x.bot);
  page.pending = q.count();
  std::uint64_t bytes = 0;
  for (auto seq : seqs) {
    auto found = by_seq.find(seq);
    if (q.state == bot_queue::memory::warm && !q.pending.contains(seq))
      continue; // Ended while others were read.
    if (found == by_seq.end()) {
      if (q.state == bot_queue::memory::warm)
        break; // It waits, and was not there: nothing overtakes it.
      continue;
    }
    bytes += found->second->body.str().size();
    if (bytes > x.max_bytes && !page.updates.empty())
      break;
    page.updates.push_back(std::move(*found->second));
  }
  // What it hands to a receiver is over when that has answered; for what it does not, it says so at
  // once. Who polls has not got them until he says so.
  if (!x.by_id && q.consumer && to.source() == caf::actor_cast<caf::strong_actor_ptr>(q.consumer))
    for (const auto& one : page.updates)
      q.pending.give(one.seq);
  to.deliver(std::move(page));
}

void journal_state::list_dead(dead_letter_query& x, promise<dead_letter_page> to) {
  auto limit = std::clamp<std::size_t>(x.limit, 1, 1000);
  read(
    [x, limit](store::unit& u) {
      return store::list_dead_letters(u, x.bot, x.after, limit, letter_bytes);
    },
    [to](const caf::error& why, store::dead_letters& found) mutable {
      if (why)
        return to.deliver(why);
      dead_letter_page page;
      page.more = found.more;
      for (auto& one : found.rows) {
        auto& from = one.update;
        page.rows.push_back({one.id, from.bot, from.update_id, std::move(from.kind), from.received,
                             one.died, one.attempts, std::move(one.reason), std::move(from.body)});
      }
      to.deliver(std::move(page));
    });
}

} // namespace troupe::journal
