#include "actors/recorder/recorder.hpp"

#include "actors/health/health.hpp"
#include "runtime/log/log.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>

namespace troupe {
namespace {

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
    return {[this](caf::ok_atom) {
      auto promise = self->make_response_promise<done>();
      flush([promise]() mutable { promise.deliver(done{}); });
      return promise;
    }};
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
    load_health(0);
  }

  void load_health(bot_id after) {
    auto store = ports.store();
    auto again = [this, after](const caf::error&) {
      if (!ending)
        self->run_delayed(std::chrono::seconds{1}, [this, after] { load_health(after); });
    };
    if (!store)
      return again({});
    self->request(store, caf::infinite, health_load{after, static_cast<std::uint32_t>(cfg.rows)})
      .then(
        [this](page<health_row>& found) {
          if (found.rows.empty())
            return;
          auto last = found.rows.back().bot;
          if (auto health = ports.health())
            caf::anon_send(caf::actor_cast<health_memory>(health),
                           health_save{std::move(found.rows)});
          if (found.more)
            load_health(last);
        },
        again);
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
    self->request(store, caf::infinite, std::move(what))
      .then([=, this](const done&) { next_health(all, last, then); },
            [=, this](const caf::error&) {
              saved_once = false; // All of it, the next time.
              then();
            });
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
