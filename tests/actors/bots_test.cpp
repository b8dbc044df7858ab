#define CAF_SUITE bots
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "runtime/log/capture.hpp"
#include "tests/actors/bots_fixture.hpp"

namespace troupe::bots_suite {

using namespace std::literals;

namespace {

struct fixture : bots_fixture {
  log::capture lines;
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a started bot is published; a second start answers with the same one") {
  boot();
  CHECK_EQ(start(7), caf::error{});
  CHECK_EQ(phase(7), "active");
  CHECK_EQ(names->find(token(7), sched.clock().now())->actor, world->actors[7]);
  CHECK_EQ(world->incarnation[7], 1u);
  CHECK_EQ(start(7), caf::error{});
  CHECK_EQ(world->incarnation[7], 1u);
  CHECK_EQ(alive(7), 1);
}

SCENARIO("a bot that crashes comes back at once, and its sibling never notices") {
  boot();
  up(7);
  up(8);
  crash(7);
  CHECK_EQ(alive(7), 1);
  CHECK_EQ(world->incarnation[7], 2u);
  CHECK_EQ(world->incarnation[8], 1u);
  CHECK(consistent());
  CHECK_EQ(lines.count("child.crashed"), 1u);
  CHECK_EQ(lines.count("child.restarted"), 1u);
}

SCENARIO("the second restart pauses 50 ms, the third 100 ms") {
  boot();
  up(7);
  crash(7);
  crash(7);
  CHECK_EQ(alive(7), 0);
  CHECK_EQ(phase(7), "starting");
  CHECK(consistent());
  pass(50ms);
  CHECK_EQ(alive(7), 1);
  crash(7);
  pass(99ms);
  CHECK_EQ(alive(7), 0);
  pass(1ms);
  CHECK_EQ(alive(7), 1);
}

SCENARIO("a start that asks during such a pause is answered after it") {
  boot();
  up(7);
  crash(7);
  crash(7);
  auto pending = self->request(shard(), caf::infinite, spec_of(7));
  pass(50ms);
  bool answered = false;
  pending.receive([&](caf::strong_actor_ptr&) { answered = true; }, [](const caf::error&) {});
  CHECK(answered);
}

SCENARIO("a bot that becomes active is told of, one that was restarted is not") {
  boot();
  up(7);
  CHECK_EQ(lines.count("bot.activated"), 1u);
  spend_budget(*this, 7);
  REQUIRE_EQ(phase(7), "quarantined");
  CHECK_EQ(lines.count("bot.activated"), 1u);
  pass(60s);
  CHECK_EQ(lines.count("bot.activated"), 2u); // Out of its quarantine.
}

SCENARIO("an adopted bot is active for everybody to read once the upstream accepts its token") {
  log::capture seen{log::level::info};
  boot();
  auto spec = spec_of(-9);
  spec.proven = false;
  spec.claimed = 9;
  names->put(token(-9), -9, 1, false, sched.clock().now());
  CHECK_EQ(start(spec), caf::error{});
  CHECK_EQ(seen.count("bot.activated"), 0u);
  for (int i = 0; i < 2; ++i) {
    caf::anon_send(shard(), identity_proven{-9, 9});
    sched.run();
    CHECK_EQ(seen.count("bot.activated"), 1u);
  }
}

SCENARIO("a bot whose spawn throws is quarantined, too") {
  world->failing.insert(7);
  boot();
  names->put(token(7), 7, 1, true, sched.clock().now());
  auto pending = self->request(shard(), caf::infinite, spec_of(7));
  sched.run();
  pass(50ms);
  pass(100ms);
  caf::error refused;
  pending.receive([](caf::strong_actor_ptr&) {}, [&](const caf::error& err) { refused = err; });
  CHECK_EQ(refused, caf::error{ec::quarantined});
  CHECK_EQ(phase(7), "quarantined");
  world->failing.clear();
  pass(1min);
  CHECK_EQ(alive(7), 1);
}

SCENARIO("an unauthorized bot is not restarted until it gets another token") {
  boot();
  up(7);
  end(7, ec::unauthorized);
  CHECK_EQ(alive(7), 0);
  CHECK_EQ(phase(7), "unauthorized");
  CHECK_EQ(start(7), caf::error{ec::unauthorized});
  auto renewed = token_hash({1, 2}, "7:another");
  names->put(renewed, 7, 1, true, sched.clock().now());
  auto spec = spec_of(7);
  spec.token_hash = renewed.key;
  CHECK_EQ(start(spec), caf::error{});
  CHECK_EQ(alive(7), 1);
  CHECK(!names->find(token(7), sched.clock().now()));
  CHECK_EQ(names->find(renewed, sched.clock().now())->actor, world->actors[7]);
}

SCENARIO("a bot that ends orderly is forgotten") {
  boot();
  for (auto reason : {caf::error{}, caf::make_error(ec::stopped),
                      caf::make_error(caf::exit_reason::user_shutdown)}) {
    up(7);
    if (reason)
      end(7, reason);
    else
      order(7, bot_phase::stopped);
    CHECK_EQ(alive(7), 0);
    CHECK_EQ(phase(7), "unknown");
    CHECK_EQ(report().children, 0u);
  }
}

SCENARIO("a suspended bot keeps its phase through everything but resume") {
  boot();
  up(7);
  order(7, bot_phase::suspended);
  CHECK_EQ(phase(7), "suspended");
  CHECK_EQ(world->orders[7].back(), bot_phase::suspended);
  crash(7);
  pass(1h);
  CHECK_EQ(alive(7), 0);
  CHECK_EQ(phase(7), "suspended");
  CHECK_EQ(start(7), caf::error{ec::suspended});
  order(7, bot_phase::active);
  CHECK_EQ(alive(7), 1);
  CHECK_EQ(phase(7), "active");
  THEN("one that stayed in memory is resumed in place") {
    order(7, bot_phase::suspended);
    order(7, bot_phase::active);
    CHECK_EQ(world->orders[7].back(), bot_phase::active);
    CHECK_EQ(phase(7), "active");
    CHECK_EQ(world->incarnation[7], 2u);
  }
  THEN("one that ends by itself with suspended keeps the phase, too") {
    end(7, ec::suspended);
    CHECK_EQ(phase(7), "suspended");
    CHECK_EQ(alive(7), 0);
  }
}

SCENARIO("an order to restart ends a quarantine at once; suspend outlasts one") {
  boot();
  up(7);
  spend_budget(*this, 7);
  order(7, bot_phase::active); // A registrar that begins anew says so of every bot.
  CHECK_EQ(alive(7), 0);
  order(7, bot_phase::starting);
  CHECK_EQ(alive(7), 1);
  spend_budget(*this, 7);
  order(7, bot_phase::suspended);
  pass(2h);
  CHECK_EQ(alive(7), 0);
  CHECK_EQ(phase(7), "suspended");
}

SCENARIO("stop_bot is two-phase and forgets") {
  world->deaf.insert(8);
  boot();
  up(7);
  up(8);
  caf::anon_send(shard(), stop_bot{7});
  caf::anon_send(shard(), stop_bot{8});
  caf::anon_send(shard(), stop_bot{99});
  sched.run();
  CHECK_EQ(phase(7), "unknown");
  CHECK_EQ(phase(8), "unknown"); // Nobody finds it from now on.
  CHECK_EQ(alive(7), 0);
  CHECK_EQ(alive(8), 1);
  pass(4999ms);
  CHECK_EQ(alive(8), 1);
  pass(1ms);
  CHECK_EQ(alive(8), 0);
  CHECK_EQ(report().children, 0u);
}

SCENARIO("health forgets a bot that is gone, once it has ended, and keeps one that moves") {
  auto gone = std::make_shared<std::vector<bot_id>>();
  found->health.publish(sys.spawn([gone](health_actor::pointer) -> health_actor::behavior_type {
    return {[](const outcome_batch&) {}, [](const bot_started&) {},
            [=](const stop_bot& x) { gone->push_back(x.bot); }, [](const health_limits&) {},
            [](const bot_health_request&) { return bot_health{}; },
            [](const get_report&) { return health_report{}; }};
  }));
  world->deaf.insert(8);
  cfg.found = found;
  boot();
  for (bot_id bot : {7, 8, 9})
    up(bot);
  caf::anon_send(shard(), stop_bot{7});
  caf::anon_send(shard(), stop_bot{8});
  caf::anon_send(shard(), stop_bot{9, true});
  sched.run();
  CHECK_EQ(*gone, std::vector<bot_id>{7});
  pass(5s);
  CHECK_EQ(*gone, (std::vector<bot_id>{7, 8}));
  found->health.publish({});
}

SCENARIO("a start while the bot is stopping waits for its end") {
  world->deaf.insert(7);
  boot();
  up(7);
  caf::anon_send(shard(), stop_bot{7});
  sched.run();
  world->deaf.clear();
  names->put(token(7), 7, 1, true, sched.clock().now());
  auto pending = self->request(shard(), caf::infinite, spec_of(7));
  sched.run();
  CHECK_EQ(world->incarnation[7], 1u);
  pass(5s);
  bool answered = false;
  pending.receive([&](caf::strong_actor_ptr&) { answered = true; }, [](const caf::error&) {});
  CHECK(answered);
  CHECK_EQ(world->incarnation[7], 2u);
  CHECK_EQ(world->most_alive, 1);
  CHECK_EQ(phase(7), "active");
  CHECK(consistent());
}

SCENARIO("a bot that nobody could find is not started, nor restarted") {
  boot();
  CHECK_EQ(start(spec_of(7)), caf::error{ec::unknown_bot});
  CHECK_EQ(alive(7), 0);
  up(8);
  names->erase(token(8).key);
  crash(8);
  CHECK_EQ(alive(8), 0);
  CHECK_EQ(report().children, 0u);
}

SCENARIO("a shard refuses more bots than it may hold") {
  cfg.max_bots = 2;
  boot();
  CHECK_EQ(start(7), caf::error{});
  CHECK_EQ(start(8), caf::error{});
  CHECK_EQ(start(9), caf::error{ec::too_many_bots});
  CHECK_EQ(start(8), caf::error{});
}

SCENARIO("an adopted bot goes by its number once it is proven, wherever orders enter") {
  found = std::make_shared<services>(4);
  boot();
  bot_id home = -123456, number = 0;
  for (number = 1000; found->shard_of(number) == found->shard_of(home);)
    ++number;
  names->put(token(home), home, 1, false, sched.clock().now());
  auto spec = spec_of(home);
  spec.proven = false;
  spec.claimed = number;
  CHECK_EQ(start(spec), caf::error{});
  CHECK_EQ(world->specs[home].claimed, number);
  caf::anon_send(found->bots_of(home), identity_proven{home, number});
  sched.run();
  CHECK_EQ(phase(home), "unknown");
  CHECK_EQ(phase(number), "active");
  caf::anon_send_exit(world->actors[home], caf::exit_reason::kill);
  sched.run();
  CHECK_EQ(world->specs[number].proven, true);
  CHECK_EQ(world->specs[number].claimed, 0);
  CHECK_EQ(names->find(number)->actor, world->actors[number]);
  caf::anon_send(found->bots_of(number), bot_command{number, bot_phase::suspended});
  sched.run();
  CHECK_EQ(phase(number), "suspended");
  caf::anon_send(found->bots_of(number), stop_bot{number});
  sched.run();
  CHECK_EQ(phase(number), "unknown");
  CHECK_EQ(alive(number), 0);
}

SCENARIO("a report counts all and lists the unhealthy first") {
  boot();
  for (bot_id bot = 1; bot <= 20; ++bot)
    up(bot);
  order(15, bot_phase::suspended);
  spend_budget(*this, 17);
  auto now = report(3);
  CHECK_EQ(now.strategy, "bots");
  CHECK_EQ(now.children, 20u);
  CHECK_EQ(now.restarts, 3u);
  CAF_REQUIRE_EQUAL(now.rows.size(), 3u);
  CHECK_EQ(now.rows[0].bot, 15);
  CHECK_EQ(now.rows[0].state, "suspended");
  CHECK_EQ(now.rows[1].bot, 17);
  CHECK_EQ(now.rows[1].state, "quarantined");
  CHECK_EQ(now.rows[2].state, "active");
}

END_FIXTURE_SCOPE()

} // namespace troupe::bots_suite
