#define CAF_SUITE actors_pull
#include "tests/actors/pull_fixture.hpp"

#include <set>

namespace troupe::pull_suite {

using namespace troupe::pull_tests;
using namespace std::literals;

namespace {

using id_list = std::vector<std::int64_t>;

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a poll gets what waits, again until its offset confirms it") {
  for (int chat = 1; chat <= 3; ++chat)
    store_update(chat);
  CHECK_EQ(got(poll(0)), (id_list{101, 102, 103}));
  CHECK_EQ(got(poll(0, 0s, 0, 2)), (id_list{101, 102}));
  CHECK_EQ(got(poll(103)), (id_list{103}));
  CHECK_EQ(store->by_seq.size(), 1u);
  CHECK_EQ(got(poll(104)), id_list{});
  CHECK(store->by_seq.empty());
}

SCENARIO("a negative offset keeps the last ones") {
  for (int chat = 1; chat <= 5; ++chat)
    store_update(chat);
  CHECK_EQ(got(poll(-2)), (id_list{104, 105}));
  CHECK_EQ(store->by_seq.size(), 2u);
}

SCENARIO("a poll waits for an update, or until its time is over") {
  auto first = poll(0, 30s);
  CHECK(open(first));
  store_update(1);
  tell_bot();
  CHECK_EQ(got(first), (id_list{101}));
  auto second = poll(102, 30s);
  advance(29s);
  CHECK(open(second));
  advance(2s);
  CHECK_EQ(got(second), id_list{});
}

SCENARIO("what comes while a poll looks into the journal is not missed") {
  store->holds = true;
  auto p = poll(0, 30s);
  store_update(1);
  tell_bot();
  store->holds = false;
  caf::anon_send(journal, journal_limits{});
  settle();
  CHECK_EQ(got(p), (id_list{101}));
}

SCENARIO("of two polls the newer wins") {
  auto older = poll(0, 30s);
  auto newer = poll(0, 30s);
  CHECK_EQ(got(older), id_list{});
  CHECK(open(newer));
  store_update(1);
  tell_bot();
  CHECK_EQ(got(newer), (id_list{101}));
}

SCENARIO("of two polls the newer is refused where the settings say so") {
  limits.pull_conflict_409 = true;
  config->publish(limits);
  auto older = poll(0, 30s);
  auto newer = poll(0, 30s);
  CHECK_EQ(ends[newer].why, ec::pull_conflict);
  CHECK(open(older));
}

SCENARIO("a poll whose client left takes nothing with it") {
  auto p = poll(0, 30s);
  tell(pull_cancel{p});
  CHECK(!open(p));
  store_update(1);
  tell_bot();
  CHECK_EQ(got(poll(0, 30s)), (id_list{101}));
}

SCENARIO("an offset is answered when what it confirms is on disk, and not otherwise") {
  store_update(1);
  poll(0);
  store->unavailable = true;
  auto p = poll(102, 30s);
  CHECK_EQ(ends[p].why, store_refusal::unavailable);
  store->unavailable = false;
  CHECK_EQ(got(poll(0)), (id_list{101}));
}

SCENARIO("ids that begin anew below an offset are handed out all the same") {
  store_update(1, {}, 500);
  auto p = poll(900'000'000, 30s); // Of before the silence: far beyond, it confirms nothing.
  CHECK_EQ(got(p), (id_list{500}));
  CHECK_EQ(got(poll(501)), id_list{});
  CHECK(store->by_seq.empty());
}

SCENARIO("an update that comes late, with a lower id, is not confirmed with those before it") {
  store_update(1, {}, 110);
  CHECK_EQ(got(poll(0)), (id_list{110}));
  store_update(2, {}, 105);
  CHECK_EQ(got(poll(111)), (id_list{105}));
  CHECK_EQ(got(poll(106)), id_list{});
  CHECK(store->by_seq.empty());
  // Nor by an offset that is sent again, since the answer was lost.
  store_update(1, {}, 120);
  CHECK_EQ(got(poll(106)), (id_list{120}));
  store_update(2, {}, 103);
  CHECK_EQ(got(poll(106)), (id_list{103, 120}));
  CHECK_EQ(got(poll(121)), id_list{});
  CHECK(store->by_seq.empty());
}

SCENARIO("a late update is not confirmed by a client that takes its time") {
  store_update(1, {}, 110);
  CHECK_EQ(got(poll(0)), (id_list{110}));
  for (int i = 0; i < 5; ++i)
    advance(1s);
  store_update(2, {}, 105);
  CHECK_EQ(got(poll(111)), (id_list{105}));
  CHECK_EQ(store->by_seq.size(), 1u);
}

SCENARIO("of two updates with one id the one that was not handed out is not confirmed") {
  store_update(1, "1", 101);
  store_update(1, "2", 101);
  store_update(1, "3", 102);
  CHECK_EQ(got(poll(0, 0s, 0, 1)), id_list{1});
  CHECK_EQ(got(poll(102, 0s, 0, 1)), id_list{2});
  CHECK_EQ(store->by_seq.size(), 2u);
  // The same offset again: nobody knows whether the answer came.
  CHECK_EQ(got(poll(102)), (id_list{2, 3}));
  CHECK_EQ(got(poll(103)), id_list{});
  CHECK(store->by_seq.empty());
  for (const auto& [seq, end] : store->ended)
    CHECK(end.how == update_verdict::delivered);
}

SCENARIO("an update with the id of one before it is not handed out for ever") {
  store_update(1, "1", 101);
  CHECK_EQ(got(poll(0)), id_list{1});
  store_update(1, "2", 101);
  CHECK_EQ(got(poll(102, 30s)), id_list{2});
  for (int i = 0; i < 2; ++i) {
    auto again = poll(102, 30s); // It does not hurry: others may come.
    CHECK(open(again));
    advance(31s);
    CHECK_EQ(got(again), id_list{2});
  }
  CHECK_EQ(got(poll(102)), id_list{});
  REQUIRE(store->ended.contains(2));
  CHECK(store->ended[2].how == update_verdict::dead);
  // With another one it goes at once, and is confirmed.
  store_update(1, "3", 101);
  CHECK_EQ(got(poll(102)), id_list{3});
  auto p = poll(102, 30s);
  CHECK(open(p));
  store_update(1, "4", 102);
  tell_bot();
  CHECK_EQ(got(p), (id_list{3, 4}));
  CHECK_EQ(got(poll(103)), id_list{});
  CHECK(store->ended[3].how == update_verdict::delivered);
}

SCENARIO("an offset that the journal could not store is told again, and no update with it") {
  store_update(1);
  store_update(2);
  CHECK_EQ(got(poll(0)), (id_list{101, 102}));
  tell(bot_command{7, bot_phase::suspended}); // What was handed out is forgotten.
  tell(bot_command{7, bot_phase::active});
  store->unavailable = true;
  CHECK_EQ(ends[poll(103)].why, store_refusal::unavailable);
  store->unavailable = false;
  CHECK_EQ(got(poll(103)), id_list{});
  CHECK(store->by_seq.empty());
}

SCENARIO("many updates with one id are all handed out, whatever pages they come in") {
  two_workers();
  for (int i = 0; i < 150; ++i)
    store_update(i % 8, std::to_string(i), 500);
  std::set<std::int64_t> all;
  for (std::int64_t worker : {1, 2})
    for (auto x : got(poll(0, 0s, worker)))
      CHECK(all.insert(x).second);
  CHECK_EQ(all.size(), 150u);
}

SCENARIO("what came instead of an update is a dead letter, and nobody gets it") {
  store_update(1, "{]", unreadable_update);
  store_update(1, "2", 102);
  CHECK_EQ(got(poll(0)), id_list{2});
  REQUIRE(store->ended.contains(1));
  CHECK(store->ended[1].how == update_verdict::dead);
  CHECK_EQ(store->ended[1].reason, "what Telegram sent is no update");
}

SCENARIO("nobody gets an update whose lifetime is over") {
  store_update(1);
  store_update(2);
  store->by_seq.begin()->second.expires = wall - 1;
  CHECK_EQ(got(poll(0)), (id_list{102}));
  CHECK(store->ended.at(1).how == update_verdict::expired);
}

SCENARIO("workers share a bot's updates by chat, each confirms its own") {
  for (int i = 0; i < 40; ++i)
    store_update(i % 8);
  auto one = poll(0, 0s, 1); // Alone: all.
  CHECK_EQ(got(one).size(), 40u);
  poll(141, 0s, 1);
  CHECK(store->by_seq.empty());
  auto first = poll(0, 30s, 1);
  auto second = poll(0, 30s, 2);
  for (int i = 0; i < 40; ++i)
    store_update(i % 8);
  tell_bot();
  auto a = got(first);
  auto b = got(second);
  CHECK_EQ(a.size() + b.size(), 40u);
  CHECK(!a.empty() && !b.empty());
  for (auto x : a)
    CHECK(std::none_of(b.begin(), b.end(), [x](auto y) { return x % 8 == y % 8; }));
  poll(a.back() + 1, 0s, 1);
  CHECK_EQ(store->by_seq.size(), b.size());
}

SCENARIO("what a worker had goes to another one when it is silent for a minute") {
  two_workers();
  for (int i = 0; i < 16; ++i)
    store_update(i);
  auto had = got(poll(0, 0s, 1));
  CHECK(!had.empty() && had.size() < 16);
  for (int i = 0; i < 3; ++i) { // The other one goes on, without what the first has.
    auto p = poll(0, 50s, 2);
    CHECK_EQ(got(p).size(), 16 - had.size());
    advance(10s);
  }
  advance(31s);
  CHECK_EQ(got(poll(0, 0s, 2)).size(), 16u);
}

SCENARIO(
  "a worker that comes back from its silence confirms nobody's update with an id that it knew") {
  two_workers();
  std::int64_t mine = -1; // A chat of the first one.
  for (std::int64_t chat = 0; mine < 0; ++chat) {
    store_update(chat, "1", 501);
    if (!got(poll(0, 0s, 1)).empty())
      mine = chat;
    store->by_seq.clear();
  }
  poll(502, 0s, 1);
  auto waits = poll(0, 50s, 2);
  advance(49s);
  waits = poll(0, 50s, 2);
  advance(12s); // The first one has gone.
  store_update(mine, "2", 501);
  tell_bot();
  CHECK_EQ(got(waits), id_list{2});
  CHECK_EQ(got(poll(502, 0s, 1)), id_list{}); // It is the other one's.
  CHECK_EQ(store->by_seq.size(), 1u);
  poll(502, 0s, 2);
  CHECK(store->by_seq.empty());
  store_update(mine, "3", 501);
  CHECK_EQ(got(poll(502, 0s, 1)), id_list{3}); // The answer is lost.
  CHECK_EQ(got(poll(502, 0s, 1)), id_list{3});
  CHECK_EQ(store->by_seq.size(), 1u);
}

SCENARIO("a worker that takes longer than a minute for an update confirms it all the same") {
  store_update(1);
  CHECK_EQ(got(poll(0, 0s, 1)), id_list{101});
  for (int i = 0; i < 7; ++i)
    advance(10s);
  CHECK_EQ(got(poll(102, 0s, 1)), id_list{});
  CHECK(store->by_seq.empty());
}

SCENARIO("a client that keeps the highest id is not given a late update for ever") {
  for (std::int64_t worker : {0, 1}) {
    store_update(1, {}, 120);
    CHECK_EQ(got(poll(0, 0s, worker)), id_list{120});
    CHECK_EQ(got(poll(121, 0s, worker)), id_list{});
    store_update(2, {}, 115);
    auto seq = last_seq;
    CHECK_EQ(got(poll(121, 30s, worker)), id_list{115});
    for (int i = 0; i < 2; ++i) {
      auto again = poll(121, 30s, worker); // It does not hurry: others may come.
      CHECK(open(again));
      advance(31s);
      CHECK_EQ(got(again), id_list{115});
    }
    CHECK_EQ(got(poll(121, 0s, worker)), id_list{});
    CHECK(store->ended.at(seq).how == update_verdict::dead);
    // In company it is confirmed.
    store_update(2, {}, 114);
    CHECK_EQ(got(poll(121, 30s, worker)), id_list{114});
    auto p = poll(121, 30s, worker);
    store_update(1, {}, 121);
    tell_bot();
    CHECK_EQ(got(p), (id_list{114, 121}));
    CHECK_EQ(got(poll(122, 0s, worker)), id_list{});
    CHECK(store->by_seq.empty());
    store->ended.clear();
  }
}

SCENARIO(
  "an update whose chat goes over to another worker does not wait for that one's next poll") {
  CHECK_EQ(got(poll(0, 0s, 1)), id_list{});
  for (int chat = 0; chat < 16; ++chat)
    store_update(chat);
  auto had = got(poll(0, 0s, 1)); // Alone: all.
  CHECK_EQ(had.size(), 16u);
  auto waits = poll(0, 50s, 2); // Another one comes, for which there is nothing yet.
  for (int chat = 0; chat < 16; ++chat)
    store_update(chat);
  tell_bot();
  CHECK(open(waits)); // Chats stay with who has their updates.
  auto own = got(poll(had.back() + 1, 0s, 1));
  CHECK(!own.empty() && own.size() < 16);
  CHECK_EQ(got(waits).size(), 16 - own.size());
}

SCENARIO("what workers had is theirs to confirm after their bot was suspended and goes on") {
  two_workers();
  for (int chat = 0; chat < 16; ++chat)
    store_update(chat);
  auto one = got(poll(0, 0s, 1));
  auto two = got(poll(0, 0s, 2));
  tell(bot_command{7, bot_phase::suspended});
  tell(bot_command{7, bot_phase::active});
  CHECK_EQ(got(poll(two.back() + 1, 0s, 2)), id_list{});
  CHECK_EQ(got(poll(one.back() + 1, 0s, 1)), id_list{});
  CHECK(store->by_seq.empty());
}

SCENARIO("an answer to a worker is bounded by bytes, too") {
  CHECK_EQ(got(poll(0, 0s, 1)), id_list{});
  std::string large(600'000, ' ');
  for (int i = 0; i < 6; ++i)
    store_update(i, std::to_string(101 + i) + large);
  CHECK_EQ(got(poll(0, 0s, 1)), (id_list{101, 102}));
  CHECK_EQ(got(poll(103, 0s, 1)), (id_list{103, 104}));
}

SCENARIO(
  "a poll ends when its bot's updates are delivered in another way, or the bot is suspended") {
  auto p = poll(0, 30s);
  updates::delivery_settings how;
  how.mode = updates::delivery_mode::relay;
  set(how);
  tell_bot();
  CHECK_EQ(ends[p].why, ec::not_pulled);
  CHECK_EQ(ends[poll(0)].why, ec::not_pulled);
  set({});
  auto q = poll(0, 30s);
  CHECK(open(q));
  tell(bot_command{7, bot_phase::suspended});
  CHECK_EQ(ends[q].why, ec::suspended);
}

END_FIXTURE_SCOPE()

} // namespace troupe::pull_suite
