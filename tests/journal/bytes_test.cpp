#define CAF_SUITE journal_bytes

#include "runtime/store/updates.hpp"
#include "tests/journal/cluster_fixture.hpp"

/// Bodies in memory are bounded by their bytes, wherever they come from.
namespace troupe::bytes_suite {

using namespace journal_tests;
using ids = std::vector<std::int64_t>;

namespace {

struct fixture : cluster_fixture {
  static stored_update large(std::int64_t id) {
    auto x = update_of(id);
    x.body = shared_text{std::string(900, 'x')};
    return x;
  }
  template <class Test>
  void on_each(std::size_t how_many, Test test) {
    store::on_both([&](store::test_store& on) {
      start_nodes(on, how_many);
      test();
      end_nodes();
    });
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("what goes into the box goes in units of so many bytes") {
  config.group_bytes = 1000;
  on_each(1, [&] {
    auto& sql = *nodes[0].sql;
    sql.hold = true;
    std::vector<std::shared_ptr<asked<append_result>>> asked;
    for (bot_id bot = 1; bot <= 7; ++bot) // Nobody has them.
      asked.push_back(use(0).post<append_result>(update_append{bot, {large(1)}}));
    auto before = sql.commits();
    sql.hold = false;
    sql.release();
    sched.run();
    for (auto& one : asked)
      CHECK(one->answer);
    CHECK_EQ(sql.commits() - before, 4u); // One that was under way, then two at a time.
    CHECK_EQ(rows("update_box"), 7);
  });
}

SCENARIO("out of the box so many bytes are read at once, and all comes in the end") {
  config.group_bytes = 1000;
  config.max_waiting_bytes = 4000;
  on_each(2, [&] {
    auto& sql = *nodes[0].sql;
    for (bot_id bot = 1; bot <= 7; ++bot) {
      give(0, bot);
      CHECK_EQ(use(1).append(bot, {large(1), large(2)}).stored, 2u);
    }
    sql.hold = true;
    for (bot_id bot = 1; bot <= 7; ++bot)
      caf::anon_send(nodes[0].journal, box_filled{bot});
    sched.run();
    CHECK_EQ(sql.held(), 3u); // Reads.
    sql.hold = false;
    sql.release();
    sched.run();
    for (int i = 0; i < 5; ++i)
      pass(config.box_every);
    CHECK_EQ(rows("update_box"), 0);
    for (bot_id bot = 1; bot <= 7; ++bot)
      CHECK_EQ(use(0).waiting(bot), (ids{1, 2}));
  });
}

SCENARIO("pages of bodies that memory has not are in order and complete, however large these are") {
  on_both(*this, [&] {
    std::vector<stored_update> all;
    for (std::int64_t id = 1; id <= 60; ++id)
      all.push_back(id % 20 < 10 ? large(id) : update_of(id));
    append(1, all);
    restart(); // Now the store has them alone.
    ids got;
    update_fetch x;
    x.bot = 1;
    x.max_bytes = 2000;
    for (auto page = get<update_page>(x); !page.updates.empty(); page = get<update_page>(x)) {
      for (auto& one : page.updates)
        got.push_back(one.id);
      x.after = page.updates.back().seq;
    }
    REQUIRE_EQ(got.size(), 60u);
    CHECK(std::ranges::is_sorted(got));
  });
}

SCENARIO("dead letters are read by bytes, and all are listed and wait again in the end") {
  on_both(*this, [&] {
    std::vector<stored_update> all;
    for (std::int64_t id = 1; id <= 40; ++id) {
      auto x = update_of(id);
      x.body = shared_text{std::string(200'000, 'x')};
      all.push_back(x);
    }
    append(1, all);
    for (std::int64_t id = 1; id <= 40; ++id)
      end(1, id, update_verdict::dead, "no");
    ids got;
    std::size_t pages = 0;
    dead_letter_query x{1, 0, 1000};
    for (bool more = true; more; ++pages) {
      auto page = get<dead_letter_page>(x);
      REQUIRE(!page.rows.empty());
      CHECK(page.rows.size() < 6 + store::few_updates);
      for (auto& one : page.rows)
        got.push_back(one.update_id);
      x.after = page.rows.back().id;
      more = page.more;
    }
    CHECK_EQ(got.size(), 40u);
    CHECK(std::ranges::is_sorted(got));
    CHECK(pages > 1);
    CHECK_EQ(get<replay_result>(dead_letter_replay{durable_tests::ada(), 1, 1, {}}).replayed, 40u);
    CHECK_EQ(pending(1).pending, 40u);
  });
}

END_FIXTURE_SCOPE()

} // namespace troupe::bytes_suite
