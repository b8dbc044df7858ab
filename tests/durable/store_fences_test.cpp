#define CAF_SUITE store_fences
#include "runtime/store/shards.hpp"
#include "tests/durable/fixture.hpp"

namespace troupe::store_fences_suite {

namespace {

struct fixture : durable_tests::fixture {
  std::shared_ptr<cluster_view> view = std::make_shared<cluster_view>();

  /// As a node that owns the shards of these bots under `revision`.
  void start_clustered(store::test_store& on, std::initializer_list<bot_id> own,
                       std::int64_t revision) {
    start(on);
    stop();
    for (auto bot : own)
      view->set_fence(shard_of(bot), revision);
    raise(own, revision);
    who = spawn_store(sys, config, {sql, context, view});
    sched.run();
  }
  /// By some node.
  void raise(std::initializer_list<bot_id> of, std::int64_t revision) {
    store::database db{options};
    for (auto bot : of)
      db.write([&](store::unit& u) {
        store::raise_fences(u, std::array{shard_hold{shard_of(bot), revision}});
      });
  }
  /// All that changes bot 1's life, each for what it was refused with.
  std::vector<store_refusal> everything(bot_id bot) {
    auto by = durable_tests::ada();
    bot_insert insert;
    insert.by = by;
    insert.bot.id = bot;
    insert.bot.username = "b";
    insert.token.text = durable_tests::token_of(bot);
    bot_state_set state;
    state.bot = bot;
    state.phase = bot_phase::stopped;
    state.action = "bot.stop";
    bot_token_set token;
    token.bot = bot;
    token.token.text = durable_tests::token_of(bot, 'C');
    bot_change change;
    change.bot = bot;
    virtual_token_make make;
    make.bot = bot;
    virtual_token_revoke revoke;
    revoke.bot = bot;
    revoke.id = 1;
    verification_make code;
    code.bot = bot;
    bot_remove remove;
    remove.bot = bot;
    return {why<bot_row>(insert),          why<bot_row>(state),
            why<bot_row>(token),           why<bot_row>(change),
            why<made_virtual_token>(make), why<done>(revoke),
            why<verification_row>(code),   why<code_verdict>(verification_try{bot, "123456", 5}),
            why<bot_row>(remove)};
  }
  /// Of everything that such a change could touch.
  std::vector<std::int64_t> counts() {
    store::database db{options};
    return db.read([](store::unit& u) {
      std::vector<std::int64_t> result;
      for (auto* sql : {"SELECT COUNT(*) FROM bots", "SELECT SUM(version) FROM bots",
                        "SELECT COUNT(*) FROM virtual_tokens",
                        "SELECT COUNT(*) FROM virtual_tokens WHERE revoked IS NULL",
                        "SELECT COUNT(*) FROM verification_codes", "SELECT COUNT(*) FROM audit"})
        result.push_back(u.value<std::int64_t>(sql).value());
      return result;
    });
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("the owner of a bot's shard writes its life") {
  store::on_both([this](store::test_store& on) {
    start_clustered(on, {1}, 10);
    auto ends = everything(1);
    CHECK_EQ(ends.front(), store_refusal::none);
    CHECK_EQ(ends.back(), store_refusal::none);
    CHECK_EQ(std::ranges::count(ends, store_refusal::fenced), 0);
  });
}

SCENARIO("a node that lost a shard and does not know it changes nothing of its bots") {
  store::on_both([this](store::test_store& on) {
    start_clustered(on, {1, 2}, 10);
    insert(1);
    insert(2);
    auto before = counts();
    raise({1}, 11); // The next owner; our view still says 10.
    CHECK_EQ(everything(1), std::vector(9, store_refusal::fenced));
    CHECK_EQ(counts(), before);
    // Other shards go on.
    bot_change change;
    change.bot = 2;
    CHECK_EQ(why<bot_row>(change), store_refusal::none);
  });
}

SCENARIO("a node changes nothing of a bot whose shard it never had") {
  store::on_both([this](store::test_store& on) {
    start_clustered(on, {1}, 10);
    insert(1);
    auto before = counts();
    CHECK_EQ(everything(2), std::vector(9, store_refusal::fenced));
    CHECK_EQ(counts(), before);
  });
}

SCENARIO("a change that waits for the store goes by what was owned when it was asked for") {
  store::on_both([this](store::test_store& on) {
    start_clustered(on, {1}, 10);
    insert(1);
    sql->hold = true;
    bot_change change;
    change.bot = 1;
    auto asked = ask(change);
    // Lost, and won again: what was asked for before is not let through by the new hold.
    raise({1}, 12);
    view->set_fence(shard_of(1), 12);
    sql->hold = false;
    sql->release();
    sched.run();
    auto end = answer_of<bot_row>(asked);
    REQUIRE(!end);
    CHECK(end.error() == store_refusal::fenced);
  });
}

SCENARIO("bots are loaded by shards") {
  store::on_both([this](store::test_store& on) {
    start_clustered(on, {1, 2, 3}, 10);
    for (bot_id bot : {1, 2, 3})
      insert(bot);
    bot_load some;
    some.shards = {shard_of(1), shard_of(3)};
    auto loaded = get<page<loaded_bot>>(some);
    REQUIRE_EQ(loaded.rows.size(), 2u);
    CHECK_EQ(loaded.rows[0].bot.id, 1);
    CHECK_EQ(loaded.rows[1].bot.id, 3);
    virtual_token_make make;
    make.bot = 2;
    make.name = "ci";
    get<made_virtual_token>(make);
    virtual_token_load tokens;
    tokens.shards = some.shards;
    CHECK(get<page<made_virtual_token>>(tokens).rows.empty());
    tokens.shards = {shard_of(2)};
    CHECK_EQ(get<page<made_virtual_token>>(tokens).rows.size(), 1u);
  });
}

END_FIXTURE_SCOPE()

} // namespace troupe::store_fences_suite
