#define CAF_SUITE database
#include "tests/store/stores.hpp"

#include <sys/stat.h>

#include <atomic>
#include <thread>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::store::database_suite {

namespace {

using pair = std::tuple<std::int64_t, std::string>;

void make_table(database& db) {
  db.write([](unit& u) {
    u.define("CREATE TABLE t (id BIGINT PRIMARY KEY, text TEXT, "
             "number BIGINT CHECK (number < 1000), word TEXT NOT NULL DEFAULT 'w')");
    u.define("CREATE UNIQUE INDEX t_by_text ON t (text) WHERE number IS NULL");
  });
}

std::size_t add(unit& u, std::int64_t id, std::optional<std::string> text,
                std::optional<std::int64_t> number = {}) {
  return u.execute("INSERT INTO t (id, text, number) VALUES (:id, :text, :number)", id, text,
                   number);
}

std::int64_t count(database& db) {
  return db.read([](unit& u) { return *u.value<std::int64_t>("SELECT COUNT(*) FROM t"); });
}

} // namespace

SCENARIO("what is written is read back exactly") {
  on_both([](test_store& store) {
    auto db = store.connect();
    make_table(db);
    std::string odd = "'; DROP TABLE t; -- \" : $1 \\ \n\t ü 漢字 😀 \x7f";
    db.write([&](unit& u) {
      CHECK_EQ(add(u, INT64_MAX, odd, INT64_MIN), 1u);
      CHECK_EQ(add(u, INT64_MIN, "", 0), 1u);
      CHECK_EQ(add(u, 0, std::nullopt), 1u);
      CHECK_EQ(add(u, 1, std::string(300'000, 'x'), 7), 1u);
    });
    using row = std::tuple<std::int64_t, std::optional<std::string>, std::optional<std::int64_t>>;
    auto rows =
      db.read([](unit& u) { return u.rows<row>("SELECT id, text, number FROM t ORDER BY id"); });
    REQUIRE_EQ(rows.size(), 4u);
    CHECK(rows[0] == row(INT64_MIN, "", 0));
    CHECK(rows[1] == row(0, std::nullopt, std::nullopt));
    CHECK(rows[2] == row(1, std::string(300'000, 'x'), 7));
    CHECK(rows[3] == row(INT64_MAX, odd, INT64_MIN));
    // The same statement with other values, and with nothing found.
    for (int i = 0; i < 3; ++i)
      CHECK_EQ(db.read([&](unit& u) {
        return u.value<std::int64_t>("SELECT id FROM t WHERE text = :text", i == 1 ? odd : "none")
          .value_or(-1);
      }),
               i == 1 ? INT64_MAX : -1);
  });
}

SCENARIO("a text that one of the databases would change is refused by both") {
  on_both([](test_store& store) {
    auto db = store.connect();
    make_table(db);
    for (auto text :
         {std::string{"a\0b", 3}, std::string{"\xff"}, std::string{"\xc0\x80"},
          std::string{"\xed\xa0\x80"}, std::string{"\xe2\x82"}, std::string{"\xf4\x90\x80\x80"}})
      CHECK(fault_of([&] { db.write([&](unit& u) { add(u, 1, text); }); }) == fault::constraint);
    CHECK_EQ(count(db), 0);
  });
}

SCENARIO("a unit is stored whole or not at all") {
  on_both([](test_store& store) {
    auto db = store.connect();
    make_table(db);
    CHECK_THROWS_AS(db.write([](unit& u) {
      add(u, 1, "one");
      throw std::runtime_error("changed my mind");
    }),
                    std::runtime_error);
    CHECK_EQ(count(db), 0);
    CHECK(fault_of([&] {
            db.write([](unit& u) {
              add(u, 1, "one");
              add(u, 1, "again");
            });
          })
          == fault::constraint);
    CHECK_EQ(count(db), 0);
    // Whoever swallows a failure does not get half a unit stored.
    CHECK(fault_of([&] {
            db.write([](unit& u) {
              add(u, 1, "one");
              (void)fault_of([&] { add(u, 1, "again"); });
            });
          })
          == fault::constraint);
    CHECK(fault_of([&] {
            db.write([](unit& u) {
              (void)fault_of([&] { add(u, 2, std::string{"\xff"}); });
              add(u, 3, "three");
            });
          })
          == fault::constraint);
    CHECK_EQ(count(db), 0);
    db.write([](unit& u) { add(u, 1, "one"); });
    CHECK_EQ(store.connect().read([](unit& u) {
      return *u.value<std::string>("SELECT text FROM t WHERE id = :id", 1);
    }),
             "one");
  });
}

SCENARIO("a reading unit sees one moment and writes nothing") {
  on_both([](test_store& store) {
    auto db = store.connect();
    make_table(db);
    auto other = store.connect();
    db.read([&](unit& u) {
      CHECK_EQ(*u.value<std::int64_t>("SELECT COUNT(*) FROM t"), 0);
      other.write([](unit& w) { add(w, 1, "one"); });
      CHECK_EQ(*u.value<std::int64_t>("SELECT COUNT(*) FROM t"), 0);
    });
    CHECK_EQ(count(db), 1);
    db.set_patience(0ms);
    CHECK(fault_of([&] { db.read([](unit& u) { add(u, 2, "two"); }); }).has_value());
    CHECK_EQ(count(db), 1);
    db.write([](unit& u) { add(u, 3, "three"); });
    CHECK_EQ(count(db), 2);
  });
}

SCENARIO("broken rules are told apart and without the values") {
  on_both([](test_store& store) {
    auto db = store.connect();
    make_table(db);
    db.write([](unit& u) { add(u, 1, "hush-hush"); });
    auto told = [&](auto what, fault kind, const char* part) {
      auto error = failure_of([&] { db.write(what); });
      REQUIRE(error.has_value());
      CHECK(error->kind() == kind);
      CHECK(!error->outcome_unknown());
      std::string text = error->what();
      CHECK_EQ(text.find("hush"), std::string::npos);
      CHECK_EQ(text.find("4711"), std::string::npos);
      CHECK(text.find(part) != std::string::npos);
    };
    told([](unit& u) { add(u, 2, "hush-hush"); }, fault::constraint, "text");
    told([](unit& u) { add(u, 2, "x", 4711); }, fault::constraint, "number");
    told(
      [](unit& u) {
        u.execute("INSERT INTO t (id, text, word) VALUES (4711, :text, :word)",
                  std::string_view{"hush"}, std::optional<std::string>{});
      },
      fault::constraint, "word");
    auto missing = failure_of([&] { db.write([](unit& u) { u.execute("DELETE FROM nowhere"); }); });
    REQUIRE(missing.has_value());
    CHECK(missing->kind() == fault::schema || missing->kind() == fault::other);
  });
}

SCENARIO("a row that does not fit its type is an error, not a guess") {
  on_both([](test_store& store) {
    auto db = store.connect();
    make_table(db);
    db.write([](unit& u) { add(u, 1, "word"); });
    auto read_as = [&]<class T>(T) {
      return fault_of([&] { db.read([](unit& u) { (void)u.value<T>("SELECT text FROM t"); }); });
    };
    CHECK(read_as(std::int64_t{}) == fault::schema);
    CHECK(fault_of(
            [&] { db.read([](unit& u) { (void)u.value<std::int64_t>("SELECT number FROM t"); }); })
          == fault::schema);
    CHECK_EQ(count(db), 1);
  });
}

SCENARIO("units that meet behave as if one ran after the other") {
  on_both([](test_store& store) {
    auto db = store.connect();
    make_table(db);
    db.write([](unit& u) { add(u, 1, "counter", 0); });
    constexpr int each = 20;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        auto mine = store.connect();
        mine.set_patience(60s);
        for (int j = 0; j < each; ++j)
          mine.write([](unit& u) {
            // Reads, thinks, writes: a lost update unless units are serial.
            auto n = *u.value<std::int64_t>("SELECT number FROM t WHERE id = :id", 1);
            u.execute("UPDATE t SET number = :n WHERE id = :id", n + 1, 1);
          });
      });
    for (auto& thread : threads)
      thread.join();
    CHECK_EQ(db.read([](unit& u) { return *u.value<std::int64_t>("SELECT number FROM t"); }),
             4 * each);
  });
}

SCENARIO("a unit that meets a lock waits, then says busy") {
  on_both([](test_store& store) {
    auto db = store.connect();
    make_table(db);
    db.write([](unit& u) { add(u, 1, "one", 1); });
    auto options = store.options();
    options.lock_timeout = 50ms;
    options.patience = 100ms;
    database impatient{options};
    auto change = [](unit& u) { u.execute("UPDATE t SET number = number + 1 WHERE id = 1"); };
    db.write([&](unit& u) {
      change(u);
      auto error = failure_of([&] { impatient.write(change); });
      REQUIRE(error.has_value());
      CHECK(error->kind() == fault::busy);
      CHECK(!error->outcome_unknown());
    });
    impatient.write(change);
    CHECK_EQ(db.read([](unit& u) { return *u.value<std::int64_t>("SELECT number FROM t"); }), 3);
    // With patience it gets its turn.
    options.patience = 30s;
    database patient{options};
    std::atomic<bool> begun{false};
    std::jthread waiting;
    db.write([&](unit& u) {
      change(u);
      waiting = std::jthread{[&] {
        patient.write([&](unit& w) {
          begun = true;
          change(w);
        });
      }};
      // On SQLite the other cannot begin; on PostgreSQL it begins and waits for the row.
      auto until = std::chrono::steady_clock::now() + 10s;
      while (store.kind == backend::postgresql && !begun
             && std::chrono::steady_clock::now() < until)
        std::this_thread::yield();
    });
    waiting.join();
    CHECK_EQ(db.read([](unit& u) { return *u.value<std::int64_t>("SELECT number FROM t"); }), 5);
  });
}

SCENARIO("the embedded store is a private file, in any directory") {
  test_store store{backend::sqlite};
  store.where.name = store.dir + "/a new = \"dir\"/with blanks.db";
  auto refused = fault_of([&] { store.connect(); });
  if (refused)
    CAF_MESSAGE("quotes in a path are refused");
  store.where.name = store.dir + "/a new = dir/with blanks.db";
  auto db = store.connect();
  make_table(db);
  struct stat about {};
  for (auto* end : {"", "-wal", "-shm"}) {
    CHECK_EQ(::stat((store.where.name + end).c_str(), &about), 0);
    CHECK_EQ(about.st_mode & 0777u, 0600u);
  }
  CHECK_EQ(db.read([](unit& u) { return *u.value<std::string>("PRAGMA journal_mode"); }), "wal");
  CHECK_EQ(db.read([](unit& u) { return *u.value<int>("PRAGMA synchronous"); }), 2);
  CHECK_EQ(db.read([](unit& u) { return *u.value<int>("PRAGMA foreign_keys"); }), 1);
}

SCENARIO("a store's place is read from its URI and shown without its password") {
  CHECK_EQ(locate("", "data").name, "data/troupe.db");
  CHECK_EQ(locate("", "").name, "./troupe.db");
  CHECK_EQ(locate("sqlite:/x/y.db", "data").name, "/x/y.db");
  auto server = locate("postgresql://me:hush@host:5432/db?sslmode=require&password=hush", "data");
  CHECK(server.kind == backend::postgresql);
  CHECK_EQ(shown(server), "postgresql://***@host:5432/db");
  CHECK_EQ(shown(locate("postgresql://me:h@u@sh@host/db", "")), "postgresql://***@host/db");
  CHECK_EQ(shown(locate("postgresql:///db?host=/run", "")), "postgresql:///db");
  CHECK_EQ(shown(locate("sqlite:x", "")), "sqlite:x");
  for (auto* bad : {"sqlite:", "mysql://hush@host/db", "x", "postgresql:hush"}) {
    auto error = failure_of([&] { (void)locate(bad, "data"); });
    REQUIRE(error.has_value());
    CHECK_EQ(std::string{error->what()}.find("hush"), std::string::npos);
  }
}

} // namespace troupe::store::database_suite
