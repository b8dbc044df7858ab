#define CAF_SUITE store_keys
#include "actors/store/state.hpp"
#include "tests/durable/fixture.hpp"

namespace troupe::store_keys_suite {

using namespace troupe::durable_tests;
using store::on_both;
using store::test_store;

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a key is recognised until it is revoked, expires, or its tenant is suspended") {
  on_both([this](test_store& on) {
    start(on);
    auto tenant = get<tenant_row>(tenant_put{ada(), {0, "acme", false, 0, 0, 0}});
    auto made = get<made_key>(key_make{ada(), tenant.id, 0, key_role::developer, "laptop",
                                       (wall + 1h).time_since_epoch().count()});
    auto seen = get<identity>(authenticate{made.key});
    CHECK_EQ(seen.key.id, made.row.id);
    CHECK_EQ(seen.key.tenant, tenant.id);
    CHECK(seen.key.role == key_role::developer);
    CHECK_EQ(seen.tenant_name, "acme");
    // Known now: without the database.
    auto reads = get<store_report>(get_report{}).reads;
    get<identity>(authenticate{made.key});
    CHECK_EQ(get<store_report>(get_report{}).reads, reads);
    // Every change is seen by the very next request.
    tenant.suspended = true;
    get<tenant_row>(tenant_put{ada(), tenant});
    CHECK(why<identity>(authenticate{made.key}) == store_refusal::tenant_suspended);
    tenant.suspended = false;
    get<tenant_row>(tenant_put{ada(), tenant});
    get<identity>(authenticate{made.key});
    wall += 2h;
    CHECK(why<identity>(authenticate{made.key}) == store_refusal::expired);
    wall -= 2h;
    get<identity>(authenticate{made.key});
    get<done>(key_revoke{ada(), tenant.id, made.row.id});
    CHECK(why<identity>(authenticate{made.key}) == store_refusal::revoked);
    CHECK(why<done>(key_revoke{ada(), tenant.id, made.row.id}) == store_refusal::not_found);
  });
}

SCENARIO("an answer that was read before a change is not remembered") {
  on_both([this](test_store& on) {
    start(on);
    auto made = get<made_key>(key_make{ada(), 1, 0, key_role::viewer, "k", 0});
    sql->hold = true;
    auto early = ask(authenticate{made.key});
    auto revoked = ask(key_revoke{ada(), 1, made.row.id});
    // The key was read before it was revoked, but its thread says so later.
    sql->reversed = true;
    sql->hold = false;
    sql->release();
    sql->reversed = false;
    sched.run();
    CHECK(answer_of<done>(revoked).engaged());
    CHECK(answer_of<identity>(early).engaged());
    CHECK(why<identity>(authenticate{made.key}) == store_refusal::revoked);
  });
}

SCENARIO("keys that were recognised are remembered up to a number of them") {
  on_both([this](test_store& on) {
    start(on);
    using impl = storage::store_impl::stateful_impl<storage::store_state>;
    auto& state = deref<impl>(who).state;
    state.cfg.max_identities = 3;
    auto tenant = get<tenant_row>(tenant_put{ada(), {0, "acme", false, 0, 0, 0}});
    std::size_t most = 0;
    for (int i = 0; i < 8; ++i) {
      auto made = get<made_key>(
        key_make{ada(), tenant.id, 0, key_role::viewer, "key " + std::to_string(i), 0});
      CHECK_EQ(get<identity>(authenticate{made.key}).key.id, made.row.id);
      CHECK_EQ(get<identity>(authenticate{made.key}).key.id, made.row.id);
      most = std::max(most, state.identities.size());
    }
    CHECK(most >= 1 && most <= 3);
  });
}

SCENARIO("what is no key costs no look at the database") {
  on_both([this](test_store& on) {
    start(on);
    auto made = get<made_key>(key_make{ada(), 0, 0, key_role::operator_, "op", 0});
    CHECK(made.key.text.starts_with("trp_o_"));
    auto reads = get<store_report>(get_report{}).reads;
    for (auto text : {std::string{}, std::string{"trp_o_x"}, made.key.text.substr(1),
                      made.key.text.substr(0, 54), made.key.text + 'a'})
      CHECK(why<identity>(authenticate{{text}}) == store_refusal::not_found);
    CHECK_EQ(get<store_report>(get_report{}).reads, reads);
    CHECK_EQ(get<identity>(authenticate{made.key}).key.tenant, 0u);
  });
}

SCENARIO("keys that contradict themselves are not made") {
  on_both([this](test_store& on) {
    start(on);
    CHECK(why<made_key>(key_make{ada(), 1, 0, key_role::operator_, "", 0})
          == store_refusal::invalid);
    CHECK(why<made_key>(key_make{ada(), 0, 0, key_role::admin, "", 0}) == store_refusal::invalid);
    CHECK(why<made_key>(key_make{ada(), 99, 0, key_role::admin, "", 0})
          == store_refusal::not_found);
    CHECK(why<made_key>(key_make{ada(), 1, 5, key_role::admin, "", 0}) == store_refusal::not_found);
    CHECK(why<user_row>(user_put{ada(), {0, 1, "eve", key_role::operator_, 0}})
          == store_refusal::invalid);
    auto user = get<user_row>(user_put{ada(), {0, 1, "eve", key_role::viewer, 0}});
    CHECK(why<user_row>(user_put{ada(), {0, 1, "eve", key_role::viewer, 0}})
          == store_refusal::duplicate);
    auto made = get<made_key>(key_make{ada(), 1, user.id, key_role::viewer, "", 0});
    get<identity>(authenticate{made.key});
    get<done>(user_remove{ada(), 1, user.id});
    CHECK(why<identity>(authenticate{made.key}) == store_refusal::not_found);
    CHECK(get<page<user_row>>(user_query{1, 0, 10}).rows.empty());
  });
}

SCENARIO("users, keys and virtual tokens have bounds, which those that are gone do not fill") {
  on_both([this](test_store& on) {
    start(on);
    auto few = std::make_shared<storage::context>(*context);
    few->max_users = few->max_keys = few->max_virtual_tokens = 2;
    context = few;
    stop();
    spawn();
    auto user = [&](std::string name, tenant_id tenant = 1) {
      return user_put{ada(), {0, tenant, std::move(name), key_role::viewer, 0}};
    };
    auto first = get<user_row>(user("a"));
    get<user_row>(user("b"));
    CHECK(why<user_row>(user("c")) == store_refusal::too_many);
    CHECK_EQ(trail("", "user.add").at(0).outcome, "too_many");
    auto other = get<tenant_row>(tenant_put{ada(), {0, "acme", false, 0, 0, 0}});
    get<user_row>(user("c", other.id));
    get<done>(user_remove{ada(), 1, first.id});
    get<user_row>(user("c"));

    auto key = [](std::int64_t expires = 0) {
      return key_make{ada(), 1, 0, key_role::viewer, "k", expires};
    };
    auto soon = (wall + 1h).time_since_epoch().count();
    auto made = get<made_key>(key());
    get<made_key>(key(soon));
    CHECK(why<made_key>(key()) == store_refusal::too_many);
    get<done>(key_revoke{ada(), 1, made.row.id});
    get<made_key>(key());
    CHECK(why<made_key>(key()) == store_refusal::too_many);
    for (int i = 0; i < 3; ++i) // Operators' have none.
      get<made_key>(key_make{ada(), 0, 0, key_role::operator_, "k", 0});

    insert(4242);
    insert(4243);
    auto token = [](bot_id bot, std::int64_t expires = 0) {
      return virtual_token_make{ada(), 1, bot, "ci", {}, expires};
    };
    auto one = get<made_virtual_token>(token(4242));
    get<made_virtual_token>(token(4242, soon));
    CHECK(why<made_virtual_token>(token(4242)) == store_refusal::too_many);
    get<made_virtual_token>(token(4243));
    get<done>(virtual_token_revoke{ada(), 1, 4242, one.row.id});
    get<made_virtual_token>(token(4242));
    wall += 2h; // Two that were valid for an hour.
    get<made_key>(key());
    get<made_virtual_token>(token(4242));
    wall -= 2h;
  });
}

SCENARIO("a tenant goes only without bots, and the first one never") {
  on_both([this](test_store& on) {
    start(on);
    auto tenant = get<tenant_row>(tenant_put{ada(), {0, "acme", false, 5, 9, 0}});
    CHECK(why<tenant_row>(tenant_put{ada(), {0, "acme", false, 0, 0, 0}})
          == store_refusal::duplicate);
    CHECK(why<tenant_row>(tenant_put{ada(), {77, "x", false, 0, 0, 0}})
          == store_refusal::not_found);
    insert(4, tenant.id);
    CHECK(why<done>(tenant_remove{ada(), tenant.id}) == store_refusal::conflict);
    get<bot_row>(bot_remove{ada(), 0, 4});
    get<done>(tenant_remove{ada(), tenant.id});
    CHECK(why<done>(tenant_remove{ada(), 1}) == store_refusal::conflict);
    auto all = get<page<tenant_row>>(tenant_query{});
    CHECK_EQ(all.rows.size(), 1u);
    CHECK(why<page<tenant_row>>(tenant_query{tenant.id}) == store_refusal::not_found);
  });
}

SCENARIO("a virtual token is shown once and lives until it is revoked") {
  on_both([this](test_store& on) {
    start(on);
    insert(4242);
    auto made =
      get<made_virtual_token>(virtual_token_make{ada(), 1, 4242, "ci", {"getme", "sendmessage"}});
    CHECK(made.token.text.starts_with("4242:"));
    CHECK_EQ(made.token.text.size(), 40u);
    auto loaded = get<page<made_virtual_token>>(virtual_token_load{});
    REQUIRE_EQ(loaded.rows.size(), 1u);
    CHECK_EQ(loaded.rows[0].row.methods.size(), 2u);
    CHECK_EQ(loaded.rows[0].token.text.size(), 43u);
    CHECK_NE(loaded.rows[0].token.text, made.token.text);
    CHECK_EQ((get<page<virtual_token_row>>(virtual_token_query{1, 4242}).rows.size()), 1u);
    CHECK(why<done>(virtual_token_revoke{ada(), 2, 4242, made.row.id}) == store_refusal::not_found);
    get<done>(virtual_token_revoke{ada(), 1, 4242, made.row.id});
    CHECK(get<page<made_virtual_token>>(virtual_token_load{}).rows.empty());
    CHECK(why<made_virtual_token>(virtual_token_make{ada(), 1, 1, "ci", {}, 0})
          == store_refusal::not_found);
  });
}

SCENARIO("a bot whose owner is not proven gets no virtual tokens, and the trail says so") {
  on_both([this](test_store& on) {
    start(on);
    bot_insert what;
    what.by = ada();
    what.token = {token_of(5)};
    what.bot.id = 5;
    what.bot.tenant = 1;
    what.bot.phase = bot_phase::pending;
    get<bot_row>(what);
    auto made = virtual_token_make{ada(), 1, 5, "ci", {}, 0};
    CHECK(why<made_virtual_token>(made) == store_refusal::not_verified);
    CHECK_EQ(trail().at(0).outcome, "not_verified");
    // To another tenant it does not exist.
    CHECK(why<made_virtual_token>(virtual_token_make{ada(), 2, 5, "ci", {}, 0})
          == store_refusal::not_found);
    get<bot_row>(bot_state_set{ada(), "bot.suspend", 1, 5, 0, bot_phase::suspended, "", 0, 0});
    CHECK(why<made_virtual_token>(made) == store_refusal::not_verified);
    auto code = get<verification_row>(verification_make{ada(), 1, 5}).code.text;
    CHECK(get<code_verdict>(verification_try{5, code, 9}) == code_verdict::verified);
    get<made_virtual_token>(made);
  });
}

SCENARIO("a code proves the ownership: once, in time, with few attempts, for its bot alone") {
  on_both([this](test_store& on) {
    start(on);
    insert(1);
    insert(2);
    auto code = get<verification_row>(verification_make{ada(), 1, 1}).code.text;
    CHECK_EQ(code.size(), 10u);
    CHECK(get<verification_row>(verification_query{1, 1}).code.text.empty());
    CHECK(get<code_verdict>(verification_try{2, code, 99}) == code_verdict::no_code);
    CHECK(get<code_verdict>(verification_try{1, "WRONGWRONG", 99}) == code_verdict::wrong);
    CHECK_EQ(get<verification_row>(verification_query{1, 1}).attempts, 1u);
    CHECK(get<code_verdict>(verification_try{1, code, 99}) == code_verdict::verified);
    CHECK_EQ(get<bot_batch>(bot_lookup{1, {1}}).bots.at(0).owner, 99);
    CHECK(get<code_verdict>(verification_try{1, code, 99}) == code_verdict::no_code);
    auto late = get<verification_row>(verification_make{ada(), 1, 2}).code.text;
    wall += 16min;
    CHECK(get<code_verdict>(verification_try{2, late, 99}) == code_verdict::expired);
    auto guessed = get<verification_row>(verification_make{ada(), 1, 2}).code.text;
    for (int i = 0; i < 5; ++i)
      CHECK(get<code_verdict>(verification_try{2, "WRONGWRONG", 5}) == code_verdict::wrong);
    CHECK(get<code_verdict>(verification_try{2, guessed, 5}) == code_verdict::too_many_attempts);
    auto again = get<verification_row>(verification_make{ada(), 1, 2}).code.text;
    CHECK(get<code_verdict>(verification_try{2, again, 5}) == code_verdict::verified);
  });
}

SCENARIO("what strangers send to a bot uses up nobody's attempts but their own") {
  on_both([this](test_store& on) {
    start(on);
    insert(1);
    auto code = get<verification_row>(verification_make{ada(), 1, 1}).code.text;
    auto trail_before = trail().size();
    for (int i = 0; i < 20; ++i) // Links that lead to the bot: t.me/BOT?start=…
      CHECK(get<code_verdict>(verification_try{1, "ref_" + std::to_string(i), 5})
            == code_verdict::wrong);
    CHECK_EQ(get<verification_row>(verification_query{1, 1}).attempts, 0u);
    CHECK_EQ(trail().size(), trail_before);
    for (std::int64_t sender = 100; sender < 120; ++sender) // Such as look like a code.
      CHECK(get<code_verdict>(verification_try{1, "1234567890", sender}) == code_verdict::wrong);
    for (int i = 0; i < 9; ++i)
      CHECK_EQ(get<code_verdict>(verification_try{1, "1234567891", 5}) == code_verdict::wrong,
               i < 5);
    CHECK(get<code_verdict>(verification_try{1, code, 5}) == code_verdict::too_many_attempts);
    CHECK_EQ(get<verification_row>(verification_query{1, 1}).attempts, 25u);
    CHECK(get<code_verdict>(verification_try{1, code, 99}) == code_verdict::verified);
  });
}

SCENARIO("wrong codes are bounded in number, whoever sends them") {
  on_both([this](test_store& on) {
    start(on);
    insert(1);
    auto code = get<verification_row>(verification_make{ada(), 1, 1}).code.text;
    on.open().write(
      [](store::unit& u) { u.execute("UPDATE verification_codes SET attempts = 1000"); });
    CHECK(get<code_verdict>(verification_try{1, code, 99}) == code_verdict::too_many_attempts);
    code = get<verification_row>(verification_make{ada(), 1, 1}).code.text;
    CHECK(get<code_verdict>(verification_try{1, code, 99}) == code_verdict::verified);
  });
}

END_FIXTURE_SCOPE()

} // namespace troupe::store_keys_suite
