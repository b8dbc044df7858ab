#define CAF_SUITE session_pool_waiters

#include "tests/actors/session_pool_fixture.hpp"

#include "actors/session_pool/state.hpp"

#include "runtime/log/capture.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::session_pool_waiters_suite {

using namespace troupe::test;
using namespace std::literals;

namespace {

constexpr auto api_call = call_kind::request;
constexpr auto poll = call_kind::long_poll;
constexpr auto file = call_kind::file;

} // namespace

BEGIN_FIXTURE_SCOPE(pool_fixture)

SCENARIO("polls have places of their own, and what finds none waits its turn") {
  start_governor();
  start_pool();
  auto& a = add_bot(1);
  auto& b = add_bot(2);
  auto& c = add_bot(3);
  auto first = get(a, poll);
  get(a, poll);
  get(b, poll);
  get(c, poll);
  CHECK_EQ(report().polls, 3u);
  CHECK_EQ(report().waiting, 1u);
  CHECK_EQ(book->credits, 9u);
  give_back(a, first);
  CHECK_EQ(c.leases().size(), 1u);
  CHECK_EQ(report().waiting, 0u);
  CHECK_EQ(report().polls, 3u);
  CHECK_EQ(book->credits, 9u);
}

SCENARIO("one bot never has more than its share, even when places are free") {
  start_pool();
  auto& a = add_bot(1);
  auto& b = add_bot(2);
  get(a, poll);
  get(a, poll);
  get(a, poll);
  CHECK_EQ(a.leases().size(), 2u);
  CHECK_EQ(report().waiting, 1u);
  get(b, poll);
  CHECK_EQ(b.leases().size(), 1u);
  give_back(b, b.leases()[0]);
  CHECK_EQ(a.leases().size(), 2u);
  give_back(a, a.leases()[0]);
  CHECK_EQ(a.leases().size(), 3u);
}

SCENARIO("places go round over tenants first, then over their bots") {
  start_pool();
  auto& holder = add_bot(100, 9);
  auto& other = add_bot(101, 9);
  get(holder, poll);
  get(holder, poll);
  get(other, poll);
  auto& a = add_bot(1, 1);
  auto& b = add_bot(2, 1);
  auto& c = add_bot(3, 2);
  std::vector<bot_id> order;
  for (auto* bot : {&a, &a, &b, &c, &c})
    get(*bot, poll);
  CHECK_EQ(report().waiting, 5u);
  for (int i = 0; i < 5; ++i) {
    auto before = std::array{a.leases().size(), b.leases().size(), c.leases().size()};
    auto& served = i < 2 ? holder : i == 2 ? other : i == 3 ? a : c;
    give_back(served, served.leases()[i < 2 ? static_cast<std::size_t>(i) : 0]);
    order.push_back(a.leases().size() > before[0]   ? 1
                    : b.leases().size() > before[1] ? 2
                    : c.leases().size() > before[2] ? 3
                                                    : 0);
  }
  CHECK_EQ(order, (std::vector<bot_id>{1, 3, 2, 3, 1}));
}

SCENARIO("a file finds a place while the governor holds all credits of requests") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  for (int i = 0; i < 9; ++i)
    get(bot, api_call);
  CHECK_EQ(bot.leases().size(), 9u);
  auto download = get(bot, file);
  CHECK_EQ(bot.leases().size(), 10u);
  get(bot, file);
  CHECK_EQ(bot.leases().size(), 10u);
  give_back(bot, download);
  CHECK_EQ(bot.leases().size(), 11u);
  CHECK_EQ(report().leased, 10u);
  CHECK_EQ(book->credits, 0u);
}

SCENARIO("no bot's slow downloads hold all places for files, and requests keep theirs") {
  auto config = small();
  config.max_per_bot = 9;
  config.max_downloads = 6;
  start_governor();
  start_pool(config);
  CHECK_EQ(book->credits, 9u);
  auto& slow = add_bot(7);
  auto& other = add_bot(8);
  auto& third = add_bot(9);
  for (int i = 0; i < 6; ++i)
    ask(slow, file);
  sched.run();
  CHECK_EQ(slow.leases().size(), 3u); // Half of them, although others are free.
  for (int i = 0; i < 3; ++i)
    get(other, file);
  ask(third, file);
  sched.run();
  CHECK_EQ(third.leases().size(), 0u);
  // Four places are left; the governor learns of it by the requests that find none.
  for (int i = 0; i < 9; ++i)
    ask(third, api_call);
  sched.run();
  CHECK_EQ(third.leases().size(), 4u);
  CHECK_EQ(third.errors().size(), 5u);
  CHECK_EQ(book->credits, 0u);
  // One that ends is the next bot's, for the slow one has its share.
  give_back(other, other.leases()[0]);
  CHECK_EQ(third.leases().size(), 5u);
  CHECK_EQ(slow.leases().size(), 3u);
  give_back(other, other.leases()[1]);
  CHECK_EQ(book->credits, 1u);
  for (std::size_t i = 0; i < 3; ++i)
    give_back(slow, slow.leases()[i]);
  CHECK_EQ(slow.leases().size(), 6u); // The rest of them.
  CHECK_EQ(book->credits, 1u);
}

SCENARIO("a waiter's patience ends with no_session, each at its own time") {
  start_pool();
  auto& holder = add_bot(100);
  auto& other = add_bot(101);
  get(holder, poll);
  get(holder, poll);
  auto last = get(other, poll);
  auto& a = add_bot(1);
  auto& b = add_bot(2);
  ask(a, poll, {.patience = 5s});
  ask(b, poll, {.patience = 2s});
  sched.run();
  advance_time(2s);
  sched.run();
  REQUIRE_EQ(b.errors().size(), 1u);
  CHECK_EQ(b.errors()[0], ec::no_session);
  CHECK_EQ(a.errors().size(), 0u);
  CHECK_EQ(report().waiting, 1u);
  advance_time(2999ms);
  sched.run();
  CHECK_EQ(a.errors().size(), 0u);
  advance_time(1ms);
  sched.run();
  CHECK_EQ(a.errors().size(), 1u);
  CHECK_EQ(report().waiting, 0u);
  give_back(other, last);
  CHECK_EQ(report().polls, 2u);
}

SCENARIO("without patience or in too long a line the answer comes at once") {
  auto config = small();
  config.max_waiting = 1;
  config.max_polls = 1;
  start_pool(config);
  auto& a = add_bot(1);
  auto& b = add_bot(2);
  get(a, poll);
  ask(b, poll, {.patience = -1s});
  sched.run();
  CHECK_EQ(b.errors().size(), 1u);
  get(b, poll);
  CHECK_EQ(report().waiting, 1u);
  get(b, poll);
  CHECK_EQ(b.errors().size(), 2u);
  CHECK_EQ(b.errors().back(), ec::no_session);
}

SCENARIO("a cancelled waiter leaves its place, and only its own bot can cancel it") {
  auto config = small();
  config.max_polls = 1;
  start_pool(config);
  auto& a = add_bot(1);
  auto& b = add_bot(2);
  auto held = get(a, poll);
  get(b, poll);
  auto waiting = calls;
  caf::anon_send(a.handle, lease_cancel{2, waiting});
  caf::anon_send(b.handle, lease_cancel{2, waiting + 1});
  sched.run();
  CHECK_EQ(b.errors().size(), 0u);
  caf::anon_send(b.handle, lease_cancel{2, waiting});
  sched.run();
  REQUIRE_EQ(b.errors().size(), 1u);
  CHECK_EQ(b.errors()[0], ec::cancelled);
  give_back(a, held);
  CHECK_EQ(report().polls, 0u);
  CHECK_EQ(b.leases().size(), 0u);
}

SCENARIO("a bot that dies loses its sessions to the next waiter, and the log says so") {
  log::capture log;
  start_governor();
  start_pool();
  auto& a = add_bot(1);
  auto& b = add_bot(2);
  auto& c = add_bot(3);
  auto call = get(a, api_call);
  auto first = get(a, poll);
  auto second = get(a, poll);
  get(b, poll);
  get(c, poll);
  CHECK_EQ(c.leases().size(), 0u);
  kill(a);
  for (auto& x : {call, first, second})
    CHECK(port->has_closed(x.session));
  CHECK_EQ(c.leases().size(), 1u);
  CHECK_EQ(report().polls, 2u);
  CHECK_EQ(report().leased, 0u);
  CHECK_EQ(report().reclaimed_total, 3u);
  CHECK_EQ(book->credits, 9u);
  REQUIRE_EQ(log.count("lease.reclaimed"), 3u);
  auto line = log.lines("lease.reclaimed")[0];
  CHECK_NE(line.find("\"bot\":1"), std::string::npos);
  CHECK_NE(line.find("kill"), std::string::npos);
}

SCENARIO("a waiter that dies gives up its place in the line") {
  auto config = small();
  config.max_polls = 1;
  start_pool(config);
  auto& a = add_bot(1);
  auto& b = add_bot(2);
  auto& c = add_bot(3);
  auto held = get(a, poll);
  get(b, poll);
  get(c, poll);
  kill(b);
  CHECK_EQ(report().waiting, 1u);
  give_back(a, held);
  CHECK_EQ(c.leases().size(), 1u);
  CHECK_EQ(report().polls, 1u);
}

SCENARIO("whatever step a bot dies at, it leaves nothing behind") {
  for (int steps = 0; steps < 40; ++steps) {
    start_governor();
    start_pool();
    auto& holder = add_bot(100);
    auto& victim = add_bot(1);
    auto& next = add_bot(2);
    get(holder, poll);
    auto held = get(holder, poll);
    ask(victim, api_call);
    ask(victim, poll);
    ask(victim, poll);
    ask(victim, file);
    ask(next, poll);
    for (int i = 0; i < steps / 2 && sched.try_run_once(); ++i) {
      // One message more than the round before.
    }
    if (steps % 2 == 1)
      caf::anon_send(holder.handle, lease_return{held.id, true});
    for (int i = 0; i < steps / 4 && sched.try_run_once(); ++i) {
      // Some of them after the return.
    }
    kill(victim);
    auto now = report();
    CHECK_EQ(now.leased, 0u);
    CHECK_EQ(now.waiting, 0u);
    CHECK_EQ(next.leases().size(), 1u);
    CHECK_EQ(now.polls, steps % 2 == 1 ? 2u : 3u);
    CHECK_EQ(book->credits, 9u);
    kill(holder);
    kill(next);
    CHECK_EQ(report().polls, 0u);
    caf::anon_send_exit(*pool, caf::exit_reason::kill);
    sched.run();
    stop_governor();
  }
}

SCENARIO("a bot is noticed when it dies long after many others came and went") {
  auto config = small();
  start_governor();
  start_pool(config);
  auto& first = add_bot(1);
  give_back(first, get(first, api_call));
  for (bot_id i = 2; i < 9000; ++i) {
    auto& bot = add_bot(i);
    give_back(bot, get(bot, api_call));
  }
  auto again = get(first, api_call);
  CHECK_EQ(report().leased, 1u);
  kill(first);
  CHECK(port->has_closed(again.session));
  CHECK_EQ(report().leased, 0u);
  CHECK_EQ(book->credits, 9u);
}

SCENARIO("bots that came, gave back and went quiet are watched no longer") {
  start_governor();
  start_pool(small());
  using impl = session_pool_actor::stateful_impl<session_pool_state>;
  auto& state = deref<impl>(*pool).state;
  for (bot_id i = 1; i < 9000; ++i) { // More than are kept, none of them dies.
    auto& bot = add_bot(i);
    give_back(bot, get(bot, api_call));
  }
  CHECK(state.lessees.size() <= 8192);
  for (int i = 0; i < 100; ++i) { // After a minute some of them at each tick.
    sched.advance_time(1s);
    sched.run();
  }
  CHECK(state.lessees.empty());
}

SCENARIO("a pool that dies answers its waiters") {
  auto config = small();
  config.max_polls = 1;
  start_pool(config);
  auto& a = add_bot(1);
  auto& b = add_bot(2);
  get(a, poll);
  get(b, poll);
  caf::anon_send_exit(*pool, caf::exit_reason::kill);
  sched.run();
  CHECK_EQ(b.errors().size(), 1u);
}

END_FIXTURE_SCOPE()

} // namespace troupe::session_pool_waiters_suite
