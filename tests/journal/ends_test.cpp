#define CAF_SUITE journal_ends
#include "tests/journal/fixture.hpp"

#include "runtime/store/audit.hpp"

#include <algorithm>

namespace troupe::ends_suite {

using namespace troupe::journal_tests;

using ids = std::vector<std::int64_t>;

namespace {

struct ends_fixture : fixture {
  /// The client confirms what it was handed of these ids.
  confirm_result confirm(const ids& which) {
    update_confirm x;
    x.bot = 1;
    for (auto& one : fetch(1, 1000).updates)
      if (std::ranges::find(which, one.id) != which.end())
        x.seqs.push_back(one.seq);
    x.seqs.push_back(999'999'999); // One that the journal does not know.
    return get<confirm_result>(x);
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(ends_fixture)

SCENARIO("offsets confirm as getUpdates' do") {
  on_both(*this, [&] {
    append_ids(1, {10, 11, 12, 13, 14});
    auto below = [&](std::int64_t offset) {
      return get<confirm_result>(update_confirm{1, offset, 0, false, {}});
    };
    CHECK_EQ(below(12).confirmed, 2u);
    CHECK_EQ(below(12).confirmed, 0u);
    CHECK_EQ(waiting(1), (ids{12, 13, 14}));
    // Far beyond the newest: nothing. A little beyond: all.
    CHECK_EQ(below(25).confirmed, 0u);
    CHECK_EQ(below(24).confirmed, 3u);
    CHECK_EQ(waiting(1), ids{});
    restart();
    CHECK_EQ(waiting(1), ids{});
    append_ids(1, {20, 21, 22, 23});
    auto last = get<confirm_result>(update_confirm{1, 0, 3, false, {}});
    CHECK_EQ(last.confirmed, 1u);
    CHECK_EQ(last.pending, 3u);
    CHECK_EQ(get<confirm_result>(update_confirm{1, 0, 30, false, {}}).confirmed, 0u);
    CHECK_EQ(confirm({22, 99}).confirmed, 1u);
    CHECK_EQ(waiting(1), (ids{21, 23}));
    CHECK_EQ(get<confirm_result>(update_confirm{1, 0, 0, true, {}}).confirmed, 2u);
    CHECK_EQ(get<confirm_result>(update_confirm{77, 5, 0, false, {}}).confirmed, 0u);
    CHECK_EQ(rows("updates"), 0);
    CHECK_EQ(report().delivered, 9u - 5u);
  });
}

SCENARIO("an offset beyond what waits confirms it when the newest had that number") {
  on_both(*this, [&] {
    append_ids(1, {10, 11, 50});
    CHECK_EQ(confirm({50}).confirmed, 1u);
    for (auto restarts : {false, true}) {
      if (restarts) {
        append_ids(1, {12, 60});
        CHECK_EQ(confirm({60}).confirmed, 1u);
        restart();
      }
      CHECK_EQ(get<confirm_result>(update_confirm{1, 100, 0, false, {}}).confirmed, 0u);
      auto offset = restarts ? 61 : 51;
      CHECK_EQ(get<confirm_result>(update_confirm{1, offset, 0, false, {}}).confirmed,
               restarts ? 1u : 2u);
    }
    CHECK_EQ(waiting(1), ids{});
  });
}

SCENARIO("what came late with a lower id is not confirmed by who has seen what came before it") {
  on_both(*this, [&] {
    append_ids(1, {10, 11, 13});
    append_ids(1, {12}); // Sent again by Telegram.
    auto below = [&](std::int64_t offset) {
      return get<confirm_result>(update_confirm{1, offset, 0, false, {}}).confirmed;
    };
    CHECK_EQ(below(14), 3u);
    CHECK_EQ(waiting(1), ids{12});
    // Also when the one that was seen has left the journal, before a restart or after.
    CHECK_EQ(below(14), 0u);
    restart();
    CHECK_EQ(below(14), 0u);
    CHECK_EQ(waiting(1), ids{12});
    CHECK_EQ(below(13), 1u); // He has seen it.
    // A wish to skip what he has not seen.
    append_ids(1, {20, 22});
    append_ids(1, {21});
    CHECK_EQ(below(30), 3u);
    CHECK_EQ(waiting(1), ids{});
  });
}

SCENARIO("ids that begin anew below: an old offset confirms nothing of the new ones") {
  on_both(*this, [&] {
    append_ids(1, {900'000, 900'001});
    append_ids(1, {500, 501});
    // The client has seen 900,000 only.
    CHECK_EQ(get<confirm_result>(update_confirm{1, 900'001, 0, false, {}}).confirmed, 1u);
    CHECK_EQ(waiting(1), (ids{900'001, 500, 501}));
    CHECK_EQ(get<confirm_result>(update_confirm{1, 900'002, 0, false, {}}).confirmed, 1u);
    CHECK_EQ(get<confirm_result>(update_confirm{1, 900'002, 0, false, {}}).confirmed, 0u);
    CHECK_EQ(waiting(1), (ids{500, 501}));
    CHECK_EQ(get<confirm_result>(update_confirm{1, 501, 0, false, {}}).confirmed, 1u);
    CHECK_EQ(waiting(1), ids{501});
    // Old numbers are no duplicates either, unless their content is.
    auto other = update_of(900'000);
    other.body = shared_text{"{\"update_id\":900000,\"message\":{\"x\":1}}"};
    CHECK_EQ(append(1, {other}).stored, 1u);
  });
}

SCENARIO("what cannot be delivered is a dead letter, with its body and why") {
  on_both(*this, [&] {
    append(1, {update_of(1, "callback_query", 7), update_of(2)});
    auto body = fetch(1).updates.front().body.str();
    pass(1s);
    end(1, 1, update_verdict::dead, "the receiver answered 500");
    CHECK_EQ(waiting(1), ids{2});
    auto letters = dead(1);
    REQUIRE_EQ(letters.size(), 1u);
    auto& x = letters.front();
    CHECK_EQ(x.update_id, 1);
    CHECK_EQ(x.bot, 1);
    CHECK_EQ(x.kind, "callback_query");
    CHECK_EQ(x.received, wall - 1000);
    CHECK_EQ(x.died, wall);
    CHECK_EQ(x.attempts, 3u);
    CHECK_EQ(x.reason, "the receiver answered 500");
    CHECK_EQ(x.body, body);
    CHECK_EQ(pending(1).dead, 1u);
    CHECK_EQ(report().died, 1u);
    CHECK_EQ(rows("updates"), 1);
    // Telegram sends it again: it is known.
    CHECK_EQ(append(1, {update_of(1, "callback_query", 7)}).duplicates, 1u);
  });
}

SCENARIO("dead letters are listed by page, and the oldest go when there are too many") {
  config.max_dead = 5;
  on_both(*this, [&] {
    for (std::int64_t id = 1; id <= 8; ++id) {
      append_ids(1, {id});
      end(1, 1, update_verdict::dead, "no");
    }
    append_ids(2, {1});
    end(2, 1, update_verdict::dead, "no");
    CHECK_EQ(pending(1).dead, 5u);
    CHECK_EQ(report().dead, 6u);
    auto first = get<dead_letter_page>(dead_letter_query{1, 0, 3});
    REQUIRE_EQ(first.rows.size(), 3u);
    CHECK(first.more);
    CHECK_EQ(first.rows.front().update_id, 4);
    auto rest = get<dead_letter_page>(dead_letter_query{1, first.rows.back().id, 3});
    CHECK_EQ(rest.rows.size(), 2u);
    CHECK(!rest.more);
    CHECK_EQ(rest.rows.back().update_id, 8);
    restart();
    CHECK_EQ(pending(1).dead, 5u);
  });
}

SCENARIO("dead letters wait again behind what waits, with a fresh lifetime, and the trail knows "
         "who did it") {
  on_both(*this, [&] {
    append(1, {update_of(1), update_of(2), update_of(3, "callback_query")});
    end(1, 3, update_verdict::dead, "no");
    append_ids(1, {4});
    auto letters = dead(1);
    REQUIRE_EQ(letters.size(), 3u);
    pass(1h);
    auto told = bot(1).told;
    pass(config.find_pause);
    fetch(1);
    told->clear();
    dead_letter_replay x;
    x.by = durable_tests::ada();
    x.bot = 1;
    x.tenant = 1;
    x.ids = {letters[1].id, 4711};
    auto done = get<replay_result>(x);
    CHECK_EQ(done.replayed, 1u);
    CHECK_EQ(done.missing, ids{4711});
    CHECK_EQ(told->size(), 1u);
    auto page = fetch(1);
    CHECK_EQ(ids_of(page).back(), letters[1].update_id);
    CHECK_EQ(page.updates.back().body.str(), letters[1].body);
    CHECK(page.updates.back().seq > page.updates.front().seq);
    CHECK_EQ(pending(1).dead, 2u);
    x.ids.clear();
    CHECK_EQ(get<replay_result>(x).replayed, 2u);
    CHECK_EQ(dead(1).size(), 0u);
    CHECK_EQ(waiting(1).size(), 4u);
    // The urgent one lives as long as its kind does, from now on.
    auto urgent = fetch(1).updates.front();
    CHECK_EQ(urgent.id, 3);
    CHECK_EQ(urgent.expires, wall + 150'000);
    // What dies again is a letter again; what is sent again is known.
    CHECK_EQ(append(1, {update_of(1), update_of(2)}).duplicates, 2u);
    restart();
    CHECK_EQ(waiting(1).size(), 4u);
    end(1, 4, update_verdict::dead, "no");
    CHECK_EQ(dead(1).size(), 4u);
    store::database db{options};
    auto trail = db.read([](store::unit& u) { return store::find_audit(u, {.subject = "bot:1"}); });
    REQUIRE_EQ(trail.size(), 2u);
    CHECK_EQ(trail.front().action, "dead-letters.replay");
    CHECK_EQ(trail.front().actor, "ada");
    CHECK_EQ(trail.front().detail, "{\"replayed\":2}");
  });
}

SCENARIO(
  "many dead letters wait again a few at a time; what comes meanwhile is stored between them") {
  config.group_letters = 2;
  on_both(*this, [&] {
    append_ids(1, {1, 2, 3, 4, 5});
    end(1, 5, update_verdict::dead, "no");
    dead_letter_replay x;
    x.bot = 1;
    sql->hold = true;
    auto replayed = post<replay_result>(x);
    auto other = post<append_result>(update_append{2, {update_of(1)}});
    for (auto i = 0; i < 2; ++i) {
      CHECK(!other->over());
      sql->release_one();
      sched.run();
    }
    CHECK(other->answer);
    CHECK(!replayed->over());
    CHECK_EQ(rows("updates"), 3);
    sql->hold = false;
    sql->release();
    sched.run();
    REQUIRE(replayed->answer);
    CHECK_EQ(replayed->answer->replayed, 5u);
    CHECK_EQ(waiting(1), (ids{1, 2, 3, 4, 5}));
    // By their numbers.
    end(1, 5, update_verdict::dead, "no");
    for (auto& one : dead(1))
      x.ids.push_back(one.id);
    x.ids.insert(x.ids.begin() + 1, 4711);
    auto done = get<replay_result>(x);
    CHECK_EQ(done.replayed, 5u);
    CHECK_EQ(done.missing, ids{4711});
    CHECK_EQ(waiting(1), (ids{1, 2, 3, 4, 5}));
    // What was not reached when the store failed stays a letter.
    end(1, 5, update_verdict::dead, "no");
    x.ids.clear();
    sql->faults = {store_refusal::none, store_refusal::disk_full};
    CHECK(why<replay_result>(x) == store_refusal::disk_full);
    CHECK_EQ(waiting(1), (ids{1, 2}));
    CHECK_EQ(dead(1).size(), 3u);
    pass(config.retry_pause);
    CHECK_EQ(get<replay_result>(x).replayed, 3u);
    CHECK_EQ(waiting(1), (ids{1, 2, 3, 4, 5}));
    CHECK_EQ(pending(1).dead, 0u);
  });
}

SCENARIO("a letter whose update came again meanwhile is not delivered twice") {
  config.remembered = 100;
  on_both(*this, [&] {
    append_ids(1, {1});
    end(1, 1, update_verdict::dead, "no");
    for (std::int64_t id = 1000; id < 1400; id += 20) { // Until it is not remembered any more.
      std::vector<stored_update> what;
      for (std::int64_t i = 0; i < 20; ++i)
        what.push_back(update_of(id + i));
      append(1, std::move(what));
      end(1, 20);
    }
    REQUIRE_EQ(append_ids(1, {1}).stored, 1u);
    dead_letter_replay x;
    x.bot = 1;
    CHECK_EQ(get<replay_result>(x).replayed, 1u);
    CHECK_EQ(waiting(1), ids{1});
    restart();
    CHECK_EQ(waiting(1), ids{1});
    CHECK(dead(1).empty());
  });
}

SCENARIO("a letter above all that is remembered waits again, and its repetition is known") {
  config.remembered = 100;
  on_both(*this, [&] {
    append_ids(1, {900'000});
    end(1, 1, update_verdict::dead, "no");
    for (std::int64_t id = 1000; id < 1400; id += 20) { // Ids began anew below.
      std::vector<stored_update> what;
      for (std::int64_t i = 0; i < 20; ++i)
        what.push_back(update_of(id + i));
      append(1, std::move(what));
      end(1, 20);
    }
    for (auto restarts : {true, false}) {
      if (restarts)
        restart();
      append_ids(1, {restarts ? 1500 : 1501}); // From now on memory knows the highest.
      if (restarts) {
        dead_letter_replay x;
        x.bot = 1;
        CHECK_EQ(get<replay_result>(x).replayed, 1u);
      }
      CHECK_EQ(append_ids(1, {900'000}).duplicates, 1u);
    }
    CHECK_EQ(waiting(1), (ids{1500, 900'000, 1501}));
  });
}

using expiries = std::vector<std::pair<bot_id, std::int64_t>>;

SCENARIO("lifetimes end updates: short ones are counted, the others become dead letters") {
  config.lifetime = 1h;
  on_both(*this, [&] {
    gone.clear();
    auto came = wall;
    auto brief = update_of(1, "callback_query");
    brief.expires = wall + 150'000;
    auto stale = update_of(2);
    stale.expires = wall + 86'400'000; // The journal's own bound is nearer.
    append(1, {brief, stale});
    append_ids(2, {3});
    CHECK_EQ(fetch(1).updates.back().expires, wall + 3'600'000);
    pass(149s);
    CHECK_EQ(waiting(1), (ids{1, 2}));
    pass(1s);
    CHECK_EQ(report().expired, 1u);
    CHECK(gone == (expiries{{1, came}}));
    CHECK_EQ(waiting(1), ids{2});
    CHECK(dead(1).empty());
    pass(1h);
    std::ranges::sort(gone);
    CHECK(gone == (expiries{{1, came}, {1, came}, {2, came}}));
    CHECK_EQ(report().expired, 3u);
    CHECK_EQ(report().pending, 0u);
    for (bot_id id : {1, 2}) {
      REQUIRE_EQ(dead(id).size(), 1u);
      CHECK_EQ(dead(id).front().reason, "expired");
    }
    CHECK_EQ(rows("updates"), 0);
    // Its bot may be the first to see it, and the journal too: it is told of once.
    append_ids(3, {1});
    auto seq = fetch(3).updates.front().seq;
    CHECK(*post_ends(3, {{seq, update_verdict::expired, 0, {}}}));
    CHECK(*post_ends(3, {{seq, update_verdict::expired, 0, {}}}));
    pass(2h);
    CHECK_EQ(gone.size(), 4u);
  });
}

SCENARIO("what is with its bot when its lifetime ends ends once: as the bot says, if it does") {
  on_both(*this, [&] {
    gone.clear();
    auto ask_as_bot = [&](bot_id id, std::uint64_t number) {
      update_fetch what;
      what.bot = id;
      caf::actor_cast<caf::abstract_actor*>(journal)->enqueue(
        caf::make_mailbox_element(caf::actor_cast<caf::strong_actor_ptr>(bot(id).actor),
                                  caf::message_id{caf::message_id::default_async_value | number},
                                  {}, what),
        nullptr);
      sched.run();
    };
    std::vector<std::int64_t> seqs;
    for (bot_id id : {1, 2, 3, 4}) {
      (void)bot(id);
      auto brief = update_of(1, "inline_query");
      brief.expires = wall + 30'000;
      append(id, {brief});
      seqs.push_back(fetch(id).updates.front().seq);
      if (id != 4) // Somebody else looked at that one, and no bot has it.
        ask_as_bot(id, 1);
    }
    pass(31s);
    CHECK_EQ(report().expired, 1u);
    CHECK_EQ(gone.size(), 1u);
    // The receiver had it in time, or did not take it and it was not tried again.
    CHECK(*post_ends(1, {{seqs[0], update_verdict::delivered, 1, {}}}));
    CHECK(*post_ends(2, {{seqs[1], update_verdict::expired, 1, {}}}));
    CHECK_EQ(report().delivered, 1u);
    CHECK_EQ(report().expired, 2u);
    // A bot that dies says nothing any more.
    caf::anon_send_exit(bot(3).actor, caf::exit_reason::kill);
    sched.run();
    pass(1s);
    CHECK_EQ(report().expired, 3u);
    pass(1h);
    CHECK_EQ(report().delivered, 1u);
    CHECK_EQ(report().expired, 3u);
    CHECK_EQ(gone.size(), 3u);
    CHECK_EQ(report().pending, 0u);
    // One that never says is not waited for without end.
    auto brief = update_of(1, "inline_query");
    brief.expires = wall + 30'000;
    (void)bot(5);
    append(5, {brief});
    ask_as_bot(5, 2);
    pass(30s + config.given_grace - 1s);
    CHECK_EQ(report().expired, 3u);
    pass(2s);
    CHECK_EQ(report().expired, 4u);
  });
}

SCENARIO("what expired is not handed out, even before anybody looked") {
  on_both(*this, [&] {
    auto brief = update_of(1, "inline_query");
    brief.expires = wall + 30'000;
    append(1, {brief, update_of(2)});
    wall += 30'000;
    auto page = fetch(1);
    CHECK_EQ(ids_of(page), ids{2});
    CHECK_EQ(page.pending, 1u);
    CHECK_EQ(report().expired, 1u);
  });
}

SCENARIO("updates of bots that were only counted expire as well") {
  config.max_entries = 1;
  on_both(*this, [&] {
    append_ids(1, {1, 2});
    append_ids(2, {1, 2});
    pass(1s);
    restart();
    pass(24h);
    pass(1s);
    CHECK_EQ(report().pending, 0u);
    CHECK_EQ(report().dead, 4u);
  });
}

END_FIXTURE_SCOPE()

} // namespace troupe::ends_suite
