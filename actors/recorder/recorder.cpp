#include "actors/recorder/recorder.hpp"

#include "actors/health/health.hpp"
#include "runtime/log/log.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <map>

namespace troupe {
namespace {

using shard_list = std::vector<shard_id>;

struct recorder_state {
  static inline const char* name = "troupe.recorder";

  recorder_state(recorder_actor::pointer self, recorder_config config, recorder_ports wired)
    : self(self), cfg(config), ports(std::move(wired)) {}

  recorder_actor::behavior_type make_behavior() {
    self->set_exit_handler([this](const caf::exit_msg& ask) {
      if (ask.reason != caf::exit_reason::user_shutdown)
        return self->quit(ask.reason);
      ending = true;
      flush([this] { self->quit(caf::exit_reason::user_shutdown); });
    });
    watch_health();
    self->run_delayed(cfg.usage_every, [this] { usage_tick(); });
    self->run_delayed(cfg.health_every, [this] { health_tick(); });
    return {
      [this](caf::ok_atom) {
        auto promise = self->make_response_promise<done>();
        flush([promise]() mutable { promise.deliver(done{}); });
        return promise;
      },
      [this](const shards_gained& x) { return gain(x); },
      [this](const shards_lost& x) { return lose(x); },
    };
  }

  void usage_tick() {
    watch_health();
    save_usage([] {});
    self->run_delayed(cfg.usage_every, [this] { usage_tick(); });
  }

  void health_tick() {
    save_health([] {});
    self->run_delayed(cfg.health_every, [this] { health_tick(); });
  }

  void flush(std::function<void()> then) {
    save_health([this, then] { save_usage(then); });
  }

  // -- usage ------------------------------------------------------------------------------------

  void save_usage(const std::function<void()>& then) {
    auto all = std::make_shared<std::vector<usage_delta>>(ports.usage->take());
    next_usage(all, 0, then);
  }

  void next_usage(const std::shared_ptr<std::vector<usage_delta>>& all, std::size_t first,
                  const std::function<void()>& then) {
    if (first >= all->size())
      return then();
    auto last = std::min(first + cfg.rows, all->size());
    usage_add what;
    what.deltas.assign(all->begin() + static_cast<std::ptrdiff_t>(first),
                       all->begin() + static_cast<std::ptrdiff_t>(last));
    auto lost = [=, this](const caf::error& why) {
      // What may have been stored is not stored twice: rather too few than too many.
      if (why == store_refusal::unavailable || why == store_refusal::disk_full)
        ports.usage->give_back({all->begin() + static_cast<std::ptrdiff_t>(first), all->end()});
      else
        log::event(log::level::warning, "usage.lost", name,
                   {{"rows", static_cast<std::int64_t>(last - first)}},
                   "Counts of usage could not be stored.");
      then();
    };
    auto store = ports.store();
    if (!store)
      return lost(caf::make_error(store_refusal::unavailable));
    self->request(store, caf::infinite, std::move(what))
      .then([=, this](const done&) { next_usage(all, last, then); },
            [lost](const caf::error& why) { lost(why); });
  }

  // -- health -----------------------------------------------------------------------------------

  /// A health that is new gets what is stored.
  void watch_health() {
    auto health = ports.health();
    if (!health || health == restored_to)
      return;
    restored_to = health;
    shard_list all;
    for (shard_id i = 0; ports.cluster && i < shard_count; ++i)
      all.push_back(i);
    load_health(all, 0, [] {});
  }

  /// Of all bots, or of those shards of `of` that are still the node's. `then`: what is stored has
  /// been handed to health, or cannot be read now and will be later.
  void load_health(shard_list of, bot_id after, const std::function<void()>& then) {
    if (ports.cluster) {
      std::erase_if(of, [this](auto shard) { return ports.cluster->fence_of(shard) == 0; });
      if (of.empty())
        return then();
    }
    auto again = [this, of, after, then](const caf::error&) {
      if (!ending)
        self->run_delayed(std::chrono::seconds{1}, [=, this] { load_health(of, after, [] {}); });
      then();
    };
    auto store = ports.store();
    if (!store)
      return again({});
    health_load what{after, static_cast<std::uint32_t>(cfg.rows), of};
    self->request(store, caf::infinite, std::move(what))
      .then(
        [this, of, then](page<health_row>& found) {
          if (found.rows.empty())
            return then();
          auto last = found.rows.back().bot;
          if (auto health = ports.health())
            caf::anon_send(caf::actor_cast<health_memory>(health),
                           health_save{std::move(found.rows)});
          if (!found.more)
            return then();
          load_health(of, last, then);
        },
        again);
  }

  /// Bots begin with their health; a store that cannot be read holds none of them up.
  caf::result<done> gain(const shards_gained& x) {
    if (!ports.cluster)
      return done{};
    shard_list of;
    for (const auto& one : x.shards)
      if (one.shard < shard_count)
        of.push_back(one.shard);
    auto promise = self->make_response_promise<done>();
    load_health(std::move(of), 0, [promise]() mutable { promise.deliver(done{}); });
    return promise;
  }

  /// Health forgets them in any case: what it knows is old when they come again.
  caf::result<done> lose(const shards_lost& x) {
    auto health = ports.health();
    if (!ports.cluster || !health)
      return done{};
    auto promise = self->make_response_promise<done>();
    auto over = [promise]() mutable { promise.deliver(done{}); };
    self->request(caf::actor_cast<health_memory>(health), std::chrono::seconds{10}, x)
      .then(
        [this, over, planned = x.planned](page<health_row>& known) mutable {
          if (!planned)
            return over();
          next_health(std::make_shared<std::vector<health_row>>(std::move(known.rows)), 0, over);
        },
        [over](const caf::error&) mutable { over(); });
    return promise;
  }

  void save_health(const std::function<void()>& then) {
    auto health = ports.health();
    if (!health)
      return then();
    // All that was heard of since the last time, and those whose saving failed then.
    auto since = saved_once ? cfg.health_every * 2 : caf::timespan::max();
    self->request(caf::actor_cast<health_memory>(health), std::chrono::seconds{10}, since)
      .then(
        [this, then](page<health_row>& all) {
          saved_once = true;
          next_health(std::make_shared<std::vector<health_row>>(std::move(all.rows)), 0, then);
        },
        [then](const caf::error&) { then(); });
  }

  void next_health(const std::shared_ptr<std::vector<health_row>>& all, std::size_t first,
                   const std::function<void()>& then) {
    auto store = ports.store();
    if (!store || first >= all->size())
      return then();
    auto last = std::min(first + cfg.rows, all->size());
    health_save what;
    what.rows.assign(all->begin() + static_cast<std::ptrdiff_t>(first),
                     all->begin() + static_cast<std::ptrdiff_t>(last));
    if (ports.cluster && !add_holds(what))
      return next_health(all, last, then);
    self->request(store, caf::infinite, std::move(what))
      .then([=, this](const done&) { next_health(all, last, then); },
            [=, this](const caf::error&) {
              saved_once = false; // All of it, the next time.
              then();
            });
  }

  /// Under which ownerships it is written, without what is another node's. @returns whether any is
  /// left
  bool add_holds(health_save& to) const {
    std::map<shard_id, std::int64_t> held;
    for (const auto& row : to.rows) {
      auto shard = shard_of(row.bot);
      held.try_emplace(shard, ports.cluster->fence_of(shard));
    }
    std::erase_if(to.rows, [&](const auto& row) { return held[shard_of(row.bot)] == 0; });
    for (const auto& [shard, revision] : held)
      if (revision != 0)
        to.holds.push_back({shard, revision});
    return !to.rows.empty();
  }

  recorder_actor::pointer self;
  recorder_config cfg;
  recorder_ports ports;
  health_actor restored_to;
  bool saved_once = false;
  bool ending = false;
};

} // namespace

recorder_actor spawn_recorder(caf::actor_system& sys, recorder_config config,
                              recorder_ports ports) {
  using impl = recorder_actor::stateful_impl<recorder_state>;
  return sys.spawn<impl>(config, std::move(ports));
}

} // namespace troupe
