#define CAF_SUITE shards
#include "tests/journal/cluster_fixture.hpp"

#include <random>
#include <set>

namespace troupe::shards_suite {

using namespace troupe::journal_tests;
using ids = std::vector<std::int64_t>;

namespace {

struct fixture : cluster_fixture {
  template <class F>
  void on_each(std::size_t how_many, F scenario) {
    store::on_both([&](store::test_store& on) {
      start_nodes(on, how_many);
      scenario();
      end_nodes();
    });
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a journal that starts has the bots of its own shards alone") {
  on_each(2, [&] {
    give(0, 1);
    give(0, 2);
    use(0).append_ids(1, {1, 2});
    use(0).append_ids(2, {5});
    take(0, 2, true);
    kill_node(0);
    auto view = std::make_shared<cluster_view>();
    view->set_fence(shard_of(1), revision);
    start_node(0, view);
    CHECK_EQ(use(0).waiting(1), (ids{1, 2}));
    CHECK_EQ(report().pending, 2u);
    update_fetch other;
    other.bot = 2;
    CHECK(why<update_page>(other) == store_refusal::fenced);
  });
}

SCENARIO("a node that was stopped while its shard went to another writes nothing for it") {
  on_each(2, [&] {
    give(0, 1);
    give(0, 2);
    use(0).append_ids(1, {1, 2, 3});
    auto page = use(0).fetch(1);
    give(1, 1); // Node 0 hears nothing of it.
    auto before = fenced_rows();
    // It wakes up with an acknowledgement, a confirmation, an end as dead letter and a new update.
    nodes[0].sql->hold = true;
    use(0);
    auto confirmed = post<confirm_result>(update_confirm{1, 2});
    auto ended = post_delivered(1, {page.updates[1].seq});
    auto buried = post_ends(1, {{page.updates[2].seq, update_verdict::dead, 1, "no"}});
    auto appended = post<append_result>(update_append{1, {update_of(4)}});
    nodes[0].sql->hold = false;
    nodes[0].sql->release();
    sched.run();
    CHECK(confirmed->why == store_refusal::fenced);
    CHECK(!*ended);
    CHECK(!*buried);
    CHECK_EQ(fenced_rows(), before);
    // The update is taken all the same: nobody has acknowledged less than that.
    REQUIRE(appended->answer.has_value());
    CHECK_EQ(appended->answer->stored, 1u);
    CHECK_EQ(rows("update_box"), 1);
    CHECK_EQ(use(0).report().pending, 0u); // It remembers nothing of the bot.
    update_fetch again;
    again.bot = 1;
    CHECK(why<update_page>(again) == store_refusal::fenced);
    dead_letter_replay replay;
    replay.bot = 1;
    CHECK(why<replay_result>(replay) == store_refusal::fenced);
    pass(config.box_every);
    CHECK_EQ(use(1).waiting(1), (ids{1, 2, 3, 4}));
    CHECK_EQ(rows("update_box"), 0);
  });
}

SCENARIO("one shard that is fenced keeps the others of a group out of nothing") {
  on_each(2, [&] {
    for (bot_id bot : {1, 2, 3})
      give(0, bot);
    for (bot_id bot : {1, 2, 3})
      use(0).append_ids(bot, {1});
    give(1, 2);
    use(0);
    nodes[0].sql->hold = true;
    std::vector<std::shared_ptr<asked<append_result>>> all;
    for (bot_id bot : {9, 1, 2, 3}) // The first goes alone, the others together.
      all.push_back(post<append_result>(update_append{bot == 9 ? 1 : bot, {update_of(20 + bot)}}));
    nodes[0].sql->hold = false;
    nodes[0].sql->release();
    sched.run();
    for (auto& one : all)
      CHECK(one->answer.has_value());
    CHECK_EQ(use(0).waiting(1), (ids{1, 29, 21}));
    CHECK_EQ(use(0).waiting(3), (ids{1, 23}));
    pass(config.box_every);
    CHECK_EQ(use(1).waiting(2), (ids{1, 22}));
  });
}

SCENARIO("a shard that goes as planned goes with all that was taken for it, in order, once") {
  on_each(2, [&] {
    give(0, 1);
    use(0).append_ids(1, {1, 2, 3});
    auto page = use(0).fetch(1);
    use(0);
    nodes[0].sql->hold = true;
    auto ended = post_delivered(1, {page.updates[0].seq});
    auto first = post<append_result>(update_append{1, {update_of(4)}});
    auto gone = take(0, 1, true);
    auto late = use(0).post<append_result>(update_append{1, {update_of(5)}});
    CHECK(!gone->over());
    nodes[0].sql->hold = false;
    nodes[0].sql->release();
    sched.run();
    CHECK(*ended);
    CHECK(first->answer.has_value());
    CHECK(late->answer.has_value());
    REQUIRE(gone->answer.has_value());
    CHECK_EQ(use(0).report().pending, 0u);
    give(1, 1);
    CHECK_EQ(use(1).waiting(1), (ids{2, 3, 4, 5}));
    // Numbers go on above those of the owner before.
    use(1).append_ids(1, {6});
    CHECK_EQ(use(1).waiting(1), (ids{2, 3, 4, 5, 6}));
    use(1).end(1, 5);
    CHECK_EQ(rows("updates"), 0);
    // And back: what was known of duplicates goes along.
    // Node 0's numbers were lower than node 1's; the order of arrival stays.
    use(1).append_ids(1, {8});
    take(1, 1, true);
    give(0, 1);
    CHECK_EQ(use(0).append_ids(1, {3, 7}).duplicates, 1u);
    CHECK_EQ(use(0).waiting(1), (ids{8, 7}));
  });
}

SCENARIO("a lease that is over drops all at once; what was not acknowledged is taken by the box") {
  on_each(2, [&] {
    give(0, 1);
    use(0).append_ids(1, {1, 2});
    use(0);
    nodes[0].sql->hold = true;
    auto flying = post<append_result>(update_append{1, {update_of(3)}});
    auto waiting = post<append_result>(update_append{1, {update_of(4)}});
    auto gone = take(0, 1, false);
    CHECK(gone->answer.has_value());
    nodes[0].sql->hold = false;
    nodes[0].sql->release();
    sched.run();
    CHECK(flying->answer.has_value());
    CHECK(waiting->answer.has_value());
    give(1, 1);
    CHECK_EQ(use(1).waiting(1), (ids{1, 2, 3, 4}));
  });
}

SCENARIO("a bot is told of what waits when its shard comes, and of what comes out of the box") {
  on_each(2, [&] {
    give(0, 1);
    use(0).append_ids(1, {1});
    take(0, 1, false);
    auto told = bot(1).told;
    told->clear();
    give(1, 1);
    REQUIRE_EQ(told->size(), 1u);
    CHECK_EQ(told->back().pending, 1u);
    (void)use(1).fetch(1);
    // Node 0 takes one, and tells the owner.
    auto shards = unowned_shards();
    shards[shard_of(1)] = 0;
    nodes[0].view->set_others({{"node-1", caf::actor_cast<caf::actor>(nodes[1].journal)}}, shards);
    CHECK_EQ(use(0).append_ids(1, {2}).stored, 1u);
    CHECK_EQ(rows("update_box"), 0);
    CHECK_EQ(use(1).waiting(1), (ids{1, 2}));
    CHECK_EQ(told->size(), 2u);
  });
}

SCENARIO(
  "the box keeps updates once and in order, is bounded, and a lost notification costs seconds") {
  config.max_pending = 4;
  on_each(2, [&] {
    give(0, 1);
    CHECK_EQ(use(1).append_ids(1, {1, 2}).stored, 2u);
    auto again = use(1).append_ids(1, {2, 3});
    CHECK_EQ(again.stored, 1u);
    CHECK_EQ(again.duplicates, 1u);
    CHECK(use(1).why<append_result>(update_append{1, {update_of(4), update_of(5)}})
          == ec::journal_full);
    CHECK(use(0).waiting(1).empty());
    pass(config.box_every);
    CHECK_EQ(use(0).waiting(1), (ids{1, 2, 3}));
    CHECK_EQ(rows("update_box"), 0);
    // One that the owner has already comes to nothing.
    CHECK_EQ(use(1).append_ids(1, {3, 8, 9}).stored, 3u);
    pass(config.box_every);
    // The owner takes what it has room for; the rest waits its turn.
    pass(config.box_every);
    CHECK_EQ(use(0).waiting(1).size(), 4u);
    use(0).end(1, 4);
    pass(config.box_every);
    CHECK_EQ(use(0).waiting(1), ids{9});
    CHECK_EQ(rows("update_box"), 0);
  });
}

SCENARIO("what leaves the box is stored with the same commit, whatever becomes of that") {
  for (auto unknown : {inline_sql_unknown::lost, inline_sql_unknown::stored})
    on_each(2, [&] {
      give(0, 1);
      use(1).append_ids(1, {1, 2});
      nodes[0].sql->unknown = unknown;
      pass(config.box_every);
      pass(config.box_every);
      CHECK_EQ(use(0).waiting(1), (ids{1, 2}));
      CHECK_EQ(rows("update_box"), 0);
      CHECK_EQ(rows("updates"), 2);
    });
}

SCENARIO("a store that fails while a shard comes is asked again; what is asked of its bots waits") {
  on_each(2, [&] {
    give(0, 1);
    use(0).append_ids(1, {1});
    take(0, 1, false);
    nodes[1].sql->faults = {store_refusal::unavailable, store_refusal::none,
                            store_refusal::unavailable};
    auto came = give(1, 1);
    CHECK(!came->over());
    update_fetch x;
    x.bot = 1;
    auto page = use(1).post<update_page>(x);
    CHECK(!page->over());
    pass(config.retry_pause);
    pass(config.retry_pause);
    CHECK(came->answer.has_value());
    REQUIRE(page->answer.has_value());
    CHECK_EQ(ids_of(*page->answer), ids{1});
    CHECK_EQ(use(1).report().pending, 1u);
  });
}

/// Updates that were taken are there until their end was acknowledged, and not after that, whoever
/// had the shard: three nodes, moves of every kind, nodes that are killed or hear of nothing.
SCENARIO("no history of moves and crashes loses an update, or brings one back") {
  for (std::uint32_t seed = 1; seed <= 6; ++seed) {
    CAF_MESSAGE("history " << seed);
    store::test_store on{store::backend::postgresql};
    constexpr bot_id bots_there = 4;
    start_nodes(on, 3, bots_there);
    std::mt19937 random{seed};
    auto below = [&](std::uint32_t n) { return static_cast<std::size_t>(random() % n); };
    std::map<bot_id, std::size_t> owner;
    std::map<bot_id, std::set<std::int64_t>> taken, ended;
    std::int64_t next_id = 1;
    std::size_t deliveries = 0, moves = 0, refused = 0;
    for (bot_id bot = 1; bot <= bots_there; ++bot) {
      owner[bot] = below(3);
      REQUIRE(give(owner[bot], bot)->answer.has_value());
    }
    auto move = [&](bot_id bot) {
      auto from = owner[bot];
      auto how = below(3); // As planned, lease over, or behind the owner's back.
      if (how < 2)
        REQUIRE(take(from, bot, how == 0)->answer.has_value());
      owner[bot] = (from + 1 + below(2)) % 3;
      REQUIRE(give(owner[bot], bot)->answer.has_value());
      ++moves;
    };
    for (int step = 0; step < 250; ++step) {
      auto bot = static_cast<bot_id>(1 + below(bots_there));
      auto node = below(3);
      switch (below(10)) {
      case 0:
        move(bot);
        break;
      case 1:
        pass(config.box_every);
        break;
      case 2:
        if (below(4) == 0) { // Killed; its shards go to others, and it comes back with none.
          kill_node(node);
          start_node(node);
          for (bot_id one = 1; one <= bots_there; ++one)
            if (owner[one] == node) {
              owner[one] = (node + 1 + below(2)) % 3;
              REQUIRE(give(owner[one], one)->answer.has_value());
            }
        }
        break;
      case 3:
      case 4:
      case 5: { // Whoever believes that it has the bot delivers.
        update_fetch x;
        x.bot = bot;
        x.limit = 3;
        auto page = use(node).post<update_page>(x);
        if (!page->answer)
          break;
        for (auto& one : page->answer->updates) {
          if (owner[bot] == node)
            CHECK(!ended[bot].contains(one.id));
          auto done = use(node).post_delivered(bot, {one.seq});
          if (*done) {
            CHECK_EQ(owner[bot], node); // Only the owner can.
            CHECK(ended[bot].insert(one.id).second);
            ++deliveries;
          } else {
            ++refused;
          }
        }
        break;
      }
      default: { // Sometimes two, sometimes one that came before.
        auto id = below(5) == 0 && next_id > 1 ? next_id - 1 : next_id++;
        auto answer = use(node).post<append_result>(update_append{bot, {update_of(id)}});
        if (answer->answer)
          taken[bot].insert(id);
        break;
      }
      }
    }
    for (int i = 0; i < 3; ++i)
      pass(config.box_every);
    CHECK_EQ(rows("update_box"), 0);
    for (auto& [bot, all] : taken) {
      ids expected;
      std::ranges::set_difference(all, ended[bot], std::back_inserter(expected));
      auto found = use(owner[bot]).waiting(bot);
      std::ranges::sort(found);
      CHECK_EQ(found, expected);
    }
    CHECK(deliveries > 20);
    CHECK(moves > 10);
    CAF_MESSAGE(deliveries << " delivered, " << moves << " moves, " << refused << " refused");
    end_nodes();
  }
}

END_FIXTURE_SCOPE()

} // namespace troupe::shards_suite
