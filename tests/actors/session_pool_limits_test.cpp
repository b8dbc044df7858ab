#define CAF_SUITE session_pool_limits

#include "tests/actors/session_pool_fixture.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <random>

namespace troupe::session_pool_limits_suite {

using namespace troupe::test;
using namespace std::literals;

namespace {

constexpr auto api_call = call_kind::request;
constexpr auto poll = call_kind::long_poll;
constexpr auto file = call_kind::file;

struct limits_fixture : pool_fixture {
  /// Other limits for the running pool.
  void change(const pool_limits& x) {
    caf::anon_send(*pool, x);
    sched.run();
  }

  static pool_limits places(std::uint32_t n) {
    pool_limits result = small();
    result.max_per_host = n;
    result.max_downloads = std::max(n / 8, 1u);
    return result;
  }

  void pass(caf::timespan by) {
    advance_time(by);
    sched.run();
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(limits_fixture)

SCENARIO("raised limits are the governor's at once") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  get(bot, api_call);
  auto epoch = book->epoch;
  change(places(16)); // 14 for requests.
  CHECK_EQ(book->epoch, epoch);
  CHECK_EQ(book->credits, 13u);
  CHECK_EQ(book->places, 14u);
  CHECK_EQ(report().max_per_host, 16u);
  for (int i = 0; i < 13; ++i)
    ask(bot, api_call);
  sched.run();
  CHECK_EQ(bot.leases().size(), 14u);
}

SCENARIO("lowered limits close idle sessions and let busy ones finish") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  std::vector<lease> held;
  for (int i = 0; i < 8; ++i)
    held.push_back(get(bot, api_call));
  for (int i = 0; i < 3; ++i)
    give_back(bot, held[static_cast<std::size_t>(i)]);
  CHECK_EQ(report().idle, 3u);
  change(places(4)); // 3 for requests.
  CHECK_EQ(report().idle, 0u);
  CHECK_EQ(report().leased, 5u);
  for (int i = 3; i < 8; ++i)
    CHECK(!port->has_closed(held[static_cast<std::size_t>(i)].session));
  // The governor has credits for places that are gone: the first ones it spends tell it so.
  CHECK_EQ(book->credits, 4u);
  for (int i = 0; i < 4; ++i)
    ask(bot, api_call);
  sched.run();
  CHECK_EQ(bot.errors().size(), 4u);
  CHECK_EQ(bot.errors()[0], ec::no_session);
  CHECK_EQ(book->returned.size(), 3u + 4u); // Each is told of: the bot has it no longer.
  CHECK_EQ(book->credits, 0u);
  for (int i = 3; i < 8; ++i) {
    give_back(bot, held[static_cast<std::size_t>(i)]);
    CHECK_LE(report().leased + report().idle, std::max(4u, static_cast<std::uint32_t>(7 - i)));
  }
  CHECK_EQ(book->credits, 3u);
  CHECK_EQ(report().idle, 4u);
}

SCENARIO(
  "a governor that comes while there are too many leases gets credits only for what is left") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  std::vector<lease> held;
  for (int i = 0; i < 6; ++i)
    held.push_back(get(bot, api_call));
  change(places(4)); // 3 for requests.
  stop_governor();
  start_governor();
  pass(1s);
  CHECK_EQ(book->credits, 0u);
  for (const auto& x : held)
    give_back(bot, x);
  CHECK_EQ(book->credits, 3u);
}

SCENARIO("more polls and files are let in at once, and more of one bot") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  auto& other = add_bot(8);
  for (int i = 0; i < 4; ++i)
    ask(bot, poll);
  ask(bot, file);
  ask(other, file);
  sched.run();
  CHECK_EQ(bot.leases().size(), 3u); // Two polls, its share, and the one file.
  CHECK_EQ(other.leases().size(), 0u);
  auto more = places(32); // 4 kept for files.
  more.max_per_bot = 4;
  change(more);
  CHECK_EQ(report().polls, 3u);
  CHECK_EQ(other.leases().size(), 1u);
  more.max_polls = 10;
  change(more);
  CHECK_EQ(report().polls, 4u);
  more.max_polls = 1;
  change(more);
  CHECK_EQ(report().polls, 4u);
  ask(other, poll);
  sched.run();
  CHECK_EQ(report().polls, 4u);
}

SCENARIO("shorter ages close what is idle for too long at once") {
  start_governor();
  start_pool();
  auto& bot = add_bot(7);
  auto a = get(bot, api_call);
  give_back(bot, a);
  pass(10s);
  auto ages = places(10);
  ages.idle_timeout = 20s;
  change(ages);
  CHECK(!port->has_closed(a.session));
  ages.idle_timeout = 5s;
  change(ages);
  CHECK(port->has_closed(a.session));
}

SCENARIO("one connection is one connection: requests and files have it in turn") {
  start_governor();
  auto one = small();
  one.max_connections = 1;
  start_pool(one);
  CHECK_EQ(book->credits, 1u);
  auto& bot = add_bot(7);
  auto& other = add_bot(8);
  auto request = get(bot, api_call);
  ask(other, file);
  ask(bot, file);
  sched.run();
  CHECK_EQ(other.leases().size(), 0u);
  give_back(bot, request);
  REQUIRE_EQ(other.leases().size(), 1u); // The file's turn; no credit goes out for the place.
  CHECK_EQ(book->credits, 0u);
  give_back(other, other.leases()[0]);
  CHECK_EQ(book->credits, 1u); // The request's turn.
  CHECK_EQ(bot.leases().size(), 1u);
  auto again = get(bot, api_call);
  REQUIRE_EQ(bot.leases().size(), 2u);
  CHECK_EQ(report().leased, 1u);
  give_back(bot, again);
  REQUIRE_EQ(bot.leases().size(), 3u);
  give_back(bot, bot.leases()[2]);
  CHECK_EQ(book->credits, 1u);
  CHECK_EQ(report().opened_total, 1u);
}

SCENARIO("a file takes the one connection that no request wants; a request that comes is next") {
  start_governor();
  auto one = small();
  one.max_connections = 1;
  start_pool(one);
  auto& bot = add_bot(7);
  auto& other = add_bot(8);
  auto download = get(other, file); // Although the governor has a credit for the place.
  CHECK_NE(download.id, 0u);
  ask(bot, api_call);
  sched.run();
  CHECK_EQ(bot.errors().size(), 1u);
  CHECK_EQ(book->credits, 0u);
  give_back(other, download);
  CHECK_EQ(book->credits, 1u);
  CHECK_NE(get(bot, api_call).id, 0u);
  CHECK_EQ(report().leased, 1u);
}

SCENARIO("a second file waits a tick for the one connection, in case a request wants it") {
  start_governor();
  auto one = small();
  one.max_connections = 1;
  start_pool(one);
  auto& bot = add_bot(7);
  auto& other = add_bot(8);
  auto download = get(other, file);
  ask(bot, file);
  sched.run();
  give_back(other, download);
  CHECK_EQ(bot.leases().size(), 0u);
  pass(1s);
  CHECK_EQ(bot.leases().size(), 1u);
  CHECK_EQ(report().leased, 1u);
}

SCENARIO("whatever the limits become, credits and leases are as many as there are places") {
  start_governor();
  start_pool();
  std::vector<fake_bot_handle*> all;
  for (bot_id id = 1; id <= 4; ++id)
    all.push_back(&add_bot(id));
  std::mt19937 rng{3};
  std::vector<std::pair<fake_bot_handle*, lease>> held;
  std::vector<std::size_t> seen(all.size());
  std::uint32_t now_places = 10;
  for (int step = 0; step < 4000; ++step) {
    auto which = rng() % all.size();
    auto& bot = *all[which];
    if (auto dice = rng() % 10; dice == 0) {
      now_places = 1 + static_cast<std::uint32_t>(rng() % 20);
      auto next = places(now_places);
      next.max_downloads = 1 + static_cast<std::uint32_t>(rng() % 8);
      change(next);
    } else if (dice < 5 && book->credits > 0) {
      ask(bot, api_call);
    } else if (dice < 6) {
      ask(bot, file);
    } else if (!held.empty()) {
      auto i = rng() % held.size();
      give_back(*held[i].first, held[i].second, rng() % 2 == 0);
      held[i] = held.back();
      held.pop_back();
    }
    sched.run();
    for (std::size_t i = 0; i < all.size(); ++i)
      for (; seen[i] < all[i]->leases().size(); ++seen[i])
        held.emplace_back(all[i], all[i]->leases()[seen[i]]);
    CHECK_EQ(report().leased, held.size());
    if (report().leased + report().idle > std::max<std::size_t>(now_places, held.size()))
      FAIL("more sessions than allowed in step " << step);
  }
  change(places(10));
  while (!held.empty()) {
    give_back(*held.back().first, held.back().second);
    held.pop_back();
    for (std::size_t i = 0; i < all.size(); ++i)
      for (; seen[i] < all[i]->leases().size(); ++seen[i])
        held.emplace_back(all[i], all[i]->leases()[seen[i]]);
  }
  // The rest of the debts is settled by what finds no place.
  for (int i = 0; i < 30 && book->credits > 0; ++i)
    ask(*all[0], api_call);
  sched.run();
  CHECK_EQ(report().leased, 9u);
}

END_FIXTURE_SCOPE()

} // namespace troupe::session_pool_limits_suite
