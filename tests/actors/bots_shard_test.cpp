#define CAF_SUITE bots_shard
#include "runtime/log/capture.hpp"
#include "tests/actors/bots_fixture.hpp"

#include <algorithm>
#include <random>

namespace troupe::bots_shard_suite {

using namespace std::literals;

namespace {

struct fixture : bots_fixture {
  log::capture quiet{log::level::error};

  int total_alive() const {
    int sum = 0;
    for (auto& [bot, n] : world->alive)
      sum += n;
    return sum;
  }

  void kill_shard() { kill_now(caf::actor_cast<caf::strong_actor_ptr>(shard())); }

  void stop_all() {
    caf::anon_send_exit(top, caf::exit_reason::user_shutdown);
    sched.run();
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a shard stops all bots at once, with one deadline for those that do not hear") {
  world->deaf = {3, 4};
  boot();
  for (bot_id bot = 1; bot <= 50; ++bot)
    up(bot);
  stop_all();
  CHECK_EQ(total_alive(), 2);
  CHECK_EQ(phase(1), "stopped");
  pass(4999ms);
  CHECK_EQ(total_alive(), 2);
  pass(1ms);
  CHECK_EQ(total_alive(), 0);
}

SCENARIO("a shard that is ending starts nothing") {
  world->deaf = {1};
  boot();
  up(1);
  stop_all();
  CHECK_EQ(start(2), caf::error{ec::draining});
  CHECK_EQ(alive(2), 0);
}

SCENARIO("a killed shard comes back with all its bots, each as it was") {
  boot();
  for (bot_id bot = 1; bot <= 20; ++bot)
    up(bot);
  order(2, bot_phase::suspended);
  end(3, ec::unauthorized);
  for (int i = 0; i < 4; ++i) {
    crash(4);
    pass(100ms);
  }
  caf::anon_send(shard(), stop_bot{5});
  sched.run();
  auto before = shard();
  kill_shard();
  sched.run();
  CHECK_EQ(total_alive(), 0); // No orphans while there is no supervisor.
  pass(50ms);
  CHECK_NE(shard(), before);
  CHECK_EQ(phase(1), "active");
  CHECK_EQ(phase(2), "suspended");
  CHECK_EQ(phase(3), "unauthorized");
  CHECK_EQ(phase(4), "quarantined");
  CHECK_EQ(phase(5), "unknown");
  CHECK_EQ(total_alive(), 16);
  CHECK_EQ(world->incarnation[1], 2u);
  CHECK_EQ(world->most_alive, 1);
  CHECK(consistent());
  THEN("the quarantine ends when it would have ended") {
    pass(1min - 151ms);
    CHECK_EQ(alive(4), 0);
    pass(1ms);
    CHECK_EQ(alive(4), 1);
  }
}

SCENARIO("a shard killed with its supervisor leaves no orphan") {
  boot();
  for (bot_id bot = 1; bot <= 20; ++bot)
    up(bot);
  kill_now(caf::actor_cast<caf::strong_actor_ptr>(top));
  sched.run();
  CHECK_EQ(total_alive(), 0);
}

SCENARIO("kills, orders and crashes in any interleaving leave directory and bots consistent") {
  // One model check per seed: after quiet, every bot is what the last order and its life say.
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 random{seed};
    *world = {};
    names = std::make_shared<directory>(directory_limits{}, sched.clock().now());
    cfg.period = 1h;
    cfg.restarts = 1000; // Quarantine has tests of its own.
    boot();
    constexpr bot_id bots = 6;
    for (int act = 0; act < 40; ++act) {
      auto bot = static_cast<bot_id>(random() % bots + 1);
      switch (random() % 8) {
      case 0:
      case 1:
      case 2:
        names->put(token(bot), bot, 1, true, sched.clock().now());
        caf::anon_send(shard(), spec_of(bot));
        break;
      case 3:
        caf::anon_send(shard(), stop_bot{bot});
        break;
      case 4:
        caf::anon_send(shard(), bot_command{bot, bot_phase::suspended});
        break;
      case 5:
        caf::anon_send(shard(), bot_command{bot, bot_phase::active});
        break;
      case 6:
        if (auto& actor = world->actors[bot])
          kill_now(caf::actor_cast<caf::strong_actor_ptr>(actor));
        break;
      default:
        if (random() % 4 == 0)
          kill_shard();
      }
      for (auto steps = random() % 6; steps > 0; --steps) {
        if (!sched.has_job() || random() % 8 == 0) { // Time passes for those who are slow, too.
          advance_time(std::chrono::milliseconds{random() % 60});
          continue;
        }
        auto next = sched.jobs.begin() + static_cast<std::ptrdiff_t>(random() % sched.jobs.size());
        std::rotate(sched.jobs.begin(), next, sched.jobs.end());
        sched.try_run_once();
      }
    }
    for (int i = 0; i < 200; ++i)
      pass(100ms);
    auto rows = report().rows;
    bool good = consistent() && world->most_alive <= 1
                && static_cast<std::size_t>(total_alive())
                     == static_cast<std::size_t>(std::ranges::count_if(
                       rows, [](auto& row) { return row.uptime > caf::timespan::zero(); }));
    for (auto& row : rows)
      good =
        good && row.state == phase(row.bot) && (row.state == "active" || row.state == "suspended");
    if (!good) {
      for (auto& row : rows)
        CAF_MESSAGE(row.bot << " " << row.state << ", in the directory " << phase(row.bot)
                            << ", alive " << alive(row.bot));
      CAF_FAIL("seed " << seed << ", " << total_alive() << " alive, at most " << world->most_alive);
    }
    CHECK(good);
    stop_all();
    CHECK_EQ(total_alive(), 0);
  }
}

END_FIXTURE_SCOPE()

} // namespace troupe::bots_shard_suite
