#define CAF_SUITE requests
#include "runtime/store/audit.hpp"
#include "runtime/store/bots.hpp"
#include "runtime/store/idempotency.hpp"

#include "tests/store/samples.hpp"
#include "tests/store/stores.hpp"

#include <atomic>
#include <thread>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::store::requests_suite {

using enum idempotency_verdict;

namespace {

const idempotency_key mine{1, 7, "key"};

idempotency_result begin(database& db, const idempotency_key& key, const std::string& body = "b",
                         std::int64_t ms = 0) {
  return db.write(
    [&](unit& u) { return begin_request(u, key, body, "node", at(ms), at(ms + 1000)); });
}

} // namespace

SCENARIO("the first request runs, the others get its answer") {
  on_both([](test_store& store) {
    auto db = store.open();
    CHECK(begin(db, mine).what == started);
    CHECK(begin(db, mine).what == running);
    CHECK(begin(db, mine, "other").what == other_body);
    kept_answer answer{200, "application/json", std::string{"{\"ok\":true}\0\xff\x01", 14}};
    db.write([&](unit& u) {
      CHECK(!finish_request(u, mine, "another node", answer));
      CHECK(finish_request(u, mine, "node", answer));
      CHECK(!finish_request(u, mine, "node", {500, "", "late"}));
    });
    auto again = begin(db, mine);
    CHECK(again.what == done);
    CHECK(again.answer == answer);
    CHECK(begin(db, mine, "other").what == other_body);
    // Another bot's, another tenant's key of the same name, and one that is very long.
    CHECK(begin(db, {1, 8, "key"}).what == started);
    CHECK(begin(db, {2, 7, "key"}).what == started);
    CHECK(begin(db, {1, 7, std::string(100'000, 'k')}).what == started);
    CHECK(begin(db, {1, 7, std::string{"\0\xff", 2}}).what == started);
    // After its time the key is a new one.
    CHECK(begin(db, mine, "other", 999).what == other_body);
    CHECK(begin(db, mine, "other", 1000).what == started);
  });
}

SCENARIO("of many at once exactly one runs") {
  on_both([](test_store& store) {
    auto db = store.open();
    std::atomic<int> begun{0}, waiting{0};
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        (void)failure_of([&] {
          auto own = store.connect();
          own.set_patience(60s);
          for (int j = 0; j < 10; ++j) {
            auto what = begin(own, {1, 7, "key" + std::to_string(j)}).what;
            (what == started ? begun : waiting) += 1;
          }
        });
      });
    for (auto& thread : threads)
      thread.join();
    CHECK_EQ(begun.load(), 10);
    CHECK_EQ(waiting.load(), 30);
  });
}

SCENARIO("what ran when a node ended is never sent again by itself") {
  on_both([](test_store& store) {
    auto db = store.open();
    CHECK(begin(db, mine).what == started);
    CHECK(begin(db, {1, 7, "sent"}).what == started);
    CHECK(begin(db, {1, 7, "not sent"}).what == started);
    db.write([](unit& u) {
      CHECK(finish_request(u, {1, 7, "sent"}, "node", {200, "", "answer"}));
      CHECK(forget_request(u, {1, 7, "not sent"}, "node"));
      CHECK(!forget_request(u, {1, 7, "sent"}, "node"));
    });
    auto again = store.connect();
    CHECK_EQ(again.write([](unit& u) { return lose_requests_of(u, "another node"); }), 0u);
    CHECK_EQ(again.write([](unit& u) { return lose_requests_of(u, "node"); }), 1u);
    CHECK(begin(again, mine).what == outcome_unknown);
    CHECK(begin(again, mine).what == outcome_unknown);
    CHECK(begin(again, {1, 7, "sent"}).what == done);
    CHECK(begin(again, {1, 7, "not sent"}).what == started);
    CHECK(again.write([](unit& u) { return lose_request(u, {1, 7, "not sent"}, "node"); }));
    CHECK(begin(again, {1, 7, "not sent"}).what == outcome_unknown);
  });
}

SCENARIO("keys go when their time is over, and with their bot") {
  on_both([](test_store& store) {
    auto db = store.open();
    for (int i = 0; i < 25; ++i)
      (void)begin(db, {1, 7, std::to_string(i)}, "b", i);
    auto expire = [&](std::int64_t ms) {
      return db.write([&](unit& u) { return expire_requests(u, at(ms), 10); });
    };
    CHECK_EQ(expire(999), 0u);
    CHECK_EQ(expire(1014), 10u);
    CHECK_EQ(expire(1014), 5u);
    CHECK(begin(db, {1, 7, "15"}, "b", 500).what == running);
    CHECK(begin(db, {1, 7, "14"}, "b", 500).what == started);
    CHECK(begin(db, {1, 8, "14"}, "b", 500).what == started);
    db.write([](unit& u) {
      (void)add_bot(u, sample_bot(7), sample_token(7));
      CHECK(remove_bot(u, 1, 7));
      CHECK_EQ(*u.value<int>("SELECT COUNT(*) FROM idempotency"), 1);
    });
  });
}

SCENARIO("the audit trail only grows") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto id = db.write([](unit& u) {
      return add_audit(u, {.at = at(1), .actor = "ada", .tenant = 1, .action = "bot.register"});
    });
    auto refused = [&](const char* sql) {
      return fault_of([&] { db.write([&](unit& u) { u.define(sql); }); }) == fault::constraint;
    };
    CHECK(refused("UPDATE audit SET actor = 'eve'"));
    CHECK(refused("DELETE FROM audit"));
    if (store.kind == backend::sqlite)
      CHECK(refused("INSERT OR REPLACE INTO audit SELECT id, at, 'eve', actor_key, tenant, action, "
                    "subject, outcome, address, request, detail FROM audit"));
    else {
      CHECK(refused("TRUNCATE audit"));
      CHECK(refused(
        "INSERT INTO audit SELECT * FROM audit ON CONFLICT (id) DO UPDATE SET actor = 'eve'"));
    }
    auto all = db.read([](unit& u) { return find_audit(u, {}); });
    REQUIRE_EQ(all.size(), 1u);
    CHECK_EQ(all[0].id, id);
    CHECK_EQ(all[0].actor, "ada");
    // It goes with the unit it tells of.
    CHECK_THROWS_AS(db.write([](unit& u) {
      add_audit(u, {.action = "bot.remove"});
      throw std::runtime_error("no");
    }),
                    std::runtime_error);
    CHECK_EQ(db.read([](unit& u) { return find_audit(u, {}).size(); }), 1u);
  });
}

SCENARIO("the audit trail is asked by tenant, subject, action and time, newest first") {
  on_both([](test_store& store) {
    auto db = store.open();
    db.write([](unit& u) {
      for (int i = 0; i < 30; ++i) {
        audit_entry x{.at = at(i),
                      .actor = "trp_t_abc (ci)",
                      .key = i,
                      .tenant = {},
                      .action = i % 2 ? "bot.suspend" : "bot.resume",
                      .subject = "bot:" + std::to_string(i % 5),
                      .outcome = "ok",
                      .address = "203.0.113.9",
                      .request = "r" + std::to_string(i),
                      .detail = R"({"i":1})"};
        if (i % 3 != 2)
          x.tenant = 1 + i % 3;
        add_audit(u, x);
      }
    });
    db.read([](unit& u) {
      CHECK_EQ(find_audit(u, {}).size(), 30u);
      CHECK_EQ(find_audit(u, {.tenant = 1}).size(), 10u);
      CHECK_EQ(find_audit(u, {.tenant = 3}).size(), 0u);
      CHECK_EQ(find_audit(u, {.subject = "bot:3"}).size(), 6u);
      CHECK_EQ(find_audit(u, {.tenant = 2, .subject = "bot:1"}).size(), 2u);
      CHECK_EQ(find_audit(u, {.action = "bot.suspend"}).size(), 15u);
      CHECK_EQ(find_audit(u, {.from = at(10), .until = at(20)}).size(), 10u);
      auto page = find_audit(u, {.limit = 4});
      REQUIRE_EQ(page.size(), 4u);
      CHECK_EQ(page[0].request, "r29");
      CHECK_EQ(page[3].request, "r26");
      auto next = find_audit(u, {.before = page[3].id, .limit = 4});
      CHECK_EQ(next[0].request, "r25");
      CHECK_EQ(next[0].key, 25);
      CHECK_EQ(next[0].address, "203.0.113.9");
      CHECK_EQ(next[0].detail, R"({"i":1})");
      CHECK(next[0].at == at(25));
    });
  });
}

} // namespace troupe::store::requests_suite
