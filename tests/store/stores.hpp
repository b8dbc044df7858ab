#pragma once
#include "runtime/store/migrations.hpp"

#include "tests/store/postgres_server.hpp"

#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>

#include <memory>

namespace troupe::store {

using namespace std::chrono_literals;

/// One server for all scenarios of the program.
inline postgres_server& server() {
  static postgres_server one;
  return one;
}

/// An empty database, gone with this object.
struct test_store {
  backend kind;
  location where;
  std::string dir;

  explicit test_store(backend kind) : kind(kind) {
    if (kind == backend::sqlite) {
      std::string name = (std::filesystem::temp_directory_path() / "troupe-db-XXXXXX").string();
      if (::mkdtemp(name.data()) == nullptr)
        CAF_FAIL("no temporary directory: " << name);
      dir = name;
      where = {kind, dir + "/troupe.db"};
      return;
    }
    static int count = 0;
    auto name = "test_" + std::to_string(++count);
    // Waits until the server that was just started takes connections.
    database first{{.where = {kind, server().uri("postgres")}, .patience = 30s}};
    soci::session admin{soci::postgresql, server().uri("postgres")};
    admin << "CREATE DATABASE " + name;
    where = {kind, server().uri(name)};
  }

  test_store(const test_store&) = delete;
  test_store& operator=(const test_store&) = delete;

  ~test_store() {
    std::error_code ignored;
    if (!dir.empty())
      std::filesystem::remove_all(dir, ignored);
  }

  database_options options() const { return {.where = where}; }

  /// Another connection, to whatever schema is there.
  database connect() const { return database{options()}; }

  /// With the newest schema.
  database open() const {
    auto db = connect();
    migrate(db);
    return db;
  }
};

/// Runs `scenario` on an empty store of each kind.
inline void on_both(const std::function<void(test_store&)>& scenario) {
  for (auto kind : {backend::sqlite, backend::postgresql}) {
    CAF_MESSAGE("on " << (kind == backend::sqlite ? "SQLite" : "PostgreSQL"));
    test_store store{kind};
    scenario(store);
  }
}

/// What `action` fails with; nothing if it does not.
template <class F>
std::optional<store_error> failure_of(F&& action) {
  try {
    action();
    return std::nullopt;
  } catch (const store_error& x) {
    return x;
  }
}

template <class F>
std::optional<fault> fault_of(F&& action) {
  auto error = failure_of(action);
  return error ? std::optional{error->kind()} : std::nullopt;
}

/// A point in time: `ms` after an arbitrary beginning.
inline wall_time at(std::int64_t ms) {
  return wall_time{std::chrono::milliseconds{1'700'000'000'000 + ms}};
}

} // namespace troupe::store
