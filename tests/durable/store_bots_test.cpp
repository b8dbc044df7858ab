#define CAF_SUITE store_bots
#include "tests/durable/fixture.hpp"

namespace troupe::store_bots_suite {

using namespace troupe::durable_tests;
using store::on_both;
using store::test_store;

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a registered bot is stored sealed, entered in the trail, and loaded with its token") {
  on_both([this](test_store& on) {
    start(on);
    auto row = insert(42);
    CHECK_EQ(row.version, 1);
    CHECK(row.phase == bot_phase::active);
    auto loaded = get<page<loaded_bot>>(bot_load{});
    REQUIRE_EQ(loaded.rows.size(), 1u);
    CHECK_EQ(loaded.rows[0].token.text, token_of(42));
    CHECK(!loaded.more);
    auto entry = trail().at(0);
    CHECK_EQ(entry.action, "bot.register");
    CHECK_EQ(entry.subject, "bot:42");
    CHECK_EQ(entry.outcome, "ok");
    CHECK_EQ(entry.by.name, "ada");
    CHECK_EQ(entry.by.key, 7);
    CHECK_EQ(entry.by.address, "192.0.2.1");
    // Nothing that could be read holds the token.
    auto db = on.connect();
    db.read([&](store::unit& u) {
      auto box = u.value<std::string>("SELECT token_box FROM bots WHERE id = 42").value();
      CHECK(box.find(token_of(42).substr(3)) == std::string::npos);
    });
  });
}

SCENARIO("a bot is registered once, by an active tenant, within its number of bots") {
  on_both([this](test_store& on) {
    start(on);
    insert(1);
    bot_insert again;
    again.bot.id = 1;
    again.token.text = token_of(1, 'B');
    CHECK(why<bot_row>(again) == store_refusal::duplicate);
    CHECK_EQ(trail().at(0).outcome, "duplicate");
    auto small = get<tenant_row>(tenant_put{ada(), {0, "small", false, 1, 0, 0}});
    insert(2, small.id);
    bot_insert third;
    third.bot.id = 3;
    third.bot.tenant = small.id;
    third.token.text = token_of(3);
    CHECK(why<bot_row>(third) == store_refusal::too_many);
    small.max_bots = 0;
    small.suspended = true;
    get<tenant_row>(tenant_put{ada(), small});
    CHECK(why<bot_row>(third) == store_refusal::tenant_suspended);
    third.bot.tenant = 999;
    CHECK(why<bot_row>(third) == store_refusal::not_found);
  });
}

SCENARIO("a tenant sees its own bots, an operator all") {
  on_both([this](test_store& on) {
    start(on);
    auto other = get<tenant_row>(tenant_put{ada(), {0, "other", false, 0, 0, 0}});
    for (bot_id id : {5, 3, 1})
      insert(id);
    insert(4, other.id);
    auto mine = get<page<bot_row>>(bot_query{1, true, {}, 0, 2});
    REQUIRE_EQ(mine.rows.size(), 2u);
    CHECK_EQ(mine.rows[1].id, 3);
    CHECK(mine.more);
    CHECK_EQ((get<page<bot_row>>(bot_query{1, true, {}, 3, 2}).rows.size()), 1u);
    CHECK_EQ((get<page<bot_row>>(bot_query{0, true, {}, 0, 10}).rows.size()), 4u);
    bot_query suspended{0, false, bot_phase::suspended, 0, 10};
    CHECK(get<page<bot_row>>(suspended).rows.empty());
    get<bot_row>(bot_state_set{ada(), "bot.suspend", 1, 3, 0, bot_phase::suspended, "spam", 0, 0});
    CHECK_EQ(get<page<bot_row>>(suspended).rows.at(0).reason, "spam");
    CHECK(why<bot_row>(bot_change{ada(), other.id, 3, 0, "x", 0, 0, "{}"})
          == store_refusal::not_found);
    CHECK(why<bot_row>(bot_remove{ada(), other.id, 3}) == store_refusal::not_found);
  });
}

SCENARIO("any number of ids is looked up in chunks; what is missing is named") {
  on_both([this](test_store& on) {
    config.lookup_chunk = 10;
    start(on);
    bot_lookup all{1, {}};
    for (bot_id id = 1; id <= 35; ++id) {
      if (id % 5 != 0)
        insert(id);
      all.ids.push_back(36 - id);
      all.ids.push_back(id);
    }
    auto found = get<bot_batch>(all);
    CHECK_EQ(found.bots.size(), 28u);
    CHECK_EQ(found.bots.front().id, 1);
    CHECK_EQ(found.bots.back().id, 34);
    CHECK_EQ(found.missing, (std::vector<bot_id>{5, 10, 15, 20, 25, 30, 35}));
    CHECK(get<bot_batch>(bot_lookup{1, {}}).bots.empty());
    // A chunk that finds no database is read again, a little later each time.
    sql->faults = {store_refusal::none, store_refusal::unavailable, store_refusal::unavailable};
    auto pending = ask(all);
    advance_time(50ms);
    sched.run();
    advance_time(100ms);
    sched.run();
    CHECK_EQ(answer_of<bot_batch>(pending)->bots.size(), 28u);
    // But not for ever.
    sql->faults.assign(5, store_refusal::unavailable);
    auto lost = ask(all);
    for (int i = 0; i < 4; ++i) {
      advance_time(1s);
      sched.run();
    }
    CHECK(answer_of<bot_batch>(lost).error() == store_refusal::unavailable);
    // What trying again does not mend is told at once.
    sql->faults = {store_refusal::failed};
    CHECK(why<bot_batch>(all) == store_refusal::failed);
    stop();
  });
}

SCENARIO("of two who change what they read, one is told") {
  on_both([this](test_store& on) {
    start(on);
    auto row = insert(7);
    auto first = get<bot_row>(bot_change{ada(), 1, 7, row.version, "first", 20, 3, R"({"a":1})"});
    CHECK_EQ(first.version, 2);
    CHECK_EQ(first.rps, 20u);
    CHECK(why<bot_row>(bot_change{ada(), 1, 7, row.version, "second", 0, 0, "{}"})
          == store_refusal::conflict);
    CHECK_EQ(get<bot_row>(bot_change{ada(), 1, 7, 0, "third", 0, 0, "{}"}).name, "third");
    CHECK(why<bot_row>(bot_state_set{ada(), "bot.suspend", 0, 7, 1, bot_phase::suspended, "", 0, 0})
          == store_refusal::conflict);
  });
}

SCENARIO("a new token revives a bot whose old one was rejected") {
  on_both([this](test_store& on) {
    start(on);
    insert(7);
    insert(8);
    get<bot_row>(bot_state_set{{}, "", 0, 7, 0, bot_phase::unauthorized, "401", 0, 0});
    auto before = trail().size();
    auto row = get<bot_row>(bot_token_set{ada(), 1, 7, {token_of(7, 'C')}, true});
    CHECK(row.phase == bot_phase::active);
    CHECK_EQ(trail().size(), before + 1);
    CHECK_EQ(get<page<loaded_bot>>(bot_load{}).rows.at(0).token.text, token_of(7, 'C'));
    CHECK(why<bot_row>(bot_token_set{ada(), 1, 7, {token_of(8)}, true})
          == store_refusal::duplicate);
  });
}

SCENARIO("a removed bot leaves nothing but its trail, and may come again") {
  on_both([this](test_store& on) {
    start(on);
    insert(7);
    get<made_virtual_token>(virtual_token_make{ada(), 1, 7, "ci", {"getme"}, 0});
    get<verification_row>(verification_make{ada(), 1, 7});
    get<done>(health_save{{health_row{.bot = 7}}});
    get<idempotency_answer>(idempotency_begin{1, 7, "key", "body"});
    CHECK_EQ(get<bot_row>(bot_remove{ada(), 1, 7}).id, 7);
    CHECK(why<bot_row>(bot_remove{ada(), 1, 7}) == store_refusal::not_found);
    CHECK(why<health_row>(health_query{1, 7}) == store_refusal::not_found);
    CHECK(why<verification_row>(verification_query{1, 7}) == store_refusal::not_found);
    CHECK(get<page<made_virtual_token>>(virtual_token_load{}).rows.empty());
    CHECK(trail("bot:7").size() >= 4);
    insert(7);
    auto again = get<idempotency_answer>(idempotency_begin{1, 7, "key", "other"});
    CHECK(again.what == idempotency_what::started);
  });
}

END_FIXTURE_SCOPE()

} // namespace troupe::store_bots_suite
