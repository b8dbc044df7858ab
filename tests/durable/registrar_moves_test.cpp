#define CAF_SUITE registrar_moves
#include "tests/durable/nodes_fixture.hpp"

#include <algorithm>
#include <random>
#include <ranges>

/// Shards that come and go while something runs.
namespace troupe::registrar_moves_suite {

using namespace troupe::durable_tests;

namespace {

bot_order suspend_of(bot_id bot) {
  return {ada(), 1, bot, bot_order_kind::suspend, {}, false};
}

} // namespace

BEGIN_FIXTURE_SCOPE(nodes_fixture)

SCENARIO("a shard that comes brings its bots as a start does, and leaves the others alone") {
  auto bot = bot_of(b);
  auto mine = bot_of(a);
  want_at<bot_row>(a, registration(mine));
  auto x = registration(bot);
  x.rps = 5;
  want_at<bot_row>(a, x);
  auto token = want_at<made_virtual_token>(a, virtual_token_make{ada(), 1, bot, "ci", {}, 0});
  own(shard_of(bot), &b);
  want_at<done>(b, shards_lost{{shard_of(bot)}, true});
  own(shard_of(bot), &a);
  auto starts = a.notes->starts.size();
  a.intake->served.clear();
  a.heard->bots.clear();
  want_at<done>(a, shards_gained{{{shard_of(bot), revision}}});
  CHECK(serves(a, bot));
  CHECK_EQ(a.notes->starts.size(), starts + 1); // The other one ran on untouched.
  REQUIRE_EQ(a.intake->served.size(), 1u);
  CHECK_EQ(a.intake->served.front().bot, bot);
  CHECK(a.intake->served.front().moved);
  REQUIRE_EQ(a.heard->bots.size(), 1u);
  CHECK_EQ(a.heard->bots.front().rps, 5u);
  CHECK(a.virtuals->find(token.token.text, std::chrono::system_clock::now()).has_value());
  CHECK(want_at<bot_row>(b, suspend_of(bot)).phase == bot_phase::suspended);
  // Told again, nothing happens.
  want_at<done>(a, shards_gained{{{shard_of(bot), revision}}});
  CHECK_EQ(a.notes->starts.size(), starts + 1);
}

SCENARIO("a shard is not here before its bots are read, however long the store is away") {
  auto bot = bot_of(b);
  want_at<bot_row>(a, registration(bot));
  want_at<done>(b, shards_lost{{shard_of(bot)}, true});
  own(shard_of(bot), &a);
  sql->faults = {store_refusal::none, store_refusal::unavailable, store_refusal::unavailable};
  auto gained = begin<done>(a, shards_gained{{{shard_of(bot), revision}}});
  CHECK(!gained->has_value());
  auto waits = begin<bot_row>(a, suspend_of(bot));
  auto passed = begin<bot_row>(b, suspend_of(bot)); // Waits at `a`, too.
  auto fresh = bot + static_cast<bot_id>(1);
  while (shard_of(fresh) != shard_of(bot))
    ++fresh;
  auto enrols = begin<bot_row>(b, registration(fresh));
  for (int i = 0; i < 2; ++i) {
    CHECK(!waits->has_value());
    CHECK(!passed->has_value());
    CHECK(!enrols->has_value());
    advance_time(1s);
    sched.run();
  }
  REQUIRE(gained->has_value());
  CHECK(**gained);
  advance_time(25ms);
  sched.run();
  for (auto& one : {waits, passed}) {
    REQUIRE(one->has_value());
    REQUIRE(**one);
    CHECK((**one)->phase == bot_phase::suspended);
  }
  REQUIRE(enrols->has_value());
  CHECK(**enrols);
  CHECK(serves(a, fresh));
}

SCENARIO("a planned loss lets what runs end, begins nothing new, and waits for the bots") {
  auto bot = bot_of(a);
  auto neighbour = bot_of(a, 2);
  want_at<bot_row>(a, registration(bot));
  want_at<bot_row>(a, registration(neighbour));
  a.notes->hold = true;
  a.notes->stops.clear();
  sql->hold = true;
  auto runs = begin<bot_row>(a, suspend_of(bot));
  auto waits = begin<bot_row>(a, bot_order{ada(), 1, bot, bot_order_kind::resume, {}, false});
  auto lost = begin<done>(a, shards_lost{{shard_of(bot)}, true});
  CHECK_EQ(a.intake->gone, std::vector<bot_id>{bot}); // Its updates are not asked for any more.
  auto late = begin<bot_row>(a, suspend_of(bot));
  CHECK(!runs->has_value());
  CHECK(!lost->has_value());
  CHECK(a.notes->stops.empty());
  sql->hold = false;
  sql->release();
  sched.run();
  for (int i = 0; i < 3; ++i) {
    sql->release();
    sched.run();
  }
  REQUIRE(runs->has_value());
  CHECK((**runs)->phase == bot_phase::suspended);
  CHECK(!waits->has_value()); // Whoever has the bot next deals with these two.
  CHECK(!late->has_value());
  CHECK_EQ(a.notes->stops, std::vector<bot_id>{bot});
  CHECK(!lost->has_value()); // The bot still writes what it has to.
  caf::anon_send_exit(a.notes->running.extract(bot).mapped(), caf::exit_reason::user_shutdown);
  sched.run();
  REQUIRE(lost->has_value());
  CHECK(**lost);
  CHECK(knows_nothing_of(a, bot));
  CHECK(serves(a, neighbour));
  CHECK(stored(bot).phase == bot_phase::suspended);
  CHECK(api->paths.back().find("deleteWebhook") == std::string::npos);
  own(shard_of(bot), &b);
  want_at<done>(b, shards_gained{{{shard_of(bot), revision}}});
  advance_time(25ms);
  sched.run();
  for (auto& one : {waits, late}) {
    REQUIRE(one->has_value());
    CHECK(**one);
  }
}

SCENARIO("a planned loss waits for a call of the registrar's, but not for a poll") {
  auto bot = bot_of(a);
  want_at<bot_row>(a, registration(bot));
  api->silent = true;
  method_call poll{0, bot, "getUpdates"};
  poll.own = true;
  auto polls = begin<method_answer>(a, poll);
  auto calls = begin<method_answer>(a, method_call{1, bot, "getMe"});
  auto lost = begin<done>(a, shards_lost{{shard_of(bot)}, true});
  CHECK(!lost->has_value());
  // The second request of the upstream's ends.
  auto answered = api->waiting.at(1);
  answered(outcome{}, net::api_answer{200, "application/json", "{}"});
  sched.run();
  REQUIRE(calls->has_value());
  REQUIRE(lost->has_value());
  CHECK(!polls->has_value());
  CHECK(knows_nothing_of(a, bot));
}

SCENARIO("a planned loss waits for the calls of gateways, but not for ever") {
  for (bool ends : {true, false}) {
    auto bot = bot_of(a, ends ? 1 : 2);
    want_at<bot_row>(a, registration(bot));
    a.notes->stops.clear();
    a.notes->under_way = 1;
    auto lost = begin<done>(a, shards_lost{{shard_of(bot)}, true});
    for (int i = 0; i < 10; ++i) {
      advance_time(25ms);
      sched.run();
    }
    CHECK(!lost->has_value());
    CHECK(a.notes->stops.empty());
    if (ends)
      a.notes->under_way = 0;
    advance_time(ends ? 25ms : 30s);
    sched.run();
    CHECK(lost->has_value());
    CHECK_EQ(a.notes->stops, std::vector<bot_id>{bot});
    CHECK(knows_nothing_of(a, bot));
  }
}

SCENARIO(
  "a planned loss waits for updates that are with receivers, for a while, and none is begun") {
  for (bool ends : {true, false}) {
    auto bot = bot_of(a, ends ? 1 : 2);
    auto neighbour = bot_of(a, ends ? 3 : 4);
    want_at<bot_row>(a, registration(bot));
    want_at<bot_row>(a, registration(neighbour));
    auto& book = a.found->updates->book;
    CHECK(!book.rests(bot));
    a.notes->delivering = 1;
    auto lost = begin<done>(a, shards_lost{{shard_of(bot)}, true});
    for (int i = 0; i < 10; ++i) {
      advance_time(25ms);
      sched.run();
    }
    CHECK(!lost->has_value());
    CHECK(book.rests(bot));
    CHECK(!book.rests(neighbour));
    if (ends)
      a.notes->delivering = 0;
    advance_time(ends ? 25ms : 5s);
    sched.run();
    CHECK(lost->has_value());
    CHECK(!book.rests(bot));
    CHECK(knows_nothing_of(a, bot));
  }
}

SCENARIO("a planned loss waits until nobody polls for the bot any more") {
  auto bot = bot_of(a);
  want_at<bot_row>(a, registration(bot));
  std::vector<caf::typed_response_promise<poller_report>> asked;
  auto poller = sys.spawn([&asked](poller_actor::pointer me) -> poller_actor::behavior_type {
    return {[](const poll_bot&) {}, [](const poll_stop&) {},
            [&asked, me](const get_report&) -> caf::result<poller_report> {
              asked.push_back(me->make_response_promise<poller_report>());
              return asked.back();
            }};
  });
  a.found->updates->poller.publish(poller);
  auto lost = begin<done>(a, shards_lost{{shard_of(bot)}, true});
  CHECK_EQ(a.intake->gone, std::vector<bot_id>{bot});
  REQUIRE_EQ(asked.size(), 1u);
  CHECK(!lost->has_value());
  CHECK(serves(a, bot));
  caf::anon_send_exit(poller, caf::exit_reason::kill); // Its successor knows nothing of the bot.
  asked.clear();
  sched.run();
  CHECK(lost->has_value());
  CHECK(knows_nothing_of(a, bot));
  a.found->updates->poller.publish({});
}

SCENARIO("when the lease is over nothing is waited for, and what was stored late is not served") {
  auto bot = bot_of(a);
  want_at<bot_row>(a, registration(bot));
  a.notes->hold = true;
  sql->hold = true;
  auto runs = begin<bot_row>(a, suspend_of(bot));
  auto fresh = bot + static_cast<bot_id>(1);
  while (shard_of(fresh) != shard_of(bot))
    ++fresh;
  auto enrols = begin<bot_row>(a, registration(fresh));
  auto lost = begin<done>(a, shards_lost{{shard_of(bot)}, false});
  REQUIRE(lost->has_value()); // The bot was killed.
  CHECK(!runs->has_value());
  sql->hold = false;
  for (int i = 0; i < 3; ++i) {
    sql->release();
    sched.run();
  }
  REQUIRE(runs->has_value());
  REQUIRE(enrols->has_value());
  CHECK(**enrols); // As it is stored, where nothing fences it.
  a.notes->running.clear();
  CHECK(knows_nothing_of(a, bot));
  CHECK(knows_nothing_of(a, fresh));
}

SCENARIO("a planned loss becomes a sudden one when the lease ends meanwhile") {
  auto bot = bot_of(a);
  want_at<bot_row>(a, registration(bot));
  a.notes->hold = true;
  auto planned = begin<done>(a, shards_lost{{shard_of(bot)}, true});
  CHECK(!planned->has_value());
  auto sudden = begin<done>(a, shards_lost{{shard_of(bot)}, false});
  CHECK(sudden->has_value());
  CHECK(planned->has_value());
}

SCENARIO("a shard that comes back while it was leaving is read when it has gone") {
  auto bot = bot_of(a);
  want_at<bot_row>(a, registration(bot));
  a.notes->hold = true;
  auto lost = begin<done>(a, shards_lost{{shard_of(bot)}, true});
  auto gained = begin<done>(a, shards_gained{{{shard_of(bot), ++revision}}});
  CHECK(!lost->has_value());
  CHECK(!gained->has_value());
  a.notes->hold = false;
  caf::anon_send_exit(a.notes->running.extract(bot).mapped(), caf::exit_reason::user_shutdown);
  sched.run();
  CHECK(lost->has_value());
  CHECK(gained->has_value());
  CHECK(serves(a, bot));
}

SCENARIO(
  "a shard that goes while it is being read is not served, and nobody waits for it for ever") {
  auto bot = bot_of(b);
  want_at<bot_row>(a, registration(bot));
  want_at<done>(b, shards_lost{{shard_of(bot)}, true});
  own(shard_of(bot), &a);
  sql->hold = true;
  auto gained = begin<done>(a, shards_gained{{{shard_of(bot), revision}}});
  CHECK(!gained->has_value());
  auto lost = begin<done>(a, shards_lost{{shard_of(bot)}, true});
  CHECK(lost->has_value());
  CHECK(gained->has_value());
  sql->hold = false;
  for (int i = 0; i < 5; ++i) {
    sql->release();
    sched.run();
  }
  CHECK(knows_nothing_of(a, bot));
}

SCENARIO("whatever moves while operations run, each happens once or is refused") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    MESSAGE("seed " << seed);
    std::minstd_rand dice{seed};
    auto roll = [&](unsigned n) { return dice() % n; };
    std::vector<bot_id> all;
    for (int n = 1; n <= 2; ++n) {
      all.push_back(bot_of(a, static_cast<int>(seed) * 2 + n));
      all.push_back(bot_of(b, static_cast<int>(seed) * 2 + n));
    }
    for (auto bot : all)
      want_at<bot_row>(a, registration(bot));
    struct move {
      bot_id bot;
      node_under_test* to;
      answer<done> lost;
      answer<done> gained;
    };
    std::map<bot_id, move> moves;
    std::map<bot_id, node_under_test*> owner;
    for (auto bot : all)
      owner[bot] = serves(a, bot) ? &a : &b;
    struct asked {
      std::string request;
      bot_id bot;
      answer<bot_row> said;
    };
    std::vector<asked> asks;
    // Who has lost a shard is followed by whoever gets it.
    auto go_on = [&] {
      for (auto i = moves.begin(); i != moves.end();) {
        auto& x = i->second;
        if (!x.gained && x.lost->has_value()) {
          own(shard_of(x.bot), x.to);
          x.gained = begin<done>(*x.to, shards_gained{{{shard_of(x.bot), revision}}});
        }
        bool over = x.gained && x.gained->has_value();
        if (over)
          owner[x.bot] = x.to;
        i = over ? moves.erase(i) : std::next(i);
      }
    };
    sql->hold = true;
    for (int step = 0; step < 120; ++step) {
      auto bot = all[roll(4)];
      switch (roll(5)) {
      case 0:
        if (!moves.contains(bot)) {
          auto* to = owner[bot] == &a ? &b : &a;
          auto lost = begin<done>(*owner[bot], shards_lost{{shard_of(bot)}, roll(4) != 0});
          moves[bot] = {bot, to, lost, nullptr};
        }
        break;
      case 1:
      case 2: {
        bot_change x{ada(), 1, bot, 0, "name", static_cast<std::uint32_t>(step + 1), 0, "{}"};
        x.by.request = std::to_string(seed) + '/' + std::to_string(step);
        asks.push_back({x.by.request, bot, begin<bot_row>(roll(2) == 0 ? a : b, x)});
        break;
      }
      default:
        if (sql->held() > 0)
          sql->release_one();
        sched.run();
      }
      go_on();
    }
    sql->hold = false;
    for (int i = 0; i < 200; ++i) {
      if (sql->held() > 0)
        sql->release();
      advance_time(25ms);
      sched.run();
      go_on();
    }
    CHECK(moves.empty());
    for (auto& x : asks) {
      REQUIRE(x.said->has_value());
      auto entries = trail("bot:" + std::to_string(x.bot), "bot.change");
      auto times = std::ranges::count_if(entries, [&](const audit_row& row) {
        return row.by.request == x.request && row.outcome == "ok";
      });
      if (**x.said)
        CHECK_EQ(times, 1);
      else if ((*x.said)->error() == store_refusal::unavailable)
        CHECK_EQ(times, 0);
      else
        CHECK_EQ((*x.said)->error(), store_refusal::outcome_unknown);
    }
    for (auto bot : all) {
      auto& here = *owner[bot];
      auto& there = &here == &a ? b : a;
      CHECK(serves(here, bot));
      CHECK(knows_nothing_of(there, bot));
      // And it is served as it is stored.
      CHECK_EQ(here.notes->starts.empty(), false);
      auto row = stored(bot);
      auto last = std::ranges::find_if(std::views::reverse(here.heard->bots),
                                       [&](const bot_limits& x) { return x.bot == bot; });
      if (row.rps != 0)
        CHECK_EQ(last->rps, row.rps);
    }
  }
}

END_FIXTURE_SCOPE()

} // namespace troupe::registrar_moves_suite
