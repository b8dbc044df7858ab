#define CAF_SUITE store_records
#include "tests/durable/fixture.hpp"

#include "runtime/store/analytics.hpp"
#include "runtime/store/bots.hpp"
#include "runtime/store/idempotency.hpp"
#include "runtime/store/shards.hpp"

#include <filesystem>

namespace troupe::store_records_suite {

using namespace troupe::durable_tests;
using store::on_both;
using store::test_store;

namespace {

idempotency_begin begin_of(std::string body, caf::timespan patience = 0s) {
  return {1, 0, "key", std::move(body), patience};
}

idempotency_end end_of(idempotency_end_kind how, std::string body = {}) {
  return {1, 0, "key", how, {idempotency_what::finished, 200, "application/json", std::move(body)}};
}

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a request with a key is run once; the others get its answer") {
  on_both([this](test_store& on) {
    using enum idempotency_what;
    start(on);
    CHECK(get<idempotency_answer>(begin_of("a")).what == started);
    CHECK(get<idempotency_answer>(begin_of("b")).what == other_body);
    CHECK(get<idempotency_answer>(begin_of("a")).what == running);
    get<done>(end_of(idempotency_end_kind::finish, R"({"ok":true})"));
    auto kept = get<idempotency_answer>(begin_of("a"));
    CHECK(kept.what == finished);
    CHECK_EQ(kept.status, 200);
    CHECK_EQ(kept.body, R"({"ok":true})");
    CHECK_EQ(kept.content_type, "application/json");
    CHECK(why<done>(end_of(idempotency_end_kind::finish)) == store_refusal::not_found);
    wall += 25h;
    CHECK(get<idempotency_answer>(begin_of("b")).what == started);
  });
}

SCENARIO("a store that begins anew knows no more whether requests run, until they end all the same") {
  on_both([this](test_store& on) {
    using enum idempotency_what;
    start(on);
    get<idempotency_answer>(begin_of("a"));
    stop();
    sql->faults = {store_refusal::unavailable}; // Its first try to say so.
    spawn();
    CHECK(get<idempotency_answer>(begin_of("a")).what == running);
    advance_time(config.look_again);
    sched.run();
    CHECK(get<idempotency_answer>(begin_of("a")).what == outcome_unknown);
    get<done>(end_of(idempotency_end_kind::finish, "late"));
    CHECK_EQ(get<idempotency_answer>(begin_of("a")).body, "late");
    CHECK(why<done>(end_of(idempotency_end_kind::finish, "twice")) == store_refusal::not_found);
    wall += 25h;
    get<idempotency_answer>(begin_of("b"));
    stop();
    spawn();
    get<done>(end_of(idempotency_end_kind::forget));
    CHECK(get<idempotency_answer>(begin_of("b")).what == started);
  });
}

SCENARIO("a request whose beginning may have been written down does not run for ever") {
  on_both([this](test_store& on) {
    using enum idempotency_what;
    start(on);
    auto later = [this] {
      advance_time(config.look_again);
      sched.run();
    };
    sql->unknown = inline_sql_unknown::stored;
    CHECK(why<idempotency_answer>(begin_of("a")) == store_refusal::outcome_unknown);
    CHECK(get<idempotency_answer>(begin_of("a")).what == running);
    sql->faults = {store_refusal::unavailable};
    later();
    later();
    CHECK(get<idempotency_answer>(begin_of("a")).what == outcome_unknown);
    wall += 25h;
    sql->unknown = inline_sql_unknown::lost;
    CHECK(why<idempotency_answer>(begin_of("a")) == store_refusal::outcome_unknown);
    later();
    CHECK(get<idempotency_answer>(begin_of("a")).what == started);
    get<done>(end_of(idempotency_end_kind::finish, "x"));
    CHECK_EQ(get<idempotency_answer>(begin_of("a")).body, "x");
  });
}

SCENARIO("a second one waits for the first: for its answer, its failure, or its own patience") {
  on_both([this](test_store& on) {
    using enum idempotency_what;
    start(on);
    get<idempotency_answer>(begin_of("a"));
    auto waits = ask(begin_of("a", 10s));
    get<done>(end_of(idempotency_end_kind::finish, "x"));
    CHECK(answer_of<idempotency_answer>(waits)->what == finished);
    wall += 25h;
    get<idempotency_answer>(begin_of("a"));
    auto next = ask(begin_of("a", 10s));
    auto after_that = ask(begin_of("a", 500ms));
    get<done>(end_of(idempotency_end_kind::forget));
    CHECK(answer_of<idempotency_answer>(next)->what == started); // It is the first now.
    for (int i = 0; i < 3; ++i) {
      advance_time(250ms);
      sched.run();
    }
    CHECK(answer_of<idempotency_answer>(after_that)->what == running);
    auto last = ask(begin_of("a", 10s));
    get<done>(end_of(idempotency_end_kind::lose));
    CHECK(answer_of<idempotency_answer>(last)->what == outcome_unknown);
  });
}

SCENARIO("one that runs on another node is looked for again and again") {
  on_both([this](test_store& on) {
    using enum idempotency_what;
    start(on);
    auto elsewhere = on.connect();
    store::idempotency_key key{1, 0, "key"};
    elsewhere.write([&](store::unit& u) {
      (void)store::begin_request(u, key, "a", "other-node", wall, wall + 24h);
    });
    auto waits = ask(begin_of("a", 10s));
    elsewhere.write([&](store::unit& u) {
      CHECK(store::finish_request(u, key, "other-node", {201, "text/plain", "there"}));
    });
    advance_time(250ms);
    sched.run();
    auto answer = answer_of<idempotency_answer>(waits);
    REQUIRE(answer.engaged());
    CHECK(answer->what == finished);
    CHECK_EQ(answer->body, "there");
  });
}

SCENARIO("health and usage come back as they were saved") {
  on_both([this](test_store& on) {
    start(on);
    insert(7);
    health_row health;
    health.bot = 7;
    health.status = health_status::degraded;
    health.requests = 10;
    health.failures = 4;
    health.latency_us = 1500;
    health.last_failure = 5;
    health.breaker = breaker_state::open;
    health.breaker_until = 99;
    get<done>(health_save{{health, health_row{.bot = 8}}});
    auto found = get<health_row>(health_query{1, 7});
    CHECK(found.status == health_status::degraded);
    CHECK_EQ(found.failures, 4u);
    CHECK_EQ(found.last_success, 0);
    CHECK_EQ(found.last_failure, 5);
    CHECK_EQ(found.breaker_until, 99);
    CHECK_EQ(get<page<health_row>>(health_load{}).rows.size(), 1u);
    CHECK_EQ(get<page<health_row>>(health_load{0, 10, {shard_of(7)}}).rows.size(), 1u);
    CHECK(get<page<health_row>>(health_load{0, 10, {shard_of(8)}}).rows.empty());
    on.open().write([](store::unit& u) {
      shard_hold newest{shard_of(7), 6};
      store::raise_fences(u, {&newest, 1});
    });
    get<done>(health_save{{health_row{.bot = 7}}, {{shard_of(7), 5}}}); // Another's by now.
    CHECK_EQ(get<health_row>(health_query{1, 7}).failures, 4u);
    CHECK(why<health_row>(health_query{2, 7}) == store_refusal::not_found);
    usage_row hour;
    hour.at = store::hour_of(wall);
    hour.calls = {3, 1, 1, 0, 4500};
    hour.methods = {{"sendMessage", {3, 1, 1, 0, 4500}}};
    hour.chats = {{5, 2}};
    get<done>(usage_add{{{7, hour}, {8, hour}}});
    get<done>(usage_add{{{7, hour}}});
    auto report = get<usage_report>(usage_query{1, 7, 7});
    REQUIRE_EQ(report.days.size(), 1u);
    CHECK_EQ(report.days[0].calls.requests, 6);
    CHECK_EQ(report.days[0].methods.at(0).second.latency_us, 9000);
    CHECK_EQ(report.days[0].chats.at(0).second, 4);
    CHECK_EQ(report.days[0].hours.size(), 24u);
    CHECK_EQ(report.today.size(), 1u);
    CHECK(why<usage_report>(usage_query{2, 7, 7}) == store_refusal::not_found);
  });
}

SCENARIO("what nobody needs any more is removed, a few rows at a time") {
  on_both([this](test_store& on) {
    config.upkeep_rows = 2;
    start(on);
    auto db = on.connect();
    auto rows = [&](const char* of) {
      return db.read([&](store::unit& u) {
        return u.value<std::int64_t>(of).value_or(-1);
      });
    };
    for (int i = 0; i < 5; ++i) {
      auto x = begin_of("a");
      x.key += std::to_string(i);
      get<idempotency_answer>(x);
    }
    insert(7);
    insert(8);
    usage_row hour;
    hour.calls = {1, 0, 0, 0, 10};
    hour.at = store::hour_of(wall);
    get<done>(usage_add{{{7, hour}, {8, hour}}});
    wall += 25h;
    auto begun = get<idempotency_answer>(begin_of("a"));
    CHECK(begun.what == idempotency_what::started);
    advance_time(10min);
    sched.run();
    CHECK_EQ(rows("SELECT COUNT(*) FROM idempotency"), 4);
    for (int i = 0; i < 2; ++i) {
      advance_time(100ms);
      sched.run();
    }
    CHECK_EQ(rows("SELECT COUNT(*) FROM idempotency"), 1); // What still runs its day.
    wall += 24h * 10;
    advance_time(6h);
    sched.run();
    CHECK_EQ(rows("SELECT COUNT(*) FROM usage_hours"), 0);
    CHECK_EQ(rows("SELECT COUNT(*) FROM usage_days"), 2);
    stop();
    config = {};
  });
}

SCENARIO("the trail is read page by page, a tenant its own") {
  on_both([this](test_store& on) {
    start(on);
    for (int i = 0; i < 5; ++i) {
      audit_row row;
      row.by = ada();
      row.tenant = i % 2 + 1;
      row.action = "test";
      row.subject = "subject:" + std::to_string(i);
      row.outcome = "ok";
      CHECK(get<audit_row>(row).id > 0);
    }
    audit_query two;
    two.limit = 2;
    auto first = get<page<audit_row>>(two);
    CHECK(first.more);
    CHECK_EQ(first.rows.at(0).subject, "subject:4");
    two.before = first.rows.at(1).id;
    auto second = get<page<audit_row>>(two);
    CHECK_EQ(second.rows.at(0).subject, "subject:2");
    CHECK_EQ(trail("", "", 2).size(), 2u);
    CHECK_EQ(trail("subject:3").size(), 1u);
  });
}

SCENARIO("a store is copied while it is used") {
  test_store on{store::backend::sqlite};
  start(on);
  insert(7);
  auto path = on.dir + "/copy.db";
  auto copied = get<backup_done>(backup_request{ada(), path});
  for (auto& one : std::filesystem::directory_iterator{std::filesystem::path{path}.parent_path()})
    CHECK(one.path().string().find(".part-") == std::string::npos); // Nothing of its making is left.
  CHECK_EQ(copied.path, path);
  CHECK_EQ(copied.bytes, std::filesystem::file_size(path));
  insert(8);
  store::database copy{{.where = {store::backend::sqlite, path}}};
  CHECK_EQ(copy.read([](store::unit& u) { return store::load_bots(u, 0, 10).size(); }), 1u);
  CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms{0077})
        == std::filesystem::perms::none);
  CHECK(why<backup_done>(backup_request{ada(), path}) == store_refusal::duplicate);
  // A place that the node cannot write to is the caller's mistake, not the database's fault.
  for (const auto* nowhere : {"/none/copy.db", "/copy.db/copy.db"})
    CHECK(why<backup_done>(backup_request{ada(), on.dir + nowhere}) == store_refusal::not_found);
  std::filesystem::create_symlink("nothing", on.dir + "/dangling");
  CHECK(why<backup_done>(backup_request{ada(), on.dir + "/dangling"}) == store_refusal::duplicate);
  CHECK_EQ(trail("", "store.backup").size(), 5u);
}

SCENARIO("PostgreSQL is not copied") {
  test_store on{store::backend::postgresql};
  start(on);
  auto path = std::filesystem::temp_directory_path() / "troupe-none.db";
  CHECK(why<backup_done>(backup_request{ada(), path.string()}) == store_refusal::invalid);
  CHECK(!std::filesystem::exists(path));
}

SCENARIO("a store with too much to do says so at once, and has room again later") {
  test_store on{store::backend::sqlite};
  config.max_waiting = 3;
  start(on);
  sql->hold = true;
  auto a = ask(bot_query{});
  auto b = ask(bot_query{});
  auto c = ask(tenant_put{ada(), {0, "acme", false, 0, 0, 0}});
  CHECK(why<page<bot_row>>(bot_query{}) == store_refusal::unavailable);
  CHECK_EQ(get<store_report>(get_report{}).waiting, 3u);
  sql->hold = false;
  sql->release();
  sched.run();
  CHECK(answer_of<tenant_row>(c).engaged());
  CHECK(get<page<bot_row>>(bot_query{}).rows.empty());
  answer_of<page<bot_row>>(a);
  answer_of<page<bot_row>>(b);
}

SCENARIO("asked to end, the store answers what waits, takes nothing new, and ends") {
  test_store on{store::backend::sqlite};
  start(on);
  sql->hold = true;
  auto waits = ask(tenant_put{ada(), {0, "acme", false, 0, 0, 0}});
  self->monitor(who);
  caf::anon_send_exit(who, caf::exit_reason::user_shutdown);
  sched.run();
  CHECK(why<page<bot_row>>(bot_query{}) == store_refusal::unavailable);
  sql->release();
  sched.run();
  CHECK_EQ(answer_of<tenant_row>(waits)->name, "acme");
  bool ended = false;
  self->receive([&](const caf::down_msg& x) { ended = x.source == who.address(); });
  CHECK(ended);
}

SCENARIO("a killed store answers with an error; what it had acknowledged is there") {
  on_both([this](test_store& on) {
    start(on);
    insert(1);
    sql->hold = true;
    auto lost = ask(tenant_put{ada(), {0, "acme", false, 0, 0, 0}});
    stop();
    CHECK(!answer_of<tenant_row>(lost));
    sql->hold = false;
    sql->release(); // Ends behind the actor's back: nobody hears of it.
    spawn();
    CHECK_EQ(get<page<bot_row>>(bot_query{}).rows.size(), 1u);
    CHECK_EQ(get<page<tenant_row>>(tenant_query{}).rows.size(), 2u);
  });
}

SCENARIO("failures of the database are told as what they are") {
  test_store on{store::backend::sqlite};
  start(on);
  for (auto what : {store_refusal::unavailable, store_refusal::disk_full,
                    store_refusal::outcome_unknown, store_refusal::failed}) {
    sql->faults = {what};
    CHECK(why<page<bot_row>>(bot_query{}) == what);
  }
  auto report = get<store_report>(get_report{});
  CHECK_EQ(report.failures, 4u);
  sql->faults = {store_refusal::unavailable};
  CHECK(why<page<bot_row>>(bot_query{}) == store_refusal::unavailable);
  CHECK(!get<store_report>(get_report{}).reachable);
  get<page<bot_row>>(bot_query{});
  CHECK(get<store_report>(get_report{}).reachable);
}

END_FIXTURE_SCOPE()

} // namespace troupe::store_records_suite
