#include "actors/cluster/state.hpp"
#include "runtime/log/log.hpp"
#include "runtime/policy/mutation.hpp"

#include <algorithm>

/// The node's lease in etcd: got, kept, lost, given back.
namespace troupe::clustering {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds patience{1'000}; ///< For one request to etcd.

} // namespace

/// The shards of an actor that died are nobody's until its lease is over: it is ended.
void cluster_state::begin() {
  end_lease();
  dropped();
}

/// Gives back a lease that nothing is done under any more. Others count on a margin between the
/// last thing that was, and the lease's end.
void cluster_state::end_lease() {
  if (auto last = ports.view->lease.exchange(0); last != 0)
    self->run_delayed(cfg.margin, [this, last] {
      ask_always(etcd::lease_revoke{last}, patience, [](const auto&) {});
    });
}

/// Nothing of an earlier life is left here.
void cluster_state::dropped() {
  ports.view->hold_until(time_point::min());
  ports.view->set_life(0);
  for (shard_id i = 0; i < shard_count; ++i) {
    ports.view->set_ready(i, false);
    ports.view->set_fence(i, 0);
  }
  held.fill(holding::none);
  fences.fill(0);
  seen = {};
  publish();
  join();
}

void cluster_state::join() {
  ++era;
  in = campaigning = planning = recording = trusting_later = false;
  claiming = 0;
  book.deposed();
  auto again = [this] { later(cfg.retry, [this] { join(); }); };
  ask(etcd::lease_grant{cfg.ttl}, patience, [this, again](const etcd::result& said) {
    if (said.what != etcd::status::done)
      return again();
    lease = said.value.lease;
    ports.view->lease = lease;
    keeper.emplace(TROUPE_MUTATION("owner-beyond-lease") ? -cfg.ttl : cfg.margin);
    keeper->kept(said.sent, said.value.ttl, now());
    keeper->asked(now());
    arm_keep();
    enroll();
  });
}

/// Puts the node's key there, unless another life of it has one: that one ends by itself.
void cluster_state::enroll() {
  auto key = keys.node(cfg.node);
  node_record record{cfg.version, cfg.address, cfg.certificate, cfg.capacity, going};
  etcd::txn what;
  what.when.push_back({.key = key, .of = etcd::compare::part::created, .number = 0});
  what.then.emplace_back(etcd::put{key, to_text(record), lease});
  what.otherwise.emplace_back(etcd::range{.key = key});
  ask(std::move(what), patience, [this](const etcd::result& said) { enrolled(said); });
}

void cluster_state::enrolled(const etcd::result& said) {
  if (said.what == etcd::status::refused)
    return lose("etcd does not know the lease");
  bool ours = said.value.succeeded;
  if (said.what == etcd::status::done && !ours && !said.value.parts.empty())
    for (const auto& one : said.value.parts.front().entries)
      ours = ours || one.lease == lease; // The answer to an earlier attempt was lost.
  if (said.what == etcd::status::done && ours)
    return read_world();
  if (said.what == etcd::status::done && !std::exchange(told_waiting, true))
    log::event(
      log::level::warning, "node.waiting", name, {{"name", cfg.node}},
      "A node of this name is registered: it is another one, or this one's last life, which "
      "ends by itself.");
  later(cfg.retry, [this] { enroll(); });
}

void cluster_state::read_world() {
  auto prefix = keys.prefix();
  ask(etcd::range{.key = prefix, .range_end = etcd::prefix_end(prefix)}, patience,
      [this](const etcd::result& said) {
        if (said.what != etcd::status::done)
          return later(cfg.retry, [this] { read_world(); });
        seen = {};
        for (const auto& one : said.value.entries)
          seen.apply(keys, one);
        seen.at = said.value.at;
        follow(said.value.at + 1);
        if (in)
          return reconcile();
        in = true;
        told_waiting = false;
        auto me = seen.nodes.find(cfg.node);
        if (me == seen.nodes.end() || me->second.lease != lease)
          return lose("the node is not registered");
        ports.view->set_life(me->second.joined);
        ports.view->hold_until(keeper->ends());
        log::event(log::level::info, "node.joined", name,
                   {{"nodes", static_cast<std::int64_t>(seen.nodes.size())}});
        reconcile();
      });
}

void cluster_state::follow(etcd::revision from) {
  if (watch != 0)
    ports.etcd->unwatch(watch);
  auto prefix = keys.prefix();
  watch = ports.etcd->watch({prefix, etcd::prefix_end(prefix), from},
                            [this, to = outside, life = era](etcd::watch_news news) {
                              to->add([this, life, news = std::move(news)] {
                                if (life == era)
                                  hear(news);
                              });
                            });
}

void cluster_state::hear(const etcd::watch_news& news) {
  using kind = etcd::watch_news::kind;
  if (news.what == kind::compacted || news.what == kind::refused) {
    watch = 0;
    return later(news.what == kind::compacted ? caf::timespan{0} : cfg.retry,
                 [this] { read_world(); });
  }
  if (news.what != kind::changed)
    return;
  bool letters_alone = true;
  for (const auto& one : news.changes) {
    if (read_letter(one.now))
      continue;
    letters_alone = false;
    bool was_there = false;
    auto place = keys.read(one.now.key);
    if (place.what == key_space::kind::node)
      was_there = seen.nodes.contains(place.name);
    seen.apply(keys, one.now);
    if (place.what == key_space::kind::node && place.name != cfg.node
        && was_there != seen.nodes.contains(place.name))
      log::event(log::level::info, was_there ? "node.left" : "node.joined", name,
                 {{"peer", place.name}});
  }
  if (!letters_alone)
    reconcile();
}

// -- kept alive -----------------------------------------------------------------------------------

void cluster_state::arm_keep() {
  keep_timer.dispose();
  auto due = std::min(keeper->next_ask(), keeper->ends());
  keep_timer =
    self->run_delayed(std::max<caf::timespan>(due - now(), milliseconds{1}), [this, life = era] {
      if (life == era)
        keep();
    });
}

void cluster_state::keep() {
  if (!keeper->holds(now()))
    return lose("the lease was not kept in time");
  if (now() >= keeper->next_ask()) {
    keeper->asked(now());
    ask(etcd::lease_keep_alive{lease}, patience, [this](const etcd::result& said) {
      if (said.what == etcd::status::done)
        keeper->kept(said.sent, said.value.ttl, now());
      if (!keeper->holds(now()))
        return lose("etcd ended the lease");
      if (in)
        ports.view->hold_until(keeper->ends());
      arm_keep();
    });
  }
  arm_keep();
}

/// The node stops all it does for its shards before others may take them over, and joins anew.
void cluster_state::lose(std::string_view why) {
  ++era;
  keep_timer.dispose();
  if (watch != 0)
    ports.etcd->unwatch(std::exchange(watch, 0));
  ports.view->hold_until(time_point::min());
  end_lease();
  shards_lost all;
  all.planned = false;
  for (shard_id i = 0; i < shard_count; ++i)
    if (held[i] != holding::none) {
      ports.view->set_ready(i, false); // Before the rooms forget: who does not know a bot then may
      all.shards.push_back(i);         // not take it for one that was removed.
    }
  log::event(
    log::level::warning, "node.lost", name,
    {{"reason", why}, {"shards", static_cast<std::int64_t>(all.shards.size())}},
    "The node is no member of the cluster any more: it serves none of its bots until it has "
    "joined again.");
  in = false;
  book.deposed();
  drop_letter();
  while (!peers.empty())
    forget_peer(peers.begin()->first);
  for (auto* waiting : {&leavers, &renewers})
    for (auto& one : std::exchange(*waiting, {}))
      one.deliver(done{});
  drop_rooms(std::move(all), ports.rooms.size());
}

/// Each room forgets, the last first; one that died meanwhile has nothing to forget.
void cluster_state::drop_rooms(shards_lost all, std::size_t room) {
  if (all.shards.empty() || room == 0)
    return dropped();
  auto who = ports.rooms[room - 1]();
  auto next = [this, life = era, all, room] {
    if (life == era)
      drop_rooms(all, room - 1);
  };
  if (!who)
    return next();
  self->request(who, caf::infinite, all)
    .then([next](const done&) { next(); }, [next](const caf::error&) { next(); });
}

// -- the end --------------------------------------------------------------------------------------

void cluster_state::stop() {
  if (std::exchange(ending, true))
    return;
  ++era;
  keep_timer.dispose();
  ports.view->hold_until(time_point::min());
  if (watch != 0)
    ports.etcd->unwatch(std::exchange(watch, 0));
  auto last = ports.view->lease.exchange(0);
  if (last == 0)
    return self->quit(caf::exit_reason::user_shutdown);
  in = false;
  book.deposed();
  self->run_delayed(cfg.margin, [this, last] {
    ask_always(etcd::lease_revoke{last}, patience,
               [this](const auto&) { self->quit(caf::exit_reason::user_shutdown); });
  });
}

} // namespace troupe::clustering
