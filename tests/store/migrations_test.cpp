#define CAF_SUITE migrations
#include "runtime/crypto/hash.hpp"
#include "runtime/policy/shard_map.hpp"

#include "tests/store/fixtures.hpp"
#include "tests/store/stores.hpp"

#include <atomic>
#include <ranges>
#include <thread>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::store::migrations_suite {

namespace {

std::string fingerprint(const migration& what) {
  std::string all;
  for (auto one : what.statements)
    all.append(one).append(1, '\0');
  return troupe::crypto::plain_hash(all);
}

/// The last version whose steps no cluster ran beside an earlier program.
constexpr int before_clusters = 7;

/// Whether a program of the version before can go on while this statement is carried out and after
/// it: it knows nothing of what is new, and finds all that it knows as it was.
bool is_additive(std::string_view statement) {
  std::string text{statement};
  for (std::string_view kind : {"sqlite:", "postgresql:"})
    if (text.starts_with(kind))
      text.erase(0, kind.size());
  auto has = [&text](std::string_view word) { return text.find(word) != std::string::npos; };
  if (text.starts_with("ALTER TABLE"))
    return has(" ADD COLUMN ") && (!has("NOT NULL") || has("DEFAULT")) && !has("UNIQUE")
           && !has("CHECK");
  bool unique_index = text.starts_with("CREATE UNIQUE INDEX");
  return !unique_index && (text.starts_with("CREATE ") || text.starts_with("INSERT "));
}

} // namespace

SCENARIO("steps since there are clusters change nothing under a program of the version before") {
  for (const auto& step : migrations())
    if (step.version > before_clusters)
      for (auto statement : step.statements)
        if (!is_additive(statement))
          CAF_FAIL("step " << step.version << ": " << statement);
  for (auto fine : {"CREATE TABLE x (a TEXT)", "CREATE INDEX x_a ON x (a)",
                    "INSERT INTO x (a) SELECT b FROM y", "ALTER TABLE x ADD COLUMN b TEXT",
                    "postgresql:ALTER TABLE x ADD COLUMN b BIGINT NOT NULL DEFAULT 0"})
    CHECK(is_additive(fine));
  for (auto breaking :
       {"DROP TABLE x", "ALTER TABLE x RENAME TO y", "ALTER TABLE x DROP COLUMN a", "DELETE FROM x",
        "UPDATE x SET a = ''", "ALTER TABLE x ADD COLUMN b TEXT NOT NULL",
        "CREATE UNIQUE INDEX x_a ON x (a)", "ALTER TABLE x ALTER COLUMN a TYPE BIGINT"})
    CHECK(!is_additive(breaking));
}

SCENARIO("published steps never change") {
  REQUIRE_EQ(migrations().size(), published.size());
  for (std::size_t i = 0; i < published.size(); ++i) {
    CHECK_EQ(migrations()[i].version, static_cast<int>(i) + 1);
    CHECK_EQ(fingerprint(migrations()[i]), published[i]);
  }
  CHECK_EQ(latest_version(), static_cast<int>(published.size()));
}

SCENARIO("an empty store gets the newest schema, once") {
  on_both([](test_store& store) {
    auto db = store.connect();
    CHECK_EQ(schema_version(db), 0);
    migrate(db);
    CHECK_EQ(schema_version(db), latest_version());
    migrate(db);
    auto other = store.open();
    CHECK_EQ(schema_version(other), latest_version());
    CHECK_EQ(db.read([](unit& u) {
      return *u.value<std::string>("SELECT name FROM tenants WHERE id = :id", 1);
    }),
             "default");
  });
}

SCENARIO("a store of every earlier version is brought up with all it holds") {
  for (int version = 1; version <= latest_version(); ++version)
    on_both([version](test_store& store) {
      CAF_MESSAGE("from version " << version);
      auto db = store.connect();
      migrate(db, version);
      CHECK_EQ(schema_version(db), version);
      for (int i = 1; i <= version; ++i)
        db.write([=](unit& u) { fill(u, i, version); });
      migrate(db);
      CHECK_EQ(schema_version(db), latest_version());
      for (int i = 1; i <= version; ++i)
        db.read([=](unit& u) { check(u, i, version); });
      // The identities go on behind what the fixture took.
      CHECK(db.write([](unit& u) {
        return add_tenant(u, {.name = "new", .created = at(0)}).value_or(0);
      }) > 1u);
    });
}

SCENARIO("of all that a store can hold about a bot nothing stays when it is removed") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto newest = latest_version();
    for (int i = 1; i <= newest; ++i)
      db.write([=](unit& u) { fill(u, i, newest); });
    db.write([](unit& u) {
      u.execute("INSERT INTO shard_holds VALUES (:shard, 4242, -100, 'sendMessage', 9000000000000)",
                shard_of(4242));
    });
    auto names = *db.read([&](unit& u) {
      return u.value<std::string>(
        u.kind() == backend::sqlite
          ? "SELECT GROUP_CONCAT(t.name) FROM sqlite_master t, pragma_table_info(t.name) c "
            "WHERE t.type = 'table' AND c.name = 'bot'"
          : "SELECT STRING_AGG(table_name, ',') FROM information_schema.columns "
            "WHERE column_name = 'bot' AND table_schema = CURRENT_SCHEMA()");
    });
    auto rows = [&](std::string_view table, std::string_view of) {
      auto sql = std::string{"SELECT COUNT(*) FROM "}.append(table).append(" WHERE ").append(of);
      return db.read([&](unit& u) { return *u.value<int>(sql); });
    };
    auto in_each = [&](auto&& look) {
      int tables = 0;
      for (auto name : std::views::split(names, ',')) {
        look(std::string_view{name.begin(), name.end()});
        ++tables;
      }
      return tables;
    };
    CHECK_GE(in_each([&](std::string_view table) {
               CAF_MESSAGE(std::string{table});
               CHECK_GT(rows(table, "bot = 4242"), 0);
             }),
             12);
    CHECK(db.write([](unit& u) { return remove_bot(u, 2, 4242); }));
    in_each([&](std::string_view table) {
      CAF_MESSAGE(std::string{table});
      CHECK_EQ(rows(table, "bot = 4242"), 0);
    });
    CHECK_EQ(rows("bots", "id = 4242"), 0);
    CHECK_EQ(rows("updates", "bot = 4242"), 0);
    CHECK_EQ(rows("fresh_marks", "marks LIKE '%;4242 %'"), 0);
    CHECK_EQ(rows("fresh_marks", "marks LIKE '%;4243 %'"), 1); // Another one's in the same row.
    CHECK_EQ(rows("shard_holds", "bot = 4243"), 2);
  });
}

SCENARIO("a store that is newer than the program is left alone") {
  on_both([](test_store& store) {
    auto db = store.open();
    db.write([](unit& u) {
      u.execute("UPDATE meta SET value = :value WHERE name = :name", std::string_view{"999"},
                std::string_view{"schema_version"});
    });
    auto error = failure_of([&] { store.open(); });
    REQUIRE(error.has_value());
    CHECK(error->kind() == fault::schema);
    CHECK(std::string{error->what()}.find("version 999") != std::string::npos);
    CHECK_EQ(schema_version(db), 999);
  });
}

SCENARIO("a step that fails leaves the version before it") {
  on_both([](test_store& store) {
    auto db = store.connect();
    (void)schema_version(db);
    // In the way of the first step's last table.
    db.write([](unit& u) { u.define("CREATE TABLE virtual_tokens (x BIGINT)"); });
    CHECK(fault_of([&] { migrate(db); }).has_value());
    CHECK_EQ(schema_version(db), 0);
    CHECK(fault_of([&] {
            db.read([](unit& u) { (void)u.value<int>("SELECT COUNT(*) FROM tenants"); });
          }).has_value());
    db.write([](unit& u) { u.define("DROP TABLE virtual_tokens"); });
    migrate(db);
    CHECK_EQ(schema_version(db), latest_version());
  });
}

SCENARIO("nodes that start together migrate once") {
  on_both([](test_store& store) {
    std::vector<std::jthread> threads;
    std::atomic<int> done{0};
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        auto failed = failure_of([&] {
          auto db = store.open();
          done += schema_version(db) == latest_version();
        });
        if (failed)
          CAF_MESSAGE(failed->what());
      });
    for (auto& thread : threads)
      thread.join();
    CHECK_EQ(done.load(), 4);
  });
}

} // namespace troupe::store::migrations_suite
