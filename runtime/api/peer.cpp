#include "runtime/api/peer.hpp"

#include "runtime/api/context.hpp"
#include "runtime/registry/event_hub.hpp"

#include <caf/disposable.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace troupe::api {
namespace {

using namespace std::chrono_literals;

/// From those who watch bots here for other nodes.
constexpr std::size_t most_watchers = 1000;
constexpr caf::timespan longest_patience = 30s;
/// Who does not ask for so long is gone.
constexpr caf::timespan watcher_lifetime = 60s;

/// The hub wakes it, on any thread: (watcher).
using peer_impl = api_peer_actor::extend<caf::result<void>(std::uint64_t)>;

struct far_watcher {
  std::shared_ptr<event_hub::watcher> from;
  std::optional<caf::typed_response_promise<events_said>> waiting;
  caf::disposable timer;
  caf::actor_clock::time_point used{};
};

struct peer_state {
  static inline const char* name = "troupe.api.peer";

  peer_state(peer_impl::pointer self, std::weak_ptr<context> ctx)
    : self(self), ctx(std::move(ctx)) {}

  peer_impl::behavior_type make_behavior() {
    sweep();
    return {
      [this](const quota_take& x) { return count(x); },
      [this](const events_take& x) { return take(x); },
      [this](std::uint64_t watcher) { answer(watcher); },
    };
  }

  caf::result<quota_said> count(const quota_take& x) {
    auto all = ctx.lock();
    if (!all)
      return caf::make_error(ec::draining);
    all->limits(); // As they are now.
    auto wait = all->quota_of(x.kind).take(x.name, all->p.now());
    return quota_said{wait.value_or(duration{0})};
  }

  caf::result<events_said> take(const events_take& x) {
    auto all = ctx.lock();
    if (!all || !all->p.events || all->abroad(x.bot))
      return caf::make_error(ec::draining);
    if (!watchers.contains(x.watcher) && watchers.size() >= most_watchers)
      return caf::make_error(ec::draining);
    auto& one = watchers[x.watcher];
    one.used = self->clock().now();
    if (one.waiting) // An earlier question of its: nobody waits for that any more.
      end(one, {});
    if (!one.from)
      one.from = all->p.events->watch(
        x.bot, [weak = caf::weak_actor_ptr{self->ctrl()}, watcher = x.watcher] {
          if (auto me = weak.lock())
            caf::anon_send(caf::actor_cast<peer_impl>(me), watcher);
        });
    auto said = what_came(one);
    if (!said.events.empty() || said.missed > 0)
      return said;
    one.waiting = self->make_response_promise<events_said>();
    one.timer = self->run_delayed(std::min(x.patience, longest_patience),
                                  [this, watcher = x.watcher] { answer(watcher); });
    return *one.waiting;
  }

  static events_said what_came(far_watcher& x) {
    events_said said;
    for (auto& one : x.from->take(said.missed))
      said.events.push_back({one.number, one.at, std::string{one.type}, std::move(one.data)});
    return said;
  }

  void answer(std::uint64_t watcher) {
    auto found = watchers.find(watcher);
    if (found == watchers.end() || !found->second.waiting)
      return;
    end(found->second, what_came(found->second));
  }

  static void end(far_watcher& x, events_said said) {
    x.timer.dispose();
    std::exchange(x.waiting, std::nullopt)->deliver(std::move(said));
  }

  void sweep() {
    auto now = self->clock().now();
    std::erase_if(watchers, [&](const auto& x) {
      return !x.second.waiting && now - x.second.used > watcher_lifetime;
    });
    self->run_delayed(watcher_lifetime, [this] { sweep(); });
  }

  peer_impl::pointer self;
  std::weak_ptr<context> ctx;
  std::map<std::uint64_t, far_watcher> watchers;
};

} // namespace

api_peer_actor spawn_peer(caf::actor_system& sys, std::weak_ptr<context> ctx) {
  return sys.spawn<peer_impl::stateful_impl<peer_state>>(std::move(ctx));
}

} // namespace troupe::api
