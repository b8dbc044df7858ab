#define CAF_SUITE actors_passivation
#include "runtime/log/capture.hpp"
#include "tests/actors/bots_fixture.hpp"

#include <random>

namespace troupe::passivation_suite {

using namespace std::literals;

namespace {

struct fixture : bots_fixture {
  log::capture quiet{log::level::error};

  void bound(std::size_t most, passivation_kind policy = passivation_kind::lru,
             std::vector<bot_id> pinned = {}, caf::timespan idle_after = 0s) {
    cfg.passivation = {policy, most, idle_after, std::move(pinned)};
  }

  /// The bot is needed. @returns the refusal, if it is one
  caf::error wake(bot_id bot, bool look = false) {
    auto pending = self->request(shard(), caf::infinite, activate_bot{bot, look});
    sched.run();
    caf::error result;
    pending.receive([&](caf::strong_actor_ptr& x) { CHECK(x != nullptr); },
                    [&](const caf::error& err) { result = err; });
    return result;
  }

  /// Registered, and not needed now.
  void known(bot_id bot) {
    names->put(token(bot), bot, 1, true, sched.clock().now());
    auto spec = spec_of(bot);
    spec.needed = false;
    caf::anon_send(shard(), spec);
    caf::anon_send(shard(), bot_command{bot, bot_phase::active}); // As the registrar does.
    sched.run();
  }

  std::size_t running() const {
    std::size_t n = 0;
    for (auto& [bot, alive] : world->alive)
      n += static_cast<std::size_t>(alive);
    return n;
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO(
  "with too many bots the least recently used leaves memory and costs an entry from then on") {
  bound(3);
  boot();
  for (bot_id bot : {1, 2, 3})
    up(bot);
  CHECK_EQ(running(), 3u);
  up(4);
  CHECK_EQ(running(), 3u);
  CHECK_EQ(phase(1), "passive");
  CHECK_EQ(phase(4), "active");
  CHECK(!names->find(1)->actor);
  CHECK(consistent());
}

SCENARIO("a passive bot comes back when it is needed, and that is no restart") {
  bound(3);
  boot();
  for (bot_id bot = 1; bot <= 6; ++bot)
    up(bot);
  for (int round = 0; round < 20; ++round)
    for (bot_id bot = 1; bot <= 6; ++bot) {
      CHECK_EQ(wake(bot), caf::error{});
      CHECK_EQ(phase(bot), "active");
      CHECK_EQ(alive(bot), 1);
      CHECK(running() <= 3);
    }
  CHECK_EQ(report().restarts, 0u);
  CHECK_EQ(report().children, 6u);
  CHECK_EQ(world->incarnation[1], 1u);
  crash(6);
  CHECK_EQ(phase(6), "active"); // The first restart is at once: its budget was untouched.
  CHECK(consistent());
}

SCENARIO("registered bots that nobody needs start passive once the bound is reached") {
  bound(2);
  boot();
  for (bot_id bot = 1; bot <= 5; ++bot)
    known(bot);
  CHECK_EQ(running(), 2u);
  CHECK_EQ(phase(5), "passive");
  CHECK_EQ(world->incarnation.count(5), 0u);
  CHECK_EQ(wake(5), caf::error{});
  CHECK_EQ(world->incarnation[5], 1u);
  known(4); // Told again, as a registrar that begins anew does.
  CHECK_EQ(phase(4), "passive");
  CHECK(running() <= 2);
}

SCENARIO("who waits for the same bot waits for one start") {
  bound(1);
  boot();
  up(1);
  up(2);
  std::vector<caf::actor_id> got;
  for (int i = 0; i < 5; ++i)
    sys.spawn([&got, to = shard()](caf::event_based_actor* me) {
      me->request(to, caf::infinite, activate_bot{1, false})
        .then([&got](const caf::strong_actor_ptr& x) { got.push_back(x->id()); });
    });
  sched.run();
  CHECK_EQ(got.size(), 5u);
  for (auto id : got)
    CHECK_EQ(id, world->actors[1].id());
  CHECK_EQ(world->most_alive, 1);
  CHECK_EQ(running(), 1u);
}

SCENARIO("when every bot is busy one more waits for a place, and is refused after a while") {
  bound(2);
  boot();
  for (bot_id bot : {1, 2, 3})
    known(bot);
  world->busy = {1, 2};
  caf::error end;
  int ends = 0;
  auto need = [&] {
    sys.spawn([&, to = shard()](caf::event_based_actor* me) {
      me->request(to, caf::infinite, activate_bot{3, false})
        .then([&](const caf::strong_actor_ptr&) { ++ends; },
              [&](caf::error& why) {
                ++ends;
                end = why;
              });
    });
    sched.run();
  };
  need();
  for (int i = 0; i < 49; ++i)
    pass(20ms);
  CHECK_EQ(ends, 0);
  CHECK(world->asked.size() < 5000u); // They are not asked without end.
  pass(20ms);
  CHECK_EQ(ends, 1);
  CHECK_EQ(end, caf::error{ec::too_many_bots});
  CHECK_EQ(phase(3), "passive");
  need();
  pass(100ms);
  world->busy.erase(2);
  pass(20ms);
  CHECK_EQ(ends, 2);
  CHECK_EQ(phase(3), "active");
  CHECK_EQ(phase(2), "passive");
  CHECK_EQ(running(), 2u);
}

SCENARIO(
  "an alert tells that the bound is below what stays, and is resolved when nobody is refused") {
  log::capture heard{log::level::info};
  auto lines = [&](std::string_view event) {
    std::size_t n = 0;
    for (const auto& line : heard.lines())
      if (line.find(event) != std::string::npos && line.find("bots.no-place") != std::string::npos)
        ++n;
    return n;
  };
  auto need = [&](bot_id bot) {
    caf::error end;
    sys.spawn([&end, bot, to = shard()](caf::event_based_actor* me) {
      me->request(to, caf::infinite, activate_bot{bot, false})
        .then([](const caf::strong_actor_ptr&) {}, [&end](caf::error& why) { end = why; });
    });
    sched.run();
    for (int i = 0; i < 60; ++i)
      pass(20ms);
    return end;
  };
  bound(2, passivation_kind::lru, {1});
  boot();
  for (bot_id bot : {1, 2, 3, 4})
    known(bot);
  world->busy = {2}; // A poll that waits on and on, say.
  for (bot_id bot : {3, 4, 3})
    CHECK_EQ(need(bot), caf::error{ec::too_many_bots});
  CHECK_EQ(alive(1), 1); // Who has a place is served.
  CHECK_EQ(alive(2), 1);
  CHECK_EQ(lines("alert.raised"), 1u);
  kill_now(caf::actor_cast<caf::strong_actor_ptr>(shard())); // What it told is not forgotten.
  sched.run();
  pass(1s);
  CHECK_EQ(need(4), caf::error{ec::too_many_bots});
  CHECK_EQ(lines("alert.raised"), 1u);
  caf::anon_send(shard(), passivation_limits{passivation_kind::lru, 3, 0s, {1}});
  sched.run();
  for (bot_id bot : {3, 4, 3})
    CHECK_EQ(need(bot), caf::error{});
  for (int i = 0; i < 50; ++i)
    pass(1s);
  CHECK_EQ(lines("alert.resolved"), 0u);
  for (int i = 0; i < 12; ++i)
    pass(1s);
  CHECK_EQ(lines("alert.resolved"), 1u);
  caf::anon_send(shard(), passivation_limits{passivation_kind::lru, 2, 0s, {1}});
  sched.run();
  pass(1s);
  CHECK_EQ(need(3), caf::error{ec::too_many_bots}); // It is another one.
  CHECK_EQ(lines("alert.raised"), 2u);
}

SCENARIO("a bot that was used again is spared for one that was not") {
  bound(3);
  boot();
  for (bot_id bot : {1, 2, 3})
    up(bot);
  world->uses[1] = 5;
  up(4);
  CHECK_EQ(phase(1), "active");
  CHECK_EQ(phase(2), "passive");
}

SCENARIO("bots that are all in use make room in the end: the bound holds") {
  bound(8);
  boot();
  for (bot_id bot = 1; bot <= 40; ++bot) {
    up(bot);
    for (auto& [id, n] : world->alive)
      world->uses[id] = 3;
    CHECK(running() <= 8);
  }
}

SCENARIO("a walk over all bots moves out those in use with lru, and none with slru") {
  for (auto policy : {passivation_kind::lru, passivation_kind::slru}) {
    fixture f;
    f.bound(40, policy);
    f.boot();
    for (bot_id bot = 1; bot <= 10; ++bot)
      f.up(bot);
    // Used, and asked once each: now it is known.
    for (int round = 0; round < 2; ++round) {
      for (bot_id bot = 1; bot <= 10; ++bot)
        f.world->uses[bot] = 4;
      for (bot_id bot = 100 + round * 40; bot < 140 + round * 40; ++bot)
        f.up(bot);
    }
    for (bot_id bot = 200; bot < 400; ++bot)
      f.up(bot);
    int left = 0;
    for (bot_id bot = 1; bot <= 10; ++bot)
      left += f.alive(bot);
    CHECK_EQ(left, policy == passivation_kind::slru ? 10 : 0);
  }
}

SCENARIO("pinned bots stay, and start also when there are too many") {
  bound(4, passivation_kind::slru, {1, 7});
  boot();
  for (bot_id bot = 1; bot <= 7; ++bot)
    known(bot);
  CHECK_EQ(phase(1), "active");
  CHECK_EQ(phase(7), "active");
  for (int round = 0; round < 3; ++round)
    for (bot_id bot = 2; bot <= 6; ++bot)
      CHECK_EQ(wake(bot), caf::error{});
  CHECK_EQ(phase(1), "active");
  CHECK_EQ(phase(7), "active");
  for (auto& [bot, how] : world->asked)
    CHECK(bot != 1 && bot != 7);
}

SCENARIO("an idle bot leaves after its time, below the bound, too") {
  bound(0, passivation_kind::idle, {2}, 10s);
  boot();
  up(1);
  up(2);
  for (int i = 0; i < 9; ++i)
    pass(1s);
  CHECK_EQ(phase(1), "active");
  pass(1s);
  pass(1s);
  CHECK_EQ(phase(1), "passive");
  CHECK_EQ(phase(2), "active");
  CHECK_EQ(world->asked.at(0).second.unused_for, caf::timespan{10s});
}

SCENARIO("nobody leaves unless that is switched on, which can be done while bots run") {
  boot();
  for (bot_id bot = 1; bot <= 5; ++bot)
    up(bot);
  pass(100h);
  CHECK_EQ(running(), 5u);
  caf::anon_send(shard(), passivation_limits{passivation_kind::lru, 2, 0s, {}});
  sched.run();
  pass(1s);
  CHECK_EQ(running(), 2u);
  caf::anon_send(shard(), passivation_limits{});
  sched.run();
  CHECK_EQ(running(), 5u);
  CHECK(consistent());
}

SCENARIO("a bot that comes back for its updates is told to look at them") {
  bound(1);
  boot();
  up(1);
  up(2);
  CHECK_EQ(wake(1, true), caf::error{});
  CHECK_EQ(world->looks[1], 1);
  CHECK_EQ(wake(1, true), caf::error{}); // It runs: the same.
  CHECK_EQ(world->looks[1], 2);
}

SCENARIO(
  "orders reach a passive bot: it stays down when it is suspended, and is forgotten when stopped") {
  bound(2);
  boot();
  for (bot_id bot = 1; bot <= 4; ++bot)
    up(bot);
  CHECK_EQ(phase(1), "passive");
  order(1, bot_phase::suspended);
  CHECK_EQ(phase(1), "suspended");
  CHECK_EQ(wake(1), caf::error{ec::suspended});
  order(1, bot_phase::active);
  CHECK_EQ(phase(1), "active");
  CHECK_EQ(phase(2), "passive");
  caf::anon_send(shard(), stop_bot{2});
  sched.run();
  CHECK_EQ(phase(2), "unknown");
  CHECK_EQ(wake(2), caf::error{ec::unknown_bot});
  CHECK(consistent());
}

SCENARIO(
  "bots that are resumed together come back as far as there is room, the others when needed") {
  bound(2);
  boot();
  for (bot_id bot = 1; bot <= 4; ++bot)
    up(bot);
  for (bot_id bot = 1; bot <= 4; ++bot)
    order(bot, bot_phase::suspended);
  for (bot_id bot = 1; bot <= 4; ++bot)
    order(bot, bot_phase::passive);
  std::vector<std::string> phases{phase(1), phase(2), phase(3), phase(4)};
  CHECK_EQ(std::ranges::count(phases, "active"), 2);
  CHECK_EQ(std::ranges::count(phases, "passive"), 2);
  for (bot_id bot = 1; bot <= 4; ++bot)
    CHECK_EQ(wake(bot), caf::error{});
  CHECK(consistent());
}

SCENARIO("an order that overtakes a bot's leaving is not lost") {
  bound(0, passivation_kind::lru);
  boot();
  for (int step = 0; step < 12; ++step)
    for (auto to : {bot_phase::suspended, bot_phase::stopped, bot_phase::active}) {
      bot_id bot = 10 + step * 3 + static_cast<int>(to) % 3;
      up(bot);
      caf::anon_send(shard(), passivation_limits{passivation_kind::lru, 1, 0s, {}});
      for (int i = 0; i < step && sched.has_job(); ++i)
        sched.run_once();
      caf::anon_send(shard(), bot_command{bot, to});
      sched.run();
      auto is = phase(bot);
      CHECK(to == bot_phase::suspended ? is == "suspended"
            : to == bot_phase::stopped ? is == "unknown"
                                       : is == "active" || is == "passive");
      CHECK(consistent());
      caf::anon_send(shard(), passivation_limits{passivation_kind::lru, 0, 0s, {}});
      caf::anon_send(shard(), stop_bot{bot});
      sched.run();
    }
}

SCENARIO("a killed shard brings back those that ran, and the others stay where they were") {
  bound(3);
  boot();
  for (bot_id bot = 1; bot <= 6; ++bot)
    up(bot);
  kill_now(caf::actor_cast<caf::strong_actor_ptr>(shard()));
  sched.run();
  pass(1s);
  CHECK_EQ(running(), 3u);
  CHECK_EQ(phase(1), "passive");
  CHECK_EQ(phase(6), "active");
  CHECK_EQ(wake(1), caf::error{});
  CHECK(running() <= 3);
  CHECK(consistent());
}

SCENARIO(
  "whatever happens in whatever order, the directory tells the truth and nobody waits for ever") {
  for (unsigned seed = 0; seed < 30; ++seed) {
    fixture f;
    std::mt19937 random{seed};
    auto policies = {passivation_kind::idle, passivation_kind::lru, passivation_kind::slru};
    f.bound(1 + random() % 5, *(policies.begin() + seed % 3), {3}, seed % 2 == 0 ? 5s : 0s);
    f.boot();
    int asked = 0;
    int ended = 0;
    for (int i = 0; i < 300; ++i) {
      bot_id bot = 1 + random() % 12;
      switch (random() % 10) {
      case 0:
        f.names->put(f.token(bot), bot, 1, true, f.sched.clock().now());
        caf::anon_send(f.shard(), f.spec_of(bot));
        break;
      case 1:
        f.world->busy.count(bot) ? f.world->busy.erase(bot) : f.world->busy.insert(bot).second;
        break;
      case 2:
        f.world->uses[bot] = random() % 3;
        break;
      case 3:
        if (random() % 4 == 0)
          caf::anon_send(f.shard(), bot_command{bot, random() % 2 == 0 ? bot_phase::suspended
                                                                       : bot_phase::active});
        break;
      case 4:
        if (random() % 4 == 0 && f.world->alive[bot] > 0)
          kill_now(caf::actor_cast<caf::strong_actor_ptr>(f.world->actors[bot]));
        break;
      case 5:
        if (random() % 10 == 0 && f.shard())
          kill_now(caf::actor_cast<caf::strong_actor_ptr>(f.shard()));
        break;
      case 6:
        f.pass(std::chrono::milliseconds{random() % 700});
        break;
      default:
        if (!f.shard())
          break;
        ++asked;
        f.sys.spawn([&ended, to = f.shard(), bot](caf::event_based_actor* me) {
          me->request(to, caf::infinite, activate_bot{bot, false})
            .then([&ended](const caf::strong_actor_ptr&) { ++ended; },
                  [&ended](const caf::error&) { ++ended; });
        });
      }
      for (unsigned n = random() % 6; n > 0 && f.sched.has_job(); --n)
        f.sched.run_once();
    }
    f.sched.run();
    for (int i = 0; i < 200; ++i)
      f.pass(1s);
    CHECK_EQ(ended, asked);
    CHECK(f.consistent());
    f.world->busy.clear();
    for (int i = 0; i < 5; ++i)
      f.pass(1s);
    std::size_t suspended = 0;
    for (bot_id bot = 1; bot <= 12; ++bot)
      suspended += f.phase(bot) == "suspended" ? f.alive(bot) : 0;
    // The pinned one and those that an operator holds are none that can leave.
    CHECK(f.running() <= f.cfg.passivation.max_active + suspended + 1);
  }
}

END_FIXTURE_SCOPE()

} // namespace troupe::passivation_suite
