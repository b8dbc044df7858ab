#include "actors/rate_governor/rate_governor.hpp"

#include "actors/rate_governor/convert.hpp"
#include "actors/rate_governor/hold_keeper.hpp"
#include "actors/rate_governor/waiter_list.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "runtime/log/log.hpp"
#include "runtime/policy/mutation.hpp"
#include "runtime/registry/slice_desk.hpp"
#include "runtime/telegram/methods.hpp"

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <array>
#include <atomic>

namespace troupe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A shard that moves waits no longer for what its bots' windows hold.
constexpr seconds past_patience{2};

/// Of one question; what else is due goes with the next.
constexpr std::size_t most_parts = 1000;

std::uint32_t next_epoch() {
  static std::atomic<std::uint32_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

caf::error refuse(ec code, duration retry_after = duration{0}) {
  return caf::make_error(code, refusal{retry_after});
}

struct rate_governor_state {
  static inline const char* name = "troupe.rate-governor";

  rate_governor_state(rate_governor_actor::pointer self, const rate_governor_config& cfg,
                      rate_governor_ports wired)
    : self(self), ports(std::move(wired)), memory(prepared(ports, self->clock().now())),
      engine(to_limits(cfg), *memory, ports.past, self->clock().now()), waiters(self),
      keeper(self, ports.journal) {}

  rate_governor_actor::behavior_type make_behavior() {
    self->set_down_handler([this](const caf::down_msg& down) { on_down(down); });
    ask_capacity();
    ask_slice();
    keep_known_holds();
    return {
      // The two of every call first: handlers are tried in this order.
      [this](const permit_request& x) { return on_request(x); },
      [this](credit x) {
        engine.credit(x.epoch, x.bot, x.gone, now());
        serve();
      },
      [this](permit_cancel x) {
        if (auto at = engine.cancel(x.bot, x.id); at != waiter_list::none)
          waiters.take(at).promise.deliver(refuse(ec::cancelled));
      },
      [this](permit_unused x) {
        if (x.permitted_at != 0)
          engine.give_back(x.bot, x.chat.key, time_point{duration{x.permitted_at}});
        else
          engine.give_back_last(x.id, time_point{duration{x.after}}, now());
        serve();
      },
      [this](flood_report x) { on_flood(x); },
      [this](chat_charge x) {
        engine.charge_chat({x.bot, x.chat.key, 0, x.chat.group, false}, now());
      },
      [this](bot_limits x) {
        x.rps != 0 ? engine.limit_bot(x.bot, x.rps, now()) : engine.unlimit_bot(x.bot, now());
        x.concurrent != 0 ? engine.cap_bot(x.bot, x.concurrent) : engine.uncap_bot(x.bot);
        serve();
      },
      [this](const rate_limits& x) {
        engine.set_limits(to_budgets(x), now());
        serve();
        ask_slice();
      },
      [this](const tenant_limits& x) {
        engine.limit_tenants(x.rates, now());
        serve();
        ask_slice();
      },
      [this](pool_capacity x) { on_capacity(x, pool()); },
      [this](capacity_change x) {
        engine.change_capacity(x.epoch, x.added, x.per_bot, x.places);
        serve();
      },
      [this](identity_proven x) {
        engine.merge_bot(x.from, x.to, now());
        serve();
      },
      [this](breaker_change x) { on_breaker(x); },
      [this](const shards_gained& x) { return gain(x); },
      [this](const shards_lost& x) { return lose(x); },
      [this](get_report) { return report_of(engine, now()); },
    };
  }

  // -- requests -------------------------------------------------------------------------------

  caf::result<lease> on_request(const permit_request& x) {
    const caf::strong_actor_ptr& sender = self->current_sender();
    if (!sender) // Nobody to answer, nobody whose death would be seen.
      return refuse(ec::cancelled);
    auto lessor = pool();
    if (!lessor || !capacity_known)
      find_pool(lessor);
    serve(lessor);
    auto at = now();
    if (!serves(x.bot, at))
      return not_here();
    auto asked = to_request(x);
    if (TROUPE_MUTATION("deadline-ignored"))
      asked.patience = std::chrono::hours{24};
    auto answer = engine.ask(asked, at);
    switch (answer.what) {
    case grant_engine::result::granted:
      return self->delegate(lessor, to_lease(x.bot, x.tenant, x.id, x.lane, x.patience, at));
    case grant_engine::result::waiting: {
      auto promise = self->make_response_promise<lease>();
      waiters.put(answer.at, promise, promise.source(), x.lane);
      set_timer(at);
      if (!capacity_known)
        retry_capacity();
      ask_slice();
      note_held(at);
      return promise;
    }
    case grant_engine::result::refused_patience:
      note_held(at);
      return refuse(ec::budget_wait_too_long, answer.retry_after);
    case grant_engine::result::refused_session:
      return refuse(ec::no_session, answer.retry_after);
    case grant_engine::result::refused_upstream:
      return refuse(ec::upstream_open, answer.retry_after);
    case grant_engine::result::refused_full:
      break;
    }
    return refuse(ec::budget_wait_too_long, answer.retry_after);
  }

  lease_request to_lease(bot_id bot, tenant_id tenant, call_id id, std::uint16_t lane,
                         caf::timespan patience, time_point at) const {
    return {bot,
            tenant,
            id,
            call_kind::request,
            lane,
            patience,
            engine.epoch(),
            at.time_since_epoch().count()};
  }

  /// Does whatever is due: sends late waiters away, hands due ones on to the pool.
  void serve() {
    if (engine.waiting() > 0)
      serve(pool());
  }

  void serve(const session_pool_actor& lessor) {
    if (engine.waiting() == 0)
      return;
    if (!lessor)
      find_pool(lessor);
    auto at = now();
    expire(at - duration{1}); // Whose deadline is this very moment may still go.
    engine.dispatch(
      at,
      [&](auto slot, const fair_queue::waiter& w) {
        auto gone = waiters.take(slot);
        // The original sender stays the sender, so the pool answers the bot and watches it.
        gone.promise.delegate(lessor,
                              to_lease(w.bot, w.tenant, w.call, gone.lane, w.deadline - at, at));
      },
      [&](const fair_queue::waiter& w) { return still_serves(w.bot, at); },
      [&](auto slot) { waiters.take(slot).promise.deliver(not_here()); });
    expire(at);
    set_timer(at);
  }

  void expire(time_point at) {
    engine.expire(at, [&](auto slot, const fair_queue::waiter&, grant_engine::departure why,
                          duration retry_after) {
      waiters.take(slot).promise.deliver(refuse(late(why), retry_after));
    });
  }

  static ec late(grant_engine::departure why) {
    switch (why) {
    case grant_engine::departure::session:
      return ec::no_session;
    case grant_engine::departure::upstream:
      return ec::upstream_open;
    case grant_engine::departure::deadline:
      break;
    }
    return ec::deadline_passed;
  }

  /// One timer for whatever comes first. It may fire early, never late.
  void set_timer(time_point at) {
    auto due = engine.next_due(at);
    if (due >= timer_at)
      return;
    timer.dispose();
    timer_at = due;
    timer = self->run_delayed(std::max(due - at, duration{0}), [this] {
      timer_at = time_point::max();
      serve();
    });
  }

  // -- one node of many -----------------------------------------------------------------------

  /// The books that outlive a governor; the first one of a node of many opens those of its own.
  static std::shared_ptr<grant_memory> prepared(const rate_governor_ports& ports, time_point at) {
    auto result = ports.memory ? ports.memory : std::make_shared<grant_memory>();
    if (ports.holder != 0 && !result->slice) {
      result->slice.emplace(ports.holder, seconds{1}, at);
      result->tenant_shares.emplace(ports.holder);
    }
    if (ports.serves && !result->owned)
      result->owned = std::make_unique<grant_memory::shards>();
    return result;
  }

  /// The bot lives with another node by now, or nobody knows where: whoever asks looks for it
  /// again.
  static caf::error not_here() { return refuse(ec::stopped); }

  /// Whether the node may act for the bot. The first time under an ownership, what others let
  /// through for the shard's bots counts as full: whichever message comes first, nothing goes
  /// before that.
  bool serves(bot_id bot, time_point at) {
    if (!ports.serves || TROUPE_MUTATION("grants-without-lease"))
      return true;
    auto revision = ports.serves(bot, at);
    if (revision == 0 || bot <= 0) // A bot without a number yet is of no shard.
      return revision != 0;
    auto shard = shard_of(bot);
    if (engine.gave_up(shard, revision))
      return false;
    engine.own_shard(shard, revision, since(shard, at));
    return true;
  }

  time_point since(shard_id shard, time_point at) const {
    return ports.since ? std::min(ports.since(shard), at) : at;
  }

  /// What earlier owners let through is inherited before anything of the shards' bots begins; where
  /// nobody can tell, it counts as full.
  caf::result<done> gain(const shards_gained& x) {
    auto journal = ports.journal ? ports.journal() : journal_actor{};
    if (!memory->owned || !journal)
      return done{};
    auto promise = self->make_response_promise<done>();
    std::function<void(const pasts_kept&)> begin =
      [this, promise, shards = x.shards](const pasts_kept& known) mutable {
        begin_with(known, shards);
        promise.deliver(done{});
      };
    self->request(journal, past_patience, pasts_ask{x.shards})
      .then(begin, [begin](const caf::error&) { begin({}); });
    return promise;
  }

  void begin_with(const pasts_kept& known, const std::vector<shard_hold>& shards) {
    auto at = now();
    for (const auto& one : known.shards)
      if (one.shard < shard_count)
        engine.inherit(one.shard, one.revision, to_past(one), since(one.shard, at), at);
    for (const auto& one : known.holds)
      engine.floods().restore(one.bot, one.chat, telegram::find_method(one.method), one.whole,
                              one.left, at);
    for (const auto& one : shards)
      if (one.shard < shard_count)
        engine.own_shard(one.shard, one.revision, since(one.shard, at));
  }

  caf::result<done> lose(const shards_lost& x) {
    if (!memory->owned)
      return done{};
    std::vector<shard_id> shards;
    std::ranges::copy_if(x.shards, std::back_inserter(shards),
                         [](auto shard) { return shard < shard_count; });
    pasts_keep what;
    for (const auto& one : engine.give_up(shards, now()))
      what.shards.push_back(to_words(one));
    auto journal = ports.journal ? ports.journal() : journal_actor{};
    if (!x.planned || what.shards.empty() || !journal)
      return done{};
    what.holds = keeper.take(now());
    auto promise = self->make_response_promise<done>();
    self->request(journal, past_patience, std::move(what))
      .then([promise](done x) mutable { promise.deliver(x); },
            [promise](const caf::error&) mutable { promise.deliver(done{}); });
    return promise;
  }

  /// What earlier governors of this node learnt may not have been kept.
  void keep_known_holds() {
    engine.floods().for_each(now(), [this](auto... one) { keep_hold(one...); });
  }

  /// For whoever owns the bot next: also when this node ends without a word.
  void keep_hold(bot_id bot, std::int64_t chat, std::uint16_t method, bool whole,
                 time_point until) {
    if (!memory->owned || !ports.journal || bot <= 0)
      return;
    auto name = whole ? std::string_view{} : telegram::method(method).name;
    past_hold what{bot, chat, std::string{name}, whole, engine.owned_under(shard_of(bot)), {}};
    keeper.keep(std::move(what), until, now());
  }

  /// The same for one that waited: an ownership that came meanwhile is another.
  bool still_serves(bot_id bot, time_point at) const {
    if (!ports.serves || TROUPE_MUTATION("grants-without-lease"))
      return true;
    auto revision = ports.serves(bot, at);
    return revision != 0 && (bot <= 0 || revision == memory->owned->revisions[shard_of(bot)]);
  }

  /// Asks the leader for the next slices when it is time, one question at once: tenants' travel
  /// with the node's slice of the global budget.
  void ask_slice() {
    if (!memory->slice || asking_slice)
      return;
    auto at = now();
    if (ports.nodes)
      memory->slice->shared_by(ports.nodes());
    auto waiting = engine.short_of_slice(at);
    auto global = engine.book().limits().global.limited() ? memory->slice->next_ask(at, waiting)
                                                          : time_point::max();
    auto due = std::max(std::min(global, engine.tenants_due()), ask_after);
    if (due > at)
      return ask_slice_at(due);
    auto cluster = ports.cluster ? ports.cluster() : cluster_actor{};
    ask_after = at + milliseconds{cluster ? 20 : 100};
    if (!cluster)
      return ask_slice_at(ask_after);
    slices_ask what;
    if (global <= at + tenant_slices::together)
      what.parts.push_back({0, 0, to_ask(memory->slice->ask(at, waiting))});
    if (engine.tenants_due() <= at + tenant_slices::together)
      engine.ask_tenants(at, most_parts, [&](tenant_id tenant, auto rate, const slice_request& x) {
        what.parts.push_back({tenant, rate, to_ask(x)});
      });
    if (what.parts.empty())
      return ask_slice_at(ask_after);
    asking_slice = true;
    if (what.parts.size() == 1 && what.parts[0].tenant == 0)
      await_slices<slice_given>(cluster, what.parts[0].what);
    else
      await_slices<slices_given>(cluster, std::move(what));
  }

  template <class Given, class Ask>
  void await_slices(const cluster_actor& cluster, Ask&& what) {
    self->request(cluster, milliseconds{500}, std::forward<Ask>(what))
      .then(
        [this](const Given& x) {
          asking_slice = false;
          take(x);
          serve();
          ask_slice();
        },
        [this](const caf::error&) {
          asking_slice = false;
          ask_slice();
        });
  }

  void take(const slice_given& x) { memory->slice->take(to_grant(x), now()); }
  void take(const slices_given& x) {
    for (const auto& part : x.parts)
      if (part.tenant == 0)
        take(part.what);
      else
        engine.take_tenant(part.tenant, to_grant(part.what), now());
  }

  void ask_slice_at(time_point due) {
    if (due >= slice_timer_at) // As the end of time, when nothing is to be asked.
      return;
    slice_timer.dispose();
    slice_timer_at = due;
    slice_timer = self->run_delayed(std::max(due - now(), duration{0}), [this] {
      slice_timer_at = time_point::max();
      ask_slice();
    });
  }

  // -- the pool -------------------------------------------------------------------------------

  session_pool_actor pool() const { return ports.pool ? ports.pool() : session_pool_actor{}; }

  /// Without a pool its credits are worth nothing; with one, it is asked what it has.
  void find_pool(const session_pool_actor& lessor) {
    if (!lessor)
      lose_pool();
    else
      ask_capacity();
  }

  void lose_pool() {
    capacity_known = false;
    engine.set_capacity(0, 0, 0);
  }

  void ask_capacity() {
    auto lessor = pool();
    if (!lessor || asking)
      return;
    asking = true;
    self->request(lessor, seconds{1}, credit_request{epoch})
      .then(
        [this, lessor](pool_capacity x) {
          asking = false;
          on_capacity(x, lessor);
        },
        [this](const caf::error&) {
          asking = false;
          retry_capacity();
        });
  }

  /// Asks again in a moment, as long as somebody waits.
  void retry_capacity() {
    if (retrying || engine.waiting() == 0)
      return;
    retrying = true;
    self->run_delayed(milliseconds{100}, [this] {
      retrying = false;
      if (capacity_known)
        return;
      ask_capacity();
      retry_capacity();
    });
  }

  void on_capacity(const pool_capacity& x, const session_pool_actor& lessor) {
    capacity_known = true;
    engine.set_capacity(x.epoch, x.sessions, x.per_bot, x.places, x.leases);
    if (auto addr = lessor.address(); lessor && addr != watched_pool) {
      if (watched_pool)
        self->demonitor(watched_pool);
      watched_pool = addr;
      self->monitor(lessor);
    }
    serve();
  }

  // -- what others tell -----------------------------------------------------------------------

  void on_down(const caf::down_msg& down) {
    if (watched_pool && down.source == watched_pool) {
      watched_pool = nullptr;
      lose_pool();
      ask_capacity();
      retry_capacity();
      return;
    }
    for (auto at = waiters.of(down.source); at != waiter_list::none; at = waiters.of(down.source)) {
      engine.leave(at);
      waiters.take(at);
    }
    serve();
  }

  void on_flood(const flood_report& x) {
    auto at = now();
    auto whole = engine.flood(x.bot, x.chat.key, x.method, x.retry_after, at);
    keep_hold(x.bot, x.chat.key, x.method, false, at + x.retry_after);
    if (whole)
      keep_hold(x.bot, 0, 0, true, engine.floods().bot_free_at(x.bot));
    log::event(log::level::info, "budget.held", name,
               {{"bot", std::int64_t{x.bot}},
                {"scope", whole    ? "bot"
                          : x.chat ? "chat"
                                   : "method"},
                {"after", std::chrono::duration<double>(x.retry_after).count()}},
               whole ? "a 429 holds the whole bot" : "a 429 holds its chat and method");
  }

  /// Pacing is daily business: one line per scope in ten seconds tells of it.
  void note_held(time_point at) {
    constexpr std::array scopes{"global", "tenant", "bot", "chat", "group"};
    for (std::size_t i = 0; i < scopes.size(); ++i) {
      auto total = engine.throttled(static_cast<budget_scope>(i));
      if (total == held[i].told || at < held[i].quiet_until)
        continue;
      log::event(log::level::info, "budget.held", name,
                 {{"scope", std::string_view{scopes[i]}},
                  {"requests", static_cast<std::int64_t>(total - held[i].told)}},
                 "requests wait for their budget");
      held[i] = {total, at + std::chrono::seconds{10}};
    }
  }

  void on_breaker(const breaker_change& x) {
    if (x.bot != 0)
      return;
    switch (x.state) {
    case breaker_state::open:
      engine.upstream_opens(now() + x.open_for);
      engine.clear([&](auto slot) {
        waiters.take(slot).promise.deliver(refuse(ec::upstream_open, x.open_for));
      });
      break;
    case breaker_state::half_open:
      engine.upstream_half_opens();
      break;
    case breaker_state::closed:
      engine.upstream_closes();
      break;
    }
    serve();
  }

  time_point now() const { return self->clock().now(); }

  rate_governor_actor::pointer self;
  rate_governor_ports ports;
  std::shared_ptr<grant_memory> memory;
  grant_engine engine;
  waiter_list waiters;
  hold_keeper keeper;
  std::uint32_t epoch = next_epoch();
  bool capacity_known = false;
  bool asking = false;
  bool retrying = false;
  struct held_note {
    std::uint64_t told = 0;
    time_point quiet_until = time_point::min();
  };
  std::array<held_note, budget_scopes> held;
  caf::actor_addr watched_pool;
  bool asking_slice = false;
  time_point ask_after = time_point::min(); ///< Not before: whatever is answered, and how fast.
  caf::disposable slice_timer;
  time_point slice_timer_at = time_point::max();
  caf::disposable timer;
  time_point timer_at = time_point::max();
};

} // namespace

rate_governor_actor spawn_rate_governor(caf::actor_system& sys, rate_governor_config cfg,
                                        rate_governor_ports ports) {
  using impl = rate_governor_actor::stateful_impl<rate_governor_state>;
  return sys.spawn<impl>(cfg, std::move(ports));
}

} // namespace troupe
