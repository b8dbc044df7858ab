#define CAF_SUITE journal
#include "runtime/telegram/update.hpp"
#include "tests/journal/fixture.hpp"

namespace troupe::journal_suite {

using namespace troupe::journal_tests;

using ids = std::vector<std::int64_t>;

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("what was appended waits in its order, with all that came with it") {
  on_both(*this, [&] {
    auto x = update_of(7, "callback_query", 99);
    auto real =
      telegram::read_update(R"({"update_id":7,"callback_query":{"id":"1","from":{"id":99}}})");
    CHECK(real && x.key == (queue_key{real->queue_kind, real->queue_id}));
    x.received = wall - 10;
    x.expires = wall + 1000;
    CHECK_EQ(append(1, {x}).stored, 1u);
    CHECK_EQ(append_ids(1, {8, 9}).stored, 2u);
    CHECK_EQ(append_ids(2, {8}).stored, 1u);
    for (auto restarts : {false, true}) { // From memory, then from the store.
      if (restarts)
        restart();
      auto page = fetch(1);
      CHECK_EQ(ids_of(page), (ids{7, 8, 9}));
      CHECK_EQ(page.pending, 3u);
      auto& first = page.updates.front();
      CHECK(first.seq > 0 && first.seq < page.updates.back().seq);
      CHECK_EQ(first.body.str(), x.body.str());
      CHECK_EQ(first.kind, x.kind);
      CHECK(first.key == x.key);
      CHECK(first.urgent);
      CHECK_EQ(first.received, wall - 10);
      CHECK_EQ(first.expires, wall + 1000);
      CHECK(!page.updates.back().urgent);
      CHECK(page.updates.back().key == (queue_key{0, 5}));
      CHECK_EQ(waiting(2), ids{8});
    }
    CHECK_EQ(newly, (ids{7, 8, 9, 8}));
    newly.clear();
  });
}

SCENARIO("urgent ones go first, each order behind its own cursor") {
  on_both(*this, [&] {
    append(1, {update_of(1), update_of(2, "callback_query"), update_of(3),
               update_of(4, "inline_query"), update_of(5)});
    CHECK_EQ(waiting(1), (ids{2, 4, 1, 3, 5}));
    auto page = fetch(1, 3);
    CHECK_EQ(ids_of(page), (ids{2, 4, 1}));
    CHECK_EQ(page.pending, 5u);
    update_fetch next;
    next.bot = 1;
    next.after_urgent = page.updates[1].seq;
    next.after = page.updates[2].seq;
    CHECK_EQ(ids_of(get<update_page>(next)), (ids{3, 5}));
    append(1, {update_of(6, "callback_query"), update_of(7)});
    CHECK_EQ(ids_of(get<update_page>(next)), (ids{6, 3, 5, 7}));
  });
}

SCENARIO("by id they come in the order of their ids") {
  on_both(*this, [&] {
    append_ids(1, {30, 10, 20});
    update_fetch x;
    x.bot = 1;
    x.by_id = true;
    CHECK_EQ(ids_of(get<update_page>(x)), (ids{10, 20, 30}));
    x.after = 10;
    x.limit = 1;
    CHECK_EQ(ids_of(get<update_page>(x)), ids{20});
  });
}

SCENARIO("of two updates with one id each is known by its number") {
  on_both(*this, [&] {
    auto other = update_of(20);
    other.body = shared_text{"{\"update_id\":20,\"other\":1}"};
    append_ids(1, {10, 20});
    append(1, {other, update_of(30)});
    update_fetch x;
    x.bot = 1;
    x.by_id = true;
    x.limit = 2;
    auto page = get<update_page>(x).updates;
    REQUIRE_EQ(page.size(), 2u);
    x.after = page.back().id;
    x.after_seq = page.back().seq;
    auto next = get<update_page>(x).updates;
    REQUIRE_EQ(next.size(), 2u);
    CHECK_EQ(next[0].id, 20);
    CHECK_EQ(next[1].id, 30);
    // The first was handed out, the second was not.
    CHECK_EQ(get<confirm_result>(update_confirm{1, 0, 0, false, {page[0].seq, page[1].seq}}).confirmed,
             2u);
    CHECK_EQ(waiting(1), (ids{20, 30}));
    CHECK_EQ(fetch(1).updates[0].seq, next[0].seq);
  });
}

SCENARIO("a page holds no more bytes than asked for, but one update at least") {
  on_both(*this, [&] {
    auto large = update_of(1);
    large.body = shared_text{std::string(1000, 'x')};
    append(1, {large, update_of(2), update_of(3)});
    for (std::uint64_t cache : {64u << 20, 0u}) {
      config.cache_bytes = cache;
      restart();
      update_fetch x;
      x.bot = 1;
      x.max_bytes = 500;
      CHECK_EQ(ids_of(get<update_page>(x)), ids{1});
      x.after = get<update_page>(x).updates.front().seq;
      CHECK_EQ(ids_of(get<update_page>(x)), (ids{2, 3}));
    }
    config.cache_bytes = 64u << 20;
  });
}

SCENARIO("the same update again is known by id and content, whatever order ids come in") {
  on_both(*this, [&] {
    append_ids(1, {100, 101});
    auto again = append_ids(1, {100, 101, 102});
    CHECK_EQ(again.stored, 1u);
    CHECK_EQ(again.duplicates, 2u);
    // Another content under a known id, and an id below all others, are new.
    auto other = update_of(101);
    other.body = shared_text{"{\"update_id\":101,\"other\":1}"};
    CHECK_EQ(append(1, {other}).stored, 1u);
    CHECK_EQ(append_ids(1, {3}).stored, 1u);
    CHECK_EQ(append_ids(1, {3}).stored, 0u);
    // Twice in one request.
    auto twice = append(1, {update_of(200), update_of(200)});
    CHECK_EQ(twice.stored, 1u);
    CHECK_EQ(twice.duplicates, 1u);
    // Another bot's are another matter.
    CHECK_EQ(append_ids(2, {100}).stored, 1u);
    // Also after they have ended, and after a restart.
    end(1, 100);
    CHECK_EQ(append_ids(1, {100, 101, 102, 3, 200}).duplicates, 5u);
    restart();
    CHECK_EQ(append_ids(1, {100, 101, 102, 3, 200}).duplicates, 5u);
    CHECK_EQ(waiting(1), ids{});
    CHECK_EQ(rows("updates"), 1); // The other bot's.
  });
}

SCENARIO("two requests with the same update on their way at once: one stores it") {
  on_both(*this, [&] {
    sql->hold = true;
    auto busy = post<append_result>(update_append{9, {update_of(1)}});
    auto first = post<append_result>(update_append{1, {update_of(1)}});
    auto second = post<append_result>(update_append{1, {update_of(1), update_of(2)}});
    sql->hold = false;
    sql->release();
    sched.run();
    CHECK_EQ(first->answer.value().stored, 1u);
    CHECK_EQ(second->answer.value().stored, 1u);
    CHECK_EQ(second->answer.value().duplicates, 1u);
    CHECK_EQ(waiting(1), (ids{1, 2}));
  });
}

SCENARIO("what waits while the store is at work is one commit") {
  on_both(*this, [&] {
    auto before = sql->commits();
    sql->hold = true;
    std::vector<std::shared_ptr<asked<append_result>>> all;
    for (int i = 0; i < 50; ++i)
      all.push_back(post<append_result>(update_append{1 + i % 7, {update_of(i)}}));
    CHECK_EQ(sql->held(), 1u);
    sql->hold = false;
    sql->release();
    sched.run();
    for (auto& one : all)
      CHECK_EQ(one->answer.value().stored, 1u);
    CHECK_EQ(sql->commits() - before, 2u);
  });
}

SCENARIO("a full journal refuses, counting what is on its way; an empty one takes anything") {
  config.max_pending = 3;
  on_both(*this, [&] {
    CHECK_EQ(append_ids(1, {1, 2, 3, 4}).stored, 4u);
    CHECK(pending(1).full);
    auto refused = why<append_result>(update_append{1, {update_of(5)}});
    CHECK(refused == ec::journal_full);
    end(1, 2);
    CHECK(!pending(1).full);
    sql->hold = true;
    auto taken = post<append_result>(update_append{1, {update_of(6)}});
    CHECK(why<append_result>(update_append{1, {update_of(7)}}) == ec::journal_full);
    CHECK(!taken->over());
    sql->hold = false;
    sql->release();
    sched.run();
    CHECK(taken->answer.has_value());
    // All or none.
    CHECK(why<append_result>(update_append{1, {update_of(8), update_of(9)}}) == ec::journal_full);
    CHECK_EQ(waiting(1), (ids{3, 4, 6}));
    CHECK_EQ(append_ids(2, {1}).stored, 1u);
    CHECK_EQ(report().refused, 4u);
    // A wider limit holds at once.
    auto limits = static_cast<journal_limits>(config);
    limits.max_pending = 10;
    caf::anon_send(journal, limits);
    sched.run();
    CHECK_EQ(append_ids(1, {8, 9}).stored, 2u);
  });
}

SCENARIO("what has ended is gone, and stays so") {
  on_both(*this, [&] {
    append_ids(1, {1, 2, 3, 4});
    auto page = fetch(1);
    CHECK(*post_delivered(1, {page.updates[1].seq, page.updates[2].seq, 12345}));
    CHECK_EQ(waiting(1), (ids{1, 4}));
    // Told twice.
    CHECK(*post_delivered(1, {page.updates[1].seq}));
    CHECK(*post_delivered(77, {page.updates[1].seq}));
    restart();
    CHECK_EQ(waiting(1), (ids{1, 4}));
    CHECK_EQ(rows("updates"), 2);
    CHECK_EQ(pending(1).pending, 2u);
    CHECK_EQ(pending(77).pending, 0u);
  });
}

SCENARIO("ends are answered when they are stored, not before") {
  on_both(*this, [&] {
    append_ids(1, {1});
    auto seq = fetch(1).updates.front().seq;
    sql->hold = true;
    auto done = post_delivered(1, {seq});
    CHECK(!*done);
    CHECK_EQ(pending(1).pending, 0u);
    sql->hold = false;
    sql->release();
    sched.run();
    CHECK(*done);
  });
}

SCENARIO("a bot that is removed leaves nothing") {
  on_both(*this, [&] {
    append_ids(1, {1, 2});
    end(1, 1, update_verdict::dead, "no");
    append_ids(2, {1});
    sql->hold = true;
    auto first = post<append_result>(update_append{2, {update_of(5)}});
    auto late = post<append_result>(update_append{1, {update_of(3)}});
    caf::anon_send(journal, journal_forget{1});
    sched.run();
    sql->hold = false;
    sql->release();
    sched.run();
    CHECK(late->why == ec::unknown_bot);
    CHECK_EQ(pending(1).pending, 0u);
    CHECK_EQ(report().pending, 2u);
    CHECK_EQ(report().dead, 0u);
    CHECK_EQ(rows("dead_letters"), 0);
    CHECK_EQ(rows("updates"), 2);
    // Registered again: what it had is not remembered.
    CHECK_EQ(append_ids(1, {1, 2}).stored, 2u);
    restart();
    CHECK_EQ(waiting(1), (ids{1, 2}));
  });
}

SCENARIO("a bot forgotten while its update is being stored keeps none") {
  on_both(*this, [&] {
    sql->hold = true;
    auto taken = post<append_result>(update_append{1, {update_of(1)}});
    caf::anon_send(journal, journal_forget{1});
    sched.run();
    sql->hold = false;
    sql->release();
    sched.run();
    CHECK(taken->why == ec::unknown_bot);
    CHECK_EQ(report().pending, 0u);
    CHECK_EQ(rows("updates"), 0);
  });
}

SCENARIO("duplicates are known of whether their marks are merged or not") {
  on_both(*this, [&] {
    append_ids(100, {1}); // Its mark is the oldest.
    std::int64_t id = 0;
    for (int round = 0; round < 10; ++round)
      for (bot_id bot = 1; bot <= 3; ++bot) {
        append_ids(bot, {++id, ++id});
        CHECK_EQ(append_ids(bot, {id, id + 1000, id + 1000, id - 1}).duplicates, 3u);
        CHECK(fresh_marks() <= 6 + 2 + 2);
      }
    CHECK_EQ(rows("update_marks") + fresh_marks(), 1 + 2 * 30 + 30);
    for (bot_id bot = 4; bot <= 20; ++bot)
      append_ids(bot, {1});
    CHECK_EQ(append_ids(100, {1}).duplicates, 1u);
    restart();
    CHECK_EQ(fresh_marks(), 0);
    for (bot_id bot = 4; bot <= 20; ++bot)
      CHECK_EQ(append_ids(bot, {1, 2}).duplicates, 1u);
    CHECK_EQ(append_ids(3, {id, id - 1, id + 1000}).duplicates, 3u);
  });
}

SCENARIO("marks that could not be merged are merged later") {
  on_both(*this, [&] {
    append_ids(1, {1, 2});
    for (auto why : {store_refusal::unavailable, store_refusal::disk_full, store_refusal::failed}) {
      sql->faults = {why, why};
      CHECK(post<append_result>(update_append{1, {update_of(2)}})->why == why);
      sql->faults.clear();
      pass(2s);
      CHECK_EQ(append_ids(1, {1, 2}).duplicates, 2u);
      for (bot_id bot = 2; bot <= 12; ++bot)
        append_ids(bot, {report().appended > 0 ? static_cast<std::int64_t>(report().appended) : 0});
    }
    for (auto how : {inline_sql_unknown::stored, inline_sql_unknown::lost}) {
      sql->unknown = how;
      (void)post<append_result>(update_append{1, {update_of(2)}});
      sql->unknown = inline_sql_unknown::none;
      pass(2s);
      CHECK_EQ(append_ids(1, {1, 2}).duplicates, 2u);
    }
  });
}

SCENARIO("a bot that is removed takes its fresh marks along, and what they lead to") {
  config.fresh_marks = 1000;
  on_both(*this, [&] {
    for (bot_id bot = 1; bot <= 2; ++bot) {
      append_ids(bot, {1}); // What is remembered of it is looked up: it has no fresh marks then.
      append_ids(bot, {2, 3});
    }
    CHECK_EQ(fresh_marks(), 4);
    caf::anon_send(journal, journal_forget{1});
    sched.run();
    CHECK_EQ(rows("updates"), 3);
    CHECK_EQ(fresh_marks(), 2);
    CHECK_EQ(append_ids(1, {1}).stored, 1u);
  });
}

SCENARIO("only so many ended updates of a bot are remembered") {
  config.remembered = 100;
  on_both(*this, [&] {
    std::int64_t id = 0;
    append_ids(1, {-5, -4}); // Wait all the time, are never forgotten.
    for (int round = 0; round < 40; ++round) {
      std::vector<stored_update> what;
      for (int i = 0; i < 10; ++i)
        what.push_back(update_of(++id));
      append(1, std::move(what));
      ids ended;
      for (auto& one : fetch(1).updates)
        if (one.id > 0)
          ended.push_back(one.seq);
      CHECK(*post_delivered(1, ended));
      CHECK(rows("update_marks") <= 2 + 10 + 100 + 25 + 10);
    }
    CHECK_EQ(append_ids(1, {id, id - 50, id - 99, -5}).duplicates, 4u);
    CHECK_EQ(waiting(1), (ids{-5, -4}));
    restart();
    CHECK_EQ(waiting(1), (ids{-5, -4}));
  });
}

SCENARIO("a page has all that waited when it was asked for, whatever memory forgets meanwhile") {
  on_both(*this, [&] {
    config.cache_bytes = 2000; // Holds the last ones.
    restart();
    ids all;
    for (std::int64_t id = 1; id <= 30; ++id) {
      append_ids(1, {id});
      all.push_back(id);
    }
    update_page page;
    sys.spawn([&page, to = journal](caf::event_based_actor* me) {
      update_fetch what;
      what.bot = 1;
      me->request(to, caf::infinite, what).then([&page](update_page& x) { page = std::move(x); });
      // Heard before the store's rows are.
      me->send(to, journal_limits{.cache_bytes = 0});
    });
    sched.run();
    CHECK_EQ(ids_of(page), all);
    config.cache_bytes = 64u << 20;
  });
}

END_FIXTURE_SCOPE()

} // namespace troupe::journal_suite
