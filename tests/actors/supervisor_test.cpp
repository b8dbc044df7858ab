#define CAF_SUITE supervisor
#include "actors/supervisor/supervisor.hpp"

#include "runtime/log/capture.hpp"
#include "tests/actors/supervisor_fixture.hpp"

namespace troupe::supervisor_suite {

using namespace std::literals;

namespace {

struct fixture : supervisor_fixture {
  supervisor_spec mixed() {
    auto spec = spec_of({"p", "t", "once"});
    spec.children[1].restart = restart_type::transient;
    spec.children[2].restart = restart_type::temporary;
    return spec;
  }

  /// One restart in any 10 s.
  supervisor_spec strict() {
    auto spec = spec_of({"a"});
    spec.intensity = 1;
    spec.period = 10s;
    spec.pause = 1ms;
    return spec;
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("children start in order and stop in reverse order") {
  boot(spec_of({"a", "b", "c"}));
  CHECK_EQ(history(), "+a +b +c");
  stop();
  CHECK_EQ(history(), "+a +b +c -c -b -a");
  CHECK_EQ(reason_of_end(), caf::make_error(caf::exit_reason::user_shutdown));
}

SCENARIO("a child that does not hear the ask is killed at its deadline, not before") {
  auto spec = spec_of({"a", "deaf", "c"});
  spec.children[1].shutdown_deadline = 3s;
  boot(spec);
  caf::anon_send_exit(top, caf::exit_reason::user_shutdown);
  sched.run();
  CHECK_EQ(history(), "+a +deaf +c -c");
  pass(2999ms);
  CHECK_EQ(history(), "+a +deaf +c -c");
  pass(1ms);
  CHECK_EQ(history(), "+a +deaf +c -c -deaf -a");
  CHECK_EQ(world->reasons["deaf"], caf::make_error(caf::exit_reason::kill));
}

SCENARIO("a child with deadline zero is killed at once") {
  auto spec = spec_of({"deaf"});
  spec.children[0].shutdown_deadline = caf::timespan::zero();
  boot(spec);
  stop();
  CHECK_EQ(history(), "+deaf -deaf");
}

SCENARIO("one_for_one restarts the one that crashed") {
  boot(spec_of({"a", "b", "c"}));
  crash("b");
  pass(1s);
  CHECK_EQ(history(), "+a +b +c -b +b");
}

SCENARIO("rest_for_one restarts the one that crashed and those started after it") {
  boot(spec_of({"a", "b", "c", "d"}, restart_strategy::rest_for_one));
  crash("b");
  pass(1s);
  CHECK_EQ(history(), "+a +b +c +d -b -d -c +b +c +d");
}

SCENARIO("one_for_all restarts them all") {
  boot(spec_of({"a", "b", "c"}, restart_strategy::one_for_all));
  crash("b");
  pass(1s);
  CHECK_EQ(history(), "+a +b +c -b -c -a +a +b +c");
}

SCENARIO("a restart by order stops and starts as the strategy says, and costs no budget") {
  auto spec = spec_of({"a", "b", "c"});
  spec.intensity = 1;
  boot(spec);
  for (int i = 0; i < 3; ++i)
    CHECK(order({"b"}));
  CHECK_EQ(history(), "+a +b +c -b +b -b +b -b +b");
  CHECK(!order({"x"}));
  CHECK_EQ(report().restarts, 0u);
}

SCENARIO("a restart by order takes along whom a crash would") {
  boot(spec_of({"a", "b", "c"}, restart_strategy::rest_for_one));
  CHECK(order({"b"}));
  CHECK_EQ(history(), "+a +b +c -c -b +b +c");
}

SCENARIO("a kill by order is a crash: it waits for the pause and costs budget") {
  auto spec = spec_of({"a", "once"});
  spec.children[1].restart = restart_type::temporary;
  spec.intensity = 1;
  boot(spec);
  CHECK(order({"a", true}));
  CHECK_EQ(history(), "+a +once -a");
  CHECK(!order({"a", true})); // It does not run now.
  CHECK(!order({"once"}));    // Nobody would start it again.
  pass(1s);
  CHECK_EQ(history(), "+a +once -a +a");
  CHECK(order({"a", true}));
  CHECK_EQ(reason_of_end(), caf::make_error(ec::restart_budget_exceeded));
}

SCENARIO("of children that end orderly only a permanent one comes back") {
  boot(mixed());
  finish("p");
  finish("t");
  finish("once");
  pass(1s);
  CHECK_EQ(history(), "+p +t +once -p -t -once +p");
  CHECK_EQ(state_of("t"), "stopped");
}

SCENARIO("of children that crash only a temporary one stays away") {
  boot(mixed());
  crash("p");
  crash("t");
  crash("once");
  pass(1s);
  CHECK_EQ(history(), "+p +t +once -p -t -once +p +t");
}

SCENARIO("a group restart brings back a transient child that had finished, but no temporary one") {
  auto spec = spec_of({"a", "b", "c"}, restart_strategy::one_for_all);
  spec.children[1].restart = restart_type::transient;
  spec.children[2].restart = restart_type::temporary;
  boot(spec);
  finish("b");
  crash("a");
  pass(1s);
  CHECK_EQ(history(), "+a +b +c -b -a -c +a +b");
}

SCENARIO("the sixth crash within the period escalates, after all children have stopped") {
  boot(spec_of({"a", "b"}));
  for (int i = 0; i < 5; ++i) {
    crash("b");
    pass(1900ms);
  }
  CHECK_EQ(alive("b"), 1);
  crash("b");
  CHECK_EQ(reason_of_end(), caf::error{ec::restart_budget_exceeded});
  CHECK_EQ(world->reasons["a"], caf::make_error(caf::exit_reason::user_shutdown));
  CHECK_EQ(world->total_alive(), 0);
}

SCENARIO("crashes further apart than the budget allows never escalate") {
  boot(spec_of({"a", "b"}));
  for (int i = 0; i < 30; ++i) {
    crash("b");
    pass(2001ms); // Five in any 10 s, never six.
  }
  CHECK_EQ(alive("b"), 1);
  CHECK(!reason_of_end());
}

SCENARIO("a crash exactly one period after another counts together with it") {
  boot(strict());
  crash("a");
  pass(10s);
  crash("a");
  CHECK_EQ(reason_of_end(), caf::error{ec::restart_budget_exceeded});
}

SCENARIO("a crash a nanosecond more than one period after another counts alone") {
  boot(strict());
  crash("a");
  pass(10s + 1ns);
  crash("a");
  pass(1s);
  CHECK_EQ(alive("a"), 1);
}

SCENARIO("intensity zero allows no restart") {
  auto spec = spec_of({"a", "b"});
  spec.intensity = 0;
  boot(spec);
  crash("a");
  CHECK_EQ(reason_of_end(), caf::error{ec::restart_budget_exceeded});
  CHECK_EQ(world->total_alive(), 0);
}

SCENARIO("pauses double while a child goes on dying, and its sibling does not wait for it") {
  boot(spec_of({"a", "b"}));
  crash("a");
  crash("b");
  pass(49ms);
  CHECK_EQ(alive("a") + alive("b"), 0);
  pass(1ms);
  CHECK_EQ(alive("a") + alive("b"), 2);
  crash("a");
  pass(99ms);
  CHECK_EQ(alive("a"), 0);
  pass(1ms);
  CHECK_EQ(alive("a"), 1);
}

SCENARIO("a start that throws counts as a crash and is tried again") {
  world->failing.insert("b");
  boot(spec_of({"a", "b", "c"}));
  CHECK_EQ(history(), "+a");
  pass(50ms);
  CHECK_EQ(history(), "+a"); // And c, which may rely on b, waits.
  world->failing.clear();
  pass(100ms);
  CHECK_EQ(history(), "+a +b +c");
}

SCENARIO("a start that never works escalates") {
  boot(spec_of({"a", "b", "c"}));
  world->failing.insert("c");
  crash("c");
  for (int i = 0; i < 10; ++i)
    pass(1700ms);
  CHECK_EQ(reason_of_end(), caf::error{ec::restart_budget_exceeded});
  CHECK_EQ(history(), "+a +b +c -c -b -a");
}

SCENARIO("a child that ends while a group restart waits is part of it") {
  auto spec = spec_of({"a", "deaf", "c"}, restart_strategy::one_for_all);
  spec.children[1].shutdown_deadline = 5s;
  boot(spec);
  crash("c"); // Now `deaf` is asked to stop, and does not.
  crash("a");
  CHECK_EQ(history(), "+a +deaf +c -c -a");
  pass(5s);
  pass(1s);
  CHECK_EQ(history(), "+a +deaf +c -c -a -deaf +a +deaf +c");
  CHECK_EQ(report().restarts, 1u);
}

SCENARIO("a later child waits until an earlier supervisor's children run") {
  auto inner = spec_of({"x", "y"});
  inner.name = "inner";
  world->failing.insert("y");
  auto spec = spec_of({"a", "z"}, restart_strategy::rest_for_one);
  spec.children.insert(spec.children.begin() + 1, supervise(inner));
  boot(spec);
  CHECK_EQ(history(), "+a +x");
  world->failing.clear();
  pass(1s);
  CHECK_EQ(history(), "+a +x +y +z");
  stop();
  CHECK_EQ(history(), "+a +x +y +z -z -y -x -a");
}

SCENARIO("a supervisor that spends its budget is restarted by its parent, with its children") {
  auto inner = spec_of({"x", "y"});
  inner.name = "inner";
  inner.intensity = 0;
  auto spec = spec_of({"a"});
  spec.children.push_back(supervise(inner));
  boot(spec);
  crash("x");
  pass(1s);
  CHECK_EQ(history(), "+a +x +y -x -y +x +y");
}

SCENARIO("a killed supervisor leaves no orphan") {
  boot(spec_of({"a", "deaf", "c"}));
  kill_now(caf::actor_cast<caf::strong_actor_ptr>(top));
  sched.run();
  CHECK_EQ(world->total_alive(), 0);
}

SCENARIO("a report tells names, states, restarts and which child can be asked in turn") {
  auto inner = spec_of({"x"});
  inner.name = "inner";
  auto spec = spec_of({"a", "b"});
  spec.children.push_back(supervise(inner));
  boot(spec);
  crash("b");
  auto now = report();
  CHECK_EQ(now.name, "test");
  CHECK_EQ(now.strategy, "one_for_one");
  CHECK_EQ(now.children, 3u);
  CAF_REQUIRE_EQUAL(now.rows.size(), 3u);
  CHECK_EQ(now.rows[1].state, "restarting");
  CHECK(!now.rows[1].supervisor);
  CHECK_EQ(now.rows[2].name, "inner");
  CHECK(now.rows[2].supervisor);
  pass(5s);
  CHECK_EQ(report().rows[1].restarts, 1u);
  CHECK_EQ(report().rows[0].uptime, 5s);
  CHECK_EQ(report(1).rows.size(), 1u);
}

SCENARIO("each supervision event is one line with its reason") {
  log::capture lines;
  auto spec = spec_of({"a"});
  spec.intensity = 1;
  boot(spec);
  crash("a", "disk full");
  pass(1s);
  CHECK_EQ(lines.count("child.started"), 1u);
  CHECK_EQ(lines.count("child.restarted"), 1u);
  CAF_REQUIRE_EQUAL(lines.count("child.crashed"), 1u);
  auto crashed = lines.lines("child.crashed")[0];
  CHECK_NE(crashed.find("runtime_error(\\\"disk full"), std::string::npos);
  CHECK_NE(crashed.find("\"attempt\":1"), std::string::npos);
  CHECK_NE(crashed.find("\"of\":1"), std::string::npos);
  crash("a");
  CHECK_EQ(lines.count("child.escalated"), 1u);
}

END_FIXTURE_SCOPE()

} // namespace troupe::supervisor_suite
