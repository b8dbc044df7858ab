#define CAF_SUITE shard_pasts
#include "tests/journal/cluster_fixture.hpp"

#include "runtime/policy/shard_past.hpp"

namespace troupe::shard_pasts_suite {

using namespace std::literals;
using namespace troupe::journal_tests;

namespace {

struct fixture : cluster_fixture {
  template <class F>
  void on_each(F scenario) {
    store::on_both([&](store::test_store& on) {
      start_nodes(on, 3);
      db.emplace(on.open());
      scenario();
      db.reset();
      end_nodes();
    });
  }
  /// What the node's governor would keep when the bot's shard goes from there.
  void keep(std::size_t from, bot_id bot, std::int64_t under, std::vector<past_message> messages) {
    want<done>(from, pasts_keep{{{shard_of(bot), under, 60s, std::move(messages)}}, {}});
  }
  /// What it would find when the shard has come.
  std::vector<past_of_shard> find(std::size_t at, bot_id bot) {
    return want<pasts_kept>(at, pasts_ask{{{shard_of(bot), revision}}}).shards;
  }
  /// As soon as its governor learns it.
  void learn(std::size_t at, std::int64_t under, std::vector<past_hold> holds) {
    for (auto& one : holds)
      one.revision = under;
    want<done>(at, pasts_keep{{}, std::move(holds)});
  }
  std::vector<past_hold> find_holds(std::size_t at, bot_id bot) {
    auto result = want<pasts_kept>(at, pasts_ask{{{shard_of(bot), revision}}}).holds;
    std::ranges::sort(result, {}, &past_hold::chat);
    return result;
  }
  /// As if so much time had passed.
  void pass(std::chrono::milliseconds time) {
    db->write([&](store::unit& u) {
      u.execute("UPDATE shard_holds SET until = until - :time", time.count());
    });
  }
  template <class T, class X>
  T want(std::size_t node, X what) {
    auto said = use(node).template post<T>(std::move(what));
    sched.run();
    CAF_REQUIRE(said->answer.has_value());
    return *said->answer;
  }
  std::optional<store::database> db;
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("the next owner of a shard finds what the one before left") {
  on_each([&] {
    give(0, 1);
    keep(0, 1, revision, {{1, -100, true, 1234567us}, {1, 41, false, 5s}});
    take(0, 1, true);
    give(1, 1);
    auto found = find(1, 1);
    CAF_REQUIRE_EQUAL(found.size(), 1u);
    CHECK_EQ(found[0].revision, revision);
    CHECK(found[0].seen == 60s);
    CAF_REQUIRE_EQUAL(found[0].messages.size(), 2u);
    CHECK(found[0].messages[0].bot == 1 && found[0].messages[0].chat == -100);
    CHECK(found[0].messages[0].group && !found[0].messages[1].group);
    CHECK(found[0].messages[0].age == 1234ms); // Nobody's counts for too short a time.
    kill_node(1);
    start_node(1, nodes[1].view); // Its journal is born again.
    CHECK_EQ(find(1, 1).size(), 1u);
  });
}

SCENARIO("who never had an owner has a past of which nothing is missing") {
  on_each([&] {
    give(0, 1);
    auto found = find(0, 1);
    CAF_REQUIRE_EQUAL(found.size(), 1u);
    CHECK(found[0].seen >= shard_past::longest);
    CHECK(found[0].messages.empty());
  });
}

SCENARIO("what an owner left counts for the one right after it alone") {
  on_each([&] {
    give(0, 1);
    keep(0, 1, revision, {});
    take(0, 1, true);
    give(1, 1); // It dies, and leaves nothing.
    kill_node(1);
    give(2, 1);
    CHECK(find(2, 1).empty());
    give(0, 1);
    CHECK(find(0, 1).empty());
  });
}

SCENARIO("what an earlier owner says too late changes nothing") {
  on_each([&] {
    give(0, 1);
    auto first = revision;
    give(1, 1);
    auto second = revision;
    keep(1, 1, second, {{1, 41, false, 1s}});
    keep(0, 1, first, {});
    give(2, 1);
    auto found = find(2, 1);
    CAF_REQUIRE_EQUAL(found.size(), 1u);
    CHECK_EQ(found[0].messages.size(), 1u);
  });
}

SCENARIO("what 429s taught is found by whoever has the shard next, also after a kill") {
  on_each([&] {
    give(0, 1);
    learn(0, revision,
          {{1, -100, "sendMessage", false, 0, 40s},
           {1, 0, {}, true, 0, 30s},
           {1, 41, {}, false, 0, 20s}});
    kill_node(0);
    give(1, 1);
    auto found = find_holds(1, 1);
    CAF_REQUIRE_EQUAL(found.size(), 3u);
    CHECK(found[0].bot == 1 && found[0].chat == -100 && found[0].method == "sendMessage");
    CHECK(!found[0].whole && found[0].left > 30s && found[0].left <= 40s);
    CHECK(found[1].whole && found[1].chat == 0 && found[1].method.empty());
    CHECK(found[1].left > 20s && found[1].left <= 30s);
    CHECK(!found[2].whole && found[2].chat == 41 && found[2].method.empty());
    CHECK_EQ(found[2].revision, revision);
    CHECK(find_holds(1, 2).empty());
    pass(30s);
    take(1, 1, true);
    give(2, 1);
    CAF_REQUIRE_EQUAL(find_holds(2, 1).size(), 1u); // Also whoever comes after that one.
    pass(30s);
    CHECK(find_holds(2, 1).empty());
    learn(2, revision, {{1, 43, {}, false, 0, 1s}});
    CHECK_EQ(rows("shard_holds"), 1); // What is over goes.
  });
}

SCENARIO("of what is learnt twice the longer one counts; what an earlier owner learns does not") {
  on_each([&] {
    give(0, 1);
    auto first = revision;
    learn(0, first, {{1, 41, "sendMessage", false, 0, 40s}, {1, 41, "sendMessage", false, 0, 10s}});
    learn(0, first, {{1, 41, "sendMessage", false, 0, 20s}});
    give(1, 1);
    learn(0, first, {{1, 41, "sendMessage", false, 0, 90s}, {1, 43, "sendMessage", false, 0, 90s}});
    auto found = find_holds(1, 1);
    CAF_REQUIRE_EQUAL(found.size(), 1u);
    CHECK(found[0].left > 30s && found[0].left <= 40s);
    auto mine = revision;
    give(2, 1);
    std::swap(mine, revision);
    CHECK(find_holds(1, 1).empty()); // It is not the owner by now.
  });
}

SCENARIO("who is not the owner by now, and a row that nobody can read, find nothing") {
  on_each([&] {
    give(0, 1);
    keep(0, 1, revision, {});
    give(1, 1);
    auto mine = revision;
    give(2, 1);
    std::swap(mine, revision);
    CHECK(find(1, 1).empty());
    std::swap(mine, revision);
    for (auto text : {"", "x", "60000;1", "60000;1 2 3", "60000,1 2 0 3", "60000;1 2 0 3;"}) {
      keep(2, 1, revision, {});
      db->write([&](store::unit& u) {
        u.execute("UPDATE shard_pasts SET past = :past", std::string_view{text});
      });
      give(0, 1);
      CHECK(find(0, 1).empty());
      give(2, 1);
    }
  });
}

END_FIXTURE_SCOPE()

} // namespace troupe::shard_pasts_suite
