#include "runtime/store/shard_pasts.hpp"
#include "runtime/store/shards.hpp"
#include "tests/simulation/cluster/node.hpp"
#include "tests/simulation/cluster/universe.hpp"

#include <caf/all.hpp>

namespace troupe::simulation::clustered {

using namespace std::chrono_literals;

namespace {

// -- the registrar, the journal and the bots, as the cluster and the gateways see them -----------

struct rooms_state {
  static inline const char* name = "simulation.rooms";

  rooms_state(caf::event_based_actor* self, universe& world, node& of)
    : self(self), world(world), of(of) {}

  caf::behavior make_behavior() {
    return {
      [this](const shards_gained& x) { return gain(x); },
      [this](const shards_lost& x) -> caf::result<done> {
        if (!x.planned)
          return done{};
        auto promise = self->make_response_promise<done>();
        leaving.push_back({x.shards, promise});
        settle();
        return promise;
      },
      [this](const permit_request& x) { return admit(x); },
      [this](const pasts_keep& x) { return keep(x); },
      [this](const pasts_ask& x) { return find(x); },
      [this](caf::put_atom, std::uint64_t id) {
        auto what = std::move(pending.at(id));
        pending.erase(id);
        what();
      },
    };
  }

  /// The fence is raised before anything is read; the answer comes when that is committed.
  caf::result<done> gain(const shards_gained& x) {
    std::vector<shard_hold> mine;
    for (const auto& one : x.shards)
      for (auto bot : world.what.bots)
        if (shard_of(bot) == one.shard) {
          mine.push_back(one);
          break;
        }
    auto promise = self->make_response_promise<done>();
    in_store(
      [&world = world, mine] {
        if (!mine.empty())
          world.db.write([&](store::unit& u) { store::raise_fences(u, mine); });
        for (const auto& one : mine)
          world.verdict.raised(one.shard, one.revision);
      },
      [promise]() mutable { promise.deliver(done{}); });
    return promise;
  }

  caf::result<done> keep(const pasts_keep& x) {
    auto promise = self->make_response_promise<done>();
    in_store(
      [&world = world, what = x.shards] {
        world.db.write([&](store::unit& u) { store::keep_pasts(u, what); });
        ++world.happened["pasts kept"];
      },
      [promise]() mutable { promise.deliver(done{}); });
    return promise;
  }

  caf::result<pasts_kept> find(const pasts_ask& x) {
    auto promise = self->make_response_promise<pasts_kept>();
    auto found = std::make_shared<pasts_kept>();
    in_store(
      [&world = world, found, what = x.shards] {
        world.db.read([&](store::unit& u) { found->shards = store::find_pasts(u, what); });
        ++world.happened[found->shards.empty() ? "pasts missing" : "pasts found"];
      },
      [promise, found]() mutable { promise.deliver(*found); });
    return promise;
  }

  caf::result<lease> admit(const permit_request& x) {
    auto shard = shard_of(x.bot);
    auto fence = of.view().fence_of(shard);
    if (!of.view().serves(x.bot, self->clock().now()) || !of.view().is_ready(shard))
      return caf::make_error(ec::stopped);
    ++open[shard];
    auto promise = self->make_response_promise<lease>();
    auto end = [this, shard] {
      --open[shard];
      settle();
    };
    self->request(of.governor(), x.patience + 1s, x)
      .then(
        [this, promise, end, shard, fence, id = x.id](const lease& got) mutable {
          promise.deliver(got);
          end();
          if (id % 3 == 0)
            write(shard, fence);
        },
        [promise, end](caf::error& why) mutable {
          promise.deliver(std::move(why));
          end();
        });
    return promise;
  }

  /// What is known of a bot's life, under the fence that was valid when it began.
  void write(shard_id shard, std::int64_t fence) {
    in_store(
      [&world = world, shard, fence] {
        std::vector<shard_id> newer;
        shard_hold held{shard, fence};
        world.db.write([&](store::unit& u) { newer = store::newer_fences(u, {&held, 1}); });
        ++world.happened[newer.empty() ? "writes" : "writes refused"];
        if (newer.empty())
          world.verdict.written(shard, fence);
      },
      [] {});
  }

  /// PostgreSQL goes on while the node stands still.
  void in_store(std::function<void()> what, std::function<void()> then) {
    auto id = ++last;
    pending[id] = std::move(then);
    auto takes =
      world.way() + std::chrono::milliseconds{world.luck.below(world.store_slow > 0 ? 4'000 : 8)};
    world.later(takes,
                [&world = world, at = of.at(), life = of.life(), id, what = std::move(what)] {
                  what();
                  world.deliver(at, life, [&world, at, id] {
                    caf::anon_send(world.living(at)->bots(), caf::put_atom_v, id);
                  });
                });
  }

  /// Shards go when none of their calls is under way.
  void settle() {
    std::erase_if(leaving, [this](auto& x) {
      for (auto shard : x.first)
        if (open[shard] != 0)
          return false;
      x.second.deliver(done{});
      return true;
    });
  }

  caf::event_based_actor* self;
  universe& world;
  node& of;
  std::map<shard_id, int> open;
  std::vector<std::pair<std::vector<shard_id>, caf::typed_response_promise<done>>> leaving;
  std::map<std::uint64_t, std::function<void()>> pending;
  std::uint64_t last = 0;
};

// -- a gateway's connections ----------------------------------------------------------------------

struct gateway_state {
  static inline const char* name = "simulation.gateway";

  gateway_state(caf::event_based_actor* self, universe& world, node& of)
    : self(self), world(world), of(of) {}

  caf::behavior make_behavior() {
    return {[this](caf::put_atom, std::uint64_t i) {
      deadlines[i] =
        self->clock().now() + std::chrono::milliseconds{world.what.calls[i].patience_ms};
      attempt(i);
    }};
  }

  void again(std::uint64_t i) {
    self->run_delayed(std::chrono::milliseconds{20 + world.luck.below(30)},
                      [this, i] { attempt(i); });
  }

  void attempt(std::uint64_t i) {
    auto now = self->clock().now();
    auto left = deadlines[i] - now;
    if (left <= 0s)
      return world.end_call(i, "503");
    auto bot = world.what.bots[world.what.calls[i].bot];
    if (of.view().owns(bot)) {
      if (!of.view().serves(bot, now) || !of.view().is_ready(shard_of(bot)))
        return again(i);
      return ask(i, of.bots(), left, "answered");
    }
    auto desk = of.view().desk_of(bot);
    if (!desk)
      return again(i);
    self->request(desk, std::min<caf::timespan>(left, 1s), bot_find{bot, {}})
      .then(
        [this, i](const bot_found& x) {
          auto left = deadlines[i] - self->clock().now();
          ask(i, caf::actor_cast<caf::actor>(x.actor), std::max<caf::timespan>(left, 1ms),
              "answered from another node");
        },
        [this, i](const caf::error&) { again(i); });
  }

  void ask(std::uint64_t i, const caf::actor& whom, caf::timespan left, const char* how) {
    const auto& c = world.what.calls[i];
    permit_request x;
    x.bot = world.what.bots[c.bot];
    x.id = i + 1;
    x.patience = left;
    if (c.chat != 0) {
      x.chat = {c.chat, c.chat < 0};
      x.produces_message = true;
    }
    self->request(whom, left + 500ms, x)
      .then([this, i, how](const lease& got) { exchange(i, got, how); },
            [this, i](const caf::error& why) {
              if (why == ec::stopped || why == ec::draining
                  || why.category() == caf::type_id_v<caf::sec>)
                return again(i);
              world.end_call(i, "429");
            });
  }

  /// Each exchange asks first whether the node's own lease still holds.
  void exchange(std::uint64_t i, const lease& got, const char* how) {
    if (!of.view().holds(self->clock().now()))
      return world.end_call(i, "permitted, and not sent");
    world.later(world.way(), [&world = world, i, got, owner = owner_of(got)] {
      world.verdict.arrived(i, owner);
    });
    self->run_delayed(std::chrono::milliseconds{5 + world.luck.below(75)},
                      [this, i, how] { world.end_call(i, how); });
  }

  /// The permit's stamp is of the owner's clock; its session says whose.
  time_point owner_of(const lease& got) const {
    return world.real_of(got.session, time_point{duration{got.permitted_at}});
  }

  caf::event_based_actor* self;
  universe& world;
  node& of;
  std::map<std::uint64_t, time_point> deadlines;
};

} // namespace

caf::actor spawn_rooms(universe& world, node& of) {
  return of.system().spawn<caf::stateful_actor<rooms_state>>(std::ref(world), std::ref(of));
}

caf::actor spawn_gateway(universe& world, node& of) {
  return of.system().spawn<caf::stateful_actor<gateway_state>>(std::ref(world), std::ref(of));
}

/// Has a place for everybody. What it is asked for was permitted: that is judged here.
session_pool_actor spawn_pool(universe& world, node& of) {
  auto epoch = std::make_shared<std::uint32_t>(0);
  auto behave = [&world, &of, epoch](session_pool_actor::pointer) {
    return session_pool_actor::behavior_type{
      [=, &world, &of](const lease_request& x) -> caf::result<lease> {
        if (x.credit_epoch != *epoch)
          return caf::make_error(ec::no_session, refusal{});
        auto when = world.real_of(of.at(), time_point{duration{x.permitted_at}});
        world.verdict.permitted(x.id - 1, of.at(), when);
        return lease{x.id, of.at(), x.lane, *epoch, x.permitted_at};
      },
      [](lease_return) {},
      [](lease_cancel) {},
      [=](credit_request) {
        return pool_capacity{++*epoch, 1'000'000, 1'000'000, 1'000'000, {}};
      },
      [](const pool_limits&) {},
      [](get_report) { return pool_report{}; },
    };
  };
  return of.system().spawn(behave);
}

} // namespace troupe::simulation::clustered
