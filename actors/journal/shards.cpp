#include "actors/journal/state.hpp"
#include "runtime/log/log.hpp"
#include "runtime/store/shard_holds.hpp"
#include "runtime/store/shard_pasts.hpp"

/// Of many nodes on one store each has the bots of its shards: those that come are read, those that
/// go are dropped from memory. In the store all stays where it is.
namespace troupe::journal {

static caf::error fenced() {
  return caf::make_error(store_refusal::fenced);
}

bool journal_state::applies(const group& g, bot_id bot) const {
  if (!ports.cluster)
    return true;
  auto shard = shard_of(bot);
  auto found = g.terms.find(shard);
  return held[shard].revision != 0 && found != g.terms.end() && found->second == held[shard].term;
}

/// What a group writes for a shard carries the revision under which memory was read: not the
/// newest one, which may be of another time with another owner in between.
void journal_state::stamp(group& g) const {
  auto add = [&](bot_id bot) {
    auto shard = shard_of(bot);
    if (!g.terms.emplace(shard, held[shard].term).second)
      return;
    // One that is not ours any more has a newer fence than this.
    auto revision = held[shard].revision == 0 ? std::int64_t{-1} : held[shard].revision;
    g.holds.push_back({shard, revision});
  };
  std::ranges::for_each(g.bots, add);
  for (auto& one : g.ends)
    add(one.bot);
  for (auto& one : g.truncated)
    add(one.first);
  std::ranges::for_each(g.forgotten, add);
  for (auto& one : g.replays)
    add(one.what.bot);
}

/// At a load of everything: what the node has by what it is told, and what is on its way.
void journal_state::hold_owned() {
  auto hold = [this](shard_id shard, std::int64_t revision) {
    if (held[shard].revision < revision)
      held[shard] = {revision, ++last_term, false};
  };
  for (auto& one : ports.cluster->owned())
    hold(one.shard, one.revision);
  if (auto job = std::exchange(gaining, nullptr)) {
    next_gain.shards.insert(job->shards.begin(), job->shards.end());
    std::ranges::move(job->waiting, std::back_inserter(next_gain.waiting));
  }
  for (auto& [shard, revision] : next_gain.shards)
    hold(shard, revision);
}

// -- shards that come -----------------------------------------------------------------------------

caf::result<done> journal_state::gained(const shards_gained& x) {
  auto to = self->make_response_promise<done>();
  if (stopping || !ports.cluster) {
    to.deliver(unavailable());
    return to;
  }
  for (auto& one : x.shards) {
    if (one.shard >= shard_count)
      continue;
    auto& h = held[one.shard];
    if (h.revision >= one.revision) { // We have it, and are to keep it.
      h.leaving = h.leaving && h.revision > one.revision;
      continue;
    }
    if (gaining && gaining->shards.contains(one.shard)
        && gaining->shards[one.shard] >= one.revision)
      continue;
    if (h.revision != 0) // What memory has may be older than what others wrote in between.
      drop_shard(one.shard);
    auto& revision = next_gain.shards[one.shard];
    revision = std::max(revision, one.revision);
  }
  next_gain.waiting.push_back(to);
  check_leaving();
  begin_gain();
  return to;
}

/// One after the other: what comes meanwhile is read together afterwards.
void journal_state::begin_gain() {
  if (!ready || gaining || stopping)
    return;
  std::erase_if(next_gain.shards,
                [this](auto& one) { return held[one.first].revision >= one.second; });
  if (next_gain.shards.empty()) {
    for (auto& to : std::exchange(next_gain.waiting, {}))
      to.deliver(done{});
    for (auto& run : std::exchange(parked, {}))
      run();
    return;
  }
  gaining = std::make_shared<gain>(std::exchange(next_gain, {}));
  raise_and_load(gaining);
}

/// First the fences, and numbers above all that earlier owners were given, in one unit: who read
/// before that might miss what an earlier owner still wrote, and what comes from now on would have
/// lower numbers than what waits.
void journal_state::raise_and_load(const std::shared_ptr<gain>& what) {
  std::vector<shard_hold> holds;
  std::vector<shard_id> shards;
  for (auto& [shard, revision] : what->shards) {
    drop_shard(shard); // What a try before this one has read.
    holds.push_back({shard, revision});
    shards.push_back(shard);
  }
  auto job = std::make_shared<loading>();
  job->of.emplace(shards);
  job->for_gain = what;
  job->epoch = epoch;
  auto failed = std::make_shared<caf::error>();
  auto first = std::make_shared<std::int64_t>(0);
  storage::work one;
  one.how = storage::work::kind::write;
  one.run = [failed, first, holds, count = cfg.number_block](store::unit& u) {
    *failed = {};
    store::raise_fences(u, holds);
    *first = store::reserve_numbers(u, count);
  };
  one.fail = [failed](caf::error why) { *failed = std::move(why); };
  submit(std::move(one), [this, job, failed, first] {
    if (job->epoch != epoch || job->for_gain != gaining)
      return;
    if (*failed)
      return load_failed(*job);
    take_block(*first);
    load_some(job, 0);
  });
}

void journal_state::end_gain(const std::shared_ptr<gain>& what) {
  if (what != gaining)
    return;
  gaining.reset();
  for (auto& [shard, revision] : what->shards)
    held[shard] = {revision, ++last_term, false};
  log::event(log::level::info, "journal.shards-gained", name,
             {{"shards", static_cast<std::int64_t>(what->shards.size())},
              {"pending", static_cast<std::int64_t>(counts.pending)}});
  for (auto& to : what->waiting)
    to.deliver(done{});
  for (auto& run : std::exchange(parked, {}))
    run();
  for (auto& [bot, q] : queues)
    if (q.count() > 0 && what->shards.contains(shard_of(bot)))
      tell(bot, q);
  look_in_boxes();
  begin_gain();
  write();
}

// -- shards that go -------------------------------------------------------------------------------

caf::result<done> journal_state::lost(const shards_lost& x) {
  auto to = self->make_response_promise<done>();
  departure all;
  for (auto shard : x.shards) {
    if (shard >= shard_count)
      continue;
    next_gain.shards.erase(shard);
    if (gaining && gaining->shards.erase(shard) == 1)
      drop_shard(shard);
    if (held[shard].revision == 0)
      continue;
    if (!x.planned) {
      drop_shard(shard);
    } else {
      held[shard].leaving = true;
      all.shards.push_back(shard);
    }
  }
  all.to = to;
  leaves.push_back(std::move(all));
  check_leaving();
  return to;
}

/// Shards of which nothing waits to be written any more are gone.
void journal_state::check_leaving() {
  if (leaves.empty() || !ready)
    return;
  std::unordered_set<shard_id> busy;
  auto add = [&](bot_id bot) { busy.insert(shard_of(bot)); };
  for (auto& one : appends)
    add(one.bot);
  for (auto& one : ends)
    add(one.bot);
  for (auto& one : replays)
    add(one.what.bot);
  for (auto& one : waiters)
    add(one.bot);
  std::ranges::for_each(forgotten, add);
  if (flying)
    for (auto& one : flying->holds)
      busy.insert(one.shard);
  for (auto& one : leaves)
    std::erase_if(one.shards, [&](shard_id shard) {
      if (held[shard].revision != 0 && held[shard].leaving) {
        if (busy.contains(shard))
          return false;
        drop_shard(shard);
      }
      return true;
    });
  std::erase_if(leaves, [](departure& one) {
    if (one.shards.empty())
      one.to.deliver(done{});
    return one.shards.empty();
  });
}

/// Nothing of the shard is in memory afterwards. Updates that nobody has acknowledged go to the
/// box, for whoever has it next.
void journal_state::drop_shard(shard_id shard) {
  held[shard] = {};
  auto of_it = [shard](bot_id bot) { return shard_of(bot) == shard; };
  std::vector<bot_id> bots;
  for (auto& [bot, q] : queues)
    if (of_it(bot))
      bots.push_back(bot);
  for (auto bot : bots)
    drop_queue(bot, fenced());
  std::erase_if(ends, [&](const ending& x) {
    if (of_it(x.bot))
      ending_seqs.erase(x.seq);
    return of_it(x.bot);
  });
  std::erase_if(waiters, [&](waiter& one) { return of_it(one.bot) && one(fenced()); });
  std::erase_if(replays, [&](waiting_replay& one) {
    if (of_it(one.what.bot))
      one.to.deliver(fenced());
    return of_it(one.what.bot);
  });
  std::erase_if(forgotten, of_it);
  std::erase_if(to_settle, of_it);
  std::deque<waiting_append> others;
  for (auto& one : std::exchange(appends, {}))
    if (of_it(one.bot))
      reroute(std::move(one));
    else
      others.push_back(std::move(one));
  appends = std::move(others);
}

// -- for the rate governor ------------------------------------------------------------------------

caf::result<done> journal_state::keep_pasts(const pasts_keep& x) {
  auto to = self->make_response_promise<done>();
  auto failed = std::make_shared<caf::error>();
  storage::work one;
  one.how = storage::work::kind::write;
  one.run = [failed, what = x](store::unit& u) {
    *failed = {};
    store::keep_pasts(u, what.shards);
    store::keep_holds(u, what.holds);
  };
  one.fail = [failed](caf::error why) { *failed = std::move(why); };
  submit(std::move(one), [to, failed]() mutable {
    if (*failed)
      to.deliver(std::move(*failed));
    else
      to.deliver(done{});
  });
  return to;
}

caf::result<pasts_kept> journal_state::find_pasts(const pasts_ask& x) {
  auto to = self->make_response_promise<pasts_kept>();
  read(
    [what = x.shards](store::unit& u) {
      return pasts_kept{store::find_pasts(u, what), store::find_holds(u, what)};
    },
    [to](caf::error& why, pasts_kept& found) mutable {
      if (why)
        to.deliver(std::move(why));
      else
        to.deliver(std::move(found));
    });
  return to;
}

/// After a group: shards that went to another node without a word to us.
void journal_state::drop_fenced(const group& g) {
  for (auto shard : g.fenced) {
    auto found = g.terms.find(shard);
    if (found == g.terms.end() || held[shard].term != found->second || held[shard].revision == 0)
      continue;
    log::event(log::level::warning, "journal.fenced", name,
               {{"shard", static_cast<std::int64_t>(shard)}, {"revision", held[shard].revision}},
               "A shard belongs to another node: what was to be written of its bots was refused.");
    drop_shard(shard);
  }
}

} // namespace troupe::journal
