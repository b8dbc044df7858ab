#define CAF_SUITE session_pool

#include "tests/actors/session_pool_fixture.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::session_pool_suite {

using namespace troupe::test;
using namespace std::literals;

namespace {

constexpr auto api_call = call_kind::request;
constexpr auto poll = call_kind::long_poll;
constexpr auto file = call_kind::file;

} // namespace

BEGIN_FIXTURE_SCOPE(pool_fixture)

SCENARIO("the default pool keeps an eighth of its places for files") {
  session_pool_config config;
  CHECK_EQ(request_places(config), 27u);
  CHECK_EQ(file_places(config), 10u);
  config.max_downloads = 2; // Then no more are kept.
  CHECK_EQ(request_places(config), 28u);
  config.max_downloads = 100;
  CHECK_EQ(file_places(config), 29u);
  config.max_connections = 1;
  CHECK_EQ(request_places(config), 1u);
  CHECK_EQ(file_places(config), 1u);
}

SCENARIO("a pool that starts closes all connections and tells the governor its capacity") {
  start_governor();
  start_pool();
  auto epoch = report().epoch;
  CHECK_NE(epoch, 0u);
  CHECK_EQ(port->resets, std::vector<std::uint32_t>{epoch});
  REQUIRE_EQ(book->capacities.size(), 1u);
  CHECK_EQ(book->capacities[0].epoch, epoch);
  CHECK_EQ(book->capacities[0].sessions, 9u);
  CHECK_EQ(book->capacities[0].per_bot, 2u);
}

SCENARIO("a governor that comes after the pool is told within a second, and once") {
  start_pool();
  start_governor();
  CHECK_EQ(book->capacities.size(), 0u);
  advance_time(1s);
  sched.run();
  CHECK_EQ(book->capacities.size(), 1u);
  advance_time(1s);
  sched.run();
  CHECK_EQ(book->capacities.size(), 1u);
}

SCENARIO("a request with credit is served at once and its credit comes back with the lease") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  ask(bot, api_call, {.lane = 1, .permitted_at = 42});
  sched.run();
  REQUIRE_EQ(bot.leases().size(), 1u);
  auto got = bot.leases()[0];
  CHECK_NE(got.id, 0u);
  CHECK_EQ(got.lane, 1u);
  CHECK_EQ(got.epoch, report().epoch);
  CHECK_EQ(net::session_epoch(got.session), got.epoch);
  CHECK_EQ(got.permitted_at, 42);
  CHECK_EQ(report().leased, 1u);
  CHECK_EQ(book->credits, 8u);
  give_back(bot, got);
  CHECK_EQ(book->credits, 9u);
  CHECK_EQ(book->returned, std::vector<bot_id>{7});
  CHECK_EQ(report().leased, 0u);
  CHECK_EQ(report().idle, 1u);
}

SCENARIO("a request without credit or with another pool's credit gets no session") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  ask(bot, api_call, {.credit_epoch = book->epoch + 1000});
  sched.run();
  REQUIRE_EQ(bot.errors().size(), 1u);
  CHECK_EQ(bot.errors()[0], ec::no_session);
  // The governor that was told already is not told again: its credits are what they were.
  CHECK_EQ(book->capacities.size(), 1u);
}

SCENARIO("a governor that did not learn of a new pool learns it from the first refusal") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  auto old_epoch = book->epoch;
  auto hidden = std::exchange(governor, {});
  caf::anon_send_exit(*pool, caf::exit_reason::kill);
  sched.run();
  start_pool();
  governor = hidden;
  ask(bot, api_call, {.credit_epoch = old_epoch});
  sched.run();
  CHECK_EQ(bot.errors().size(), 1u);
  REQUIRE_EQ(book->capacities.size(), 2u);
  CHECK_NE(book->epoch, old_epoch);
  CHECK_NE(get(bot, api_call).id, 0u);
}

SCENARIO("no more requests run than there are places, whatever the governor says") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  book->credits += 3;
  for (int i = 0; i < 12; ++i)
    ask(bot, api_call);
  sched.run();
  CHECK_EQ(bot.leases().size(), 9u);
  CHECK_EQ(bot.errors().size(), 3u);
  CHECK_EQ(report().leased, 9u);
}

SCENARIO("a new governor is told the free places and what its predecessor let go is still served") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  auto first = get(bot, api_call);
  auto old_epoch = book->epoch;
  stop_governor();
  start_governor();
  advance_time(1s);
  sched.run();
  CHECK_EQ(book->credits, 8u);
  CHECK_NE(book->epoch, old_epoch);
  ask(bot, api_call, {.credit_epoch = old_epoch});
  sched.run();
  REQUIRE_EQ(bot.leases().size(), 2u);
  // Nine places: one lease of before, one straggler, eight credits: one too many, made good by the
  // first place that becomes free.
  give_back(bot, first);
  CHECK_EQ(book->credits, 8u);
  give_back(bot, bot.leases()[1]);
  CHECK_EQ(book->credits, 9u);
}

SCENARIO("sessions are used again last in, first out, on the lane that was asked for") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  auto a = get(bot, api_call, 0);
  auto b = get(bot, api_call, 0);
  auto c = get(bot, api_call, 1);
  CHECK_NE(a.session, b.session);
  give_back(bot, a);
  give_back(bot, b);
  give_back(bot, c);
  auto again = get(bot, api_call, 0);
  CHECK_EQ(again.session, b.session);
  CHECK_NE(again.id, b.id);
  CHECK_EQ(get(bot, api_call, 1).session, c.session);
  CHECK_EQ(report().opened_total, 3u);
}

SCENARIO("when all sessions are open the longest idle one of another lane makes room") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  std::vector<lease> held;
  for (int i = 0; i < 9; ++i)
    held.push_back(get(bot, api_call, 0));
  auto kept = get(bot, file, 0);
  for (auto& x : held) {
    advance_time(1ms);
    give_back(bot, x);
  }
  auto moved = get(bot, api_call, 1);
  CHECK_EQ(moved.lane, 1u);
  REQUIRE_EQ(port->closed.size(), 1u);
  CHECK_EQ(port->closed[0], std::make_pair(held[0].session, std::uint16_t{0}));
  auto now = report();
  CHECK_EQ(now.leased + now.idle, 10u);
  CHECK_EQ(now.leased, 2u);
  CHECK(!port->has_closed(kept.session));
}

SCENARIO("a lease that comes back unfit closes its session; one that is unknown does nothing") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  auto a = get(bot, api_call);
  give_back(bot, a, false);
  CHECK(port->has_closed(a.session));
  CHECK_EQ(report().idle, 0u);
  CHECK_EQ(book->credits, 9u);
  give_back(bot, a, true);
  give_back(bot, lease{.id = 0x123456789abcdef});
  CHECK_EQ(book->credits, 9u);
  auto b = get(bot, api_call);
  CHECK_NE(b.session, a.session);
  give_back(bot, a, false);
  CHECK_EQ(report().leased, 1u);
  CHECK(!port->has_closed(b.session));
}

SCENARIO("idle sessions close after the idle timeout") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  auto a = get(bot, api_call, 0);
  give_back(bot, a);
  for (int i = 0; i < 49; ++i)
    advance_time(1s), sched.run();
  CHECK(!port->has_closed(a.session));
  advance_time(2s);
  sched.run();
  CHECK(port->has_closed(a.session));
  CHECK_EQ(report().idle, 0u);
}

SCENARIO("sessions close after their age, once they are idle") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  auto busy = get(bot, poll);
  auto often = get(bot, api_call, 0);
  for (int i = 0; i < 30; ++i) {
    give_back(bot, often);
    advance_time(20s);
    sched.run();
    CHECK_EQ(port->has_closed(often.session), i == 29);
    if (i < 29)
      often = get(bot, api_call, 0);
  }
  advance_time(1s);
  sched.run();
  CHECK(!port->has_closed(busy.session));
  give_back(bot, busy);
  CHECK(port->has_closed(busy.session));
}

SCENARIO("leases of an earlier pool mean nothing to a new one") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  auto old = get(bot, api_call);
  caf::anon_send_exit(*pool, caf::exit_reason::kill);
  sched.run();
  start_pool();
  CHECK_EQ(port->resets.size(), 2u);
  CHECK_GT(port->resets[1], port->resets[0]);
  CHECK_EQ(book->credits, 9u);
  auto current = get(bot, api_call);
  CHECK_NE(current.session, old.session);
  give_back(bot, old);
  CHECK_EQ(report().leased, 1u);
  CHECK_EQ(book->credits, 8u);
}

SCENARIO("the report lists the sessions, as many as asked for") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  auto a = get(bot, api_call, 0);
  get(bot, poll, 1);
  give_back(bot, a);
  advance_time(3s);
  sched.run();
  auto now = report();
  REQUIRE_EQ(now.sessions.size(), 2u);
  CHECK_EQ(now.sessions[0].id, a.session);
  CHECK_EQ(now.sessions[0].lessee, 0);
  CHECK_EQ(now.sessions[0].idle, 3s);
  CHECK_EQ(now.sessions[1].kind, poll);
  CHECK_EQ(now.sessions[1].lessee, 7);
  CHECK_EQ(now.sessions[1].lane, 1u);
  CHECK_EQ(now.polls, 1u);
  CHECK_EQ(now.leased, 0u);
  CHECK_EQ(now.idle, 1u);
  CHECK_EQ(now.leases_total, 2u);
}

END_FIXTURE_SCOPE()

} // namespace troupe::session_pool_suite
