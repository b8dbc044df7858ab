#define CAF_SUITE journal_restart
#include "tests/journal/fixture.hpp"

namespace troupe::restart_suite {

using namespace troupe::journal_tests;

using ids = std::vector<std::int64_t>;

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a bot is told once until it fetches") {
  on_both(*this, [&] {
    auto told = bot(1).told;
    append_ids(1, {1});
    append_ids(1, {2});
    REQUIRE_EQ(told->size(), 1u);
    CHECK_EQ(told->front().bot, 1);
    CHECK_EQ(told->front().pending, 1u);
    fetch(1);
    append_ids(1, {3});
    append_ids(1, {1}); // A duplicate is no news.
    CHECK_EQ(told->size(), 2u);
    append_ids(2, {1}); // Another's.
    CHECK_EQ(told->size(), 2u);
  });
}

SCENARIO("a bot that dies is told again as soon as there is a new one") {
  on_both(*this, [&] {
    auto old = bot(1).actor;
    append_ids(1, {1, 2});
    bots.erase(1);
    caf::anon_send_exit(old, caf::exit_reason::kill);
    sched.run();
    pass(config.find_pause);
    auto told = bot(1).told;
    pass(config.find_pause);
    REQUIRE_EQ(told->size(), 1u);
    CHECK_EQ(told->front().pending, 2u);
    // One that dies after all was ended has nothing to be told.
    end(1, 2);
    auto last = bot(1).actor;
    bots.erase(1);
    caf::anon_send_exit(last, caf::exit_reason::kill);
    sched.run();
    auto next = bot(1).told;
    pass(config.find_pause);
    CHECK(next->empty());
    append_ids(1, {3});
    CHECK_EQ(next->size(), 1u);
  });
}

SCENARIO("a bot that attaches learns what waits, and is told from then on") {
  on_both(*this, [&] {
    append_ids(1, {1, 2});
    auto told = std::make_shared<std::vector<updates_ready>>();
    auto counted = std::make_shared<std::optional<pending_count>>();
    auto me = sys.spawn([told, counted, to = journal](caf::event_based_actor* me) -> caf::behavior {
      me->request(to, caf::infinite, journal_attach{1})
        .then([counted](const pending_count& x) { *counted = x; }, [](caf::error&) {});
      return {[told](const updates_ready& x) { told->push_back(x); }};
    });
    sched.run();
    REQUIRE(counted->has_value());
    CHECK_EQ((*counted)->pending, 2u);
    CHECK_EQ((*counted)->oldest, wall);
    CHECK(told->empty());
    append_ids(1, {3});
    CHECK_EQ(told->size(), 1u);
    caf::anon_send_exit(me, caf::exit_reason::kill);
    sched.run();
  });
}

SCENARIO("after a restart everything is there, the bots are told, and no number is given twice") {
  on_both(*this, [&] {
    append_ids(1, {1, 2, 3});
    append_ids(2, {9});
    end(1, 1);
    end(1, 1, update_verdict::dead, "no");
    auto last = fetch(1).updates.back().seq;
    auto told = bot(1).told;
    kill();
    told->clear();
    spawn();
    REQUIRE_EQ(told->size(), 1u);
    CHECK_EQ(told->front().pending, 1u);
    CHECK_EQ(waiting(1), ids{3});
    auto now = report();
    CHECK_EQ(now.pending, 2u);
    CHECK_EQ(now.dead, 1u);
    CHECK_EQ(now.oldest, wall);
    CHECK_EQ(pending(1).dead, 1u);
    // All of the bot's rows go: the next one's number is higher all the same.
    end(1, 1);
    CHECK_EQ(rows("updates"), 1);
    restart();
    append_ids(1, {4});
    CHECK(fetch(1).updates.front().seq > last);
  });
}

SCENARIO("numbers go on beyond the block that was taken") {
  config.number_block = 40;
  config.group_updates = 5;
  on_both(*this, [&] {
    std::set<std::int64_t> seen;
    for (int i = 0; i < 50; ++i) {
      append_ids(1, {i});
      if (i % 20 == 19)
        restart();
      for (auto& one : fetch(1).updates)
        if (one.id == i)
          CHECK(seen.insert(one.seq).second && *seen.rbegin() == one.seq);
    }
    CHECK_EQ(waiting(1).size(), 50u);
  });
}

SCENARIO("what is asked while everything is being read waits for that") {
  on_both(*this, [&] {
    append_ids(1, {1, 2});
    kill();
    sql->hold = true;
    spawn();
    auto page = post<update_page>([] {
      update_fetch x;
      x.bot = 1;
      return x;
    }());
    auto taken = post<append_result>(update_append{1, {update_of(2), update_of(3)}});
    CHECK(!page->over());
    CHECK(!taken->over());
    sql->hold = false;
    sql->release();
    sched.run();
    CHECK_EQ(ids_of(page->answer.value()), (ids{1, 2}));
    CHECK_EQ(taken->answer.value().stored, 1u);
    CHECK_EQ(taken->answer.value().duplicates, 1u);
  });
}

SCENARIO("a store that does not answer at a start is asked until it does; who asks meanwhile is told") {
  on_both(*this, [&] {
    append_ids(1, {1});
    kill();
    sql->hold = true;
    spawn();
    auto taken = post<append_result>(update_append{1, {update_of(2)}});
    CHECK(!taken->over());
    sql->faults = {store_refusal::unavailable, store_refusal::none, store_refusal::unavailable};
    sql->hold = false;
    sql->release();
    sched.run();
    CHECK(taken->why == store_refusal::unavailable);
    pass(config.retry_pause);
    pass(config.retry_pause);
    CHECK(sql->faults.empty());
    CHECK_EQ(append_ids(1, {2}).stored, 1u);
    CHECK_EQ(waiting(1), (ids{1, 2}));
  });
}

SCENARIO("more updates than memory may hold are counted, and read when they are asked for") {
  config.max_entries = 5;
  config.cache_bytes = 1000;
  on_both(*this, [&] {
    for (bot_id id = 1; id <= 6; ++id)
      append_ids(id, {1, 2, 3});
    pass(config.sweep_every); // Most of them leave memory.
    append_ids(2, {4});
    CHECK_EQ(append_ids(2, {2}).duplicates, 1u);
    CHECK_EQ(report().pending, 19u);
    for (auto restarts : {false, true}) {
      if (restarts)
        restart();
      for (bot_id id = 1; id <= 6; ++id) {
        CHECK_EQ(pending(id).pending, id == 2 ? 4u : 3u);
        CHECK_EQ(waiting(id), (id == 2 ? ids{1, 2, 3, 4} : ids{1, 2, 3}));
        pass(config.sweep_every);
      }
      CHECK_EQ(report().pending, 19u);
    }
    // Ends of those that memory does not have.
    std::map<bot_id, std::int64_t> first;
    for (bot_id id = 1; id <= 6; ++id)
      first[id] = fetch(id).updates.front().seq;
    pass(config.sweep_every);
    for (bot_id id = 1; id <= 6; ++id)
      CHECK(*post_delivered(id, {first[id]}));
    CHECK_EQ(report().pending, 13u);
    CHECK_EQ(rows("updates"), 13);
    // What is appended while a bot is being read is there once.
    pass(config.sweep_every);
    sql->hold = true;
    update_fetch x;
    x.bot = 3;
    auto page = post<update_page>(x);
    auto taken = post<append_result>(update_append{3, {update_of(5)}});
    sql->hold = false;
    sql->release();
    sched.run();
    CHECK(taken->over());
    CHECK(page->over());
    CHECK_EQ(waiting(3), (ids{2, 3, 5}));
    CHECK_EQ(pending(3).pending, 3u);
    CHECK_EQ(report().pending, 14u);
  });
}

SCENARIO("a request that waits for a bot's queue is answered, though all is read anew meanwhile") {
  config.max_entries = 3; // Of the first bot that is read; the others are counted.
  on_both(*this, [&] {
    for (bot_id id = 1; id <= 3; ++id)
      append_ids(id, {1, 2, 3});
    restart();
    std::vector<std::int64_t> seqs;
    for (auto& one : fetch(1).updates)
      seqs.push_back(one.seq);
    sql->hold = true;
    sql->unknown = inline_sql_unknown::stored;
    auto ended = post_delivered(1, seqs);
    std::vector<std::shared_ptr<asked<update_page>>> pages;
    for (bot_id id : {2, 3}) {
      update_fetch x;
      x.bot = id;
      pages.push_back(post<update_page>(x));
    }
    sql->hold = false;
    sql->release();
    sched.run();
    pass(config.retry_pause);
    CHECK(*ended);
    // The second is in memory now, the third is not.
    for (auto& page : pages) {
      REQUIRE(page->answer.has_value());
      CHECK_EQ(ids_of(*page->answer), (ids{1, 2, 3}));
    }
  });
}

SCENARIO("a journal that is asked to end stores what waits first") {
  on_both(*this, [&] {
    sql->hold = true;
    auto first = post<append_result>(update_append{1, {update_of(1)}});
    auto second = post<append_result>(update_append{1, {update_of(2)}});
    caf::anon_send_exit(journal, caf::exit_reason::user_shutdown);
    sched.run();
    auto late = post<append_result>(update_append{1, {update_of(3)}});
    CHECK(late->why == store_refusal::unavailable);
    sql->release();
    sched.run();
    CHECK(first->answer.has_value());
    sql->hold = false;
    sql->release();
    sched.run();
    CHECK(second->answer.has_value());
    spawn();
    CHECK_EQ(waiting(1), (ids{1, 2}));
  });
}

END_FIXTURE_SCOPE()

} // namespace troupe::restart_suite
