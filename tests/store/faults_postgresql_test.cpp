#define CAF_SUITE faults_postgresql
#include "runtime/store/bots.hpp"

#include "tests/store/samples.hpp"
#include "tests/store/stores.hpp"

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::store::faults_postgresql_suite {

namespace {

registration add(database& db, bot_id id) {
  return db.write([&](unit& u) { return add_bot(u, sample_bot(id), sample_token(id)); });
}

void wait_until(const std::function<bool()>& condition) {
  auto until = std::chrono::steady_clock::now() + 60s;
  while (!condition() && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  CHECK(condition());
}

/// Ends all other connections to the database, as an operator or a fail-over does.
void end_connections(test_store& store) {
  soci::session admin{soci::postgresql, store.where.name};
  admin << "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
           "WHERE datname = current_database() AND pid <> pg_backend_pid()";
}

} // namespace

SCENARIO("a server that crashes and restarts in the middle of writes loses nothing acknowledged") {
  test_store store{backend::postgresql};
  store.open();
  constexpr int writers = 3;
  std::mutex guard;
  std::set<bot_id> acknowledged, unknown;
  std::vector<std::string> failures;
  std::atomic<bool> stop{false};
  std::vector<std::jthread> threads;
  for (int i = 0; i < writers; ++i)
    threads.emplace_back([&, i] {
      auto mine = store.connect();
      mine.set_patience(60s);
      for (bot_id id = 1 + i; !stop; id += writers) {
        auto error = failure_of([&] { (void)add(mine, id); });
        std::lock_guard lock{guard};
        if (!error)
          acknowledged.insert(id);
        else if (error->outcome_unknown())
          unknown.insert(id);
        else
          failures.emplace_back(error->what());
      }
    });
  auto count = [&] {
    std::lock_guard lock{guard};
    return acknowledged.size();
  };
  for (int round = 0; round < 3; ++round) {
    auto before = count();
    wait_until([&] { return count() > before + 30; });
    server().stop(SIGQUIT);
    server().start();
  }
  auto before = count();
  wait_until([&] { return count() > before + 30; });
  stop = true;
  for (auto& thread : threads)
    thread.join();
  auto options = store.options();
  options.patience = 60s;
  database db{options};
  std::set<bot_id> stored;
  for (auto& one : db.read([](unit& u) { return load_bots(u, 0, 1'000'000); }))
    stored.insert(one.bot.id);
  // What was not acknowledged is there only if its outcome was said to be unknown.
  std::size_t lost = 0, surprising = 0;
  for (auto id : acknowledged)
    lost += !stored.contains(id);
  for (auto id : stored)
    surprising += !acknowledged.contains(id) && !unknown.contains(id);
  CHECK_EQ(lost, 0u);
  CHECK_EQ(surprising, 0u);
  CHECK_EQ(failures, std::vector<std::string>{});
  CAF_MESSAGE(acknowledged.size() << " acknowledged, " << unknown.size() << " unknown");
}

SCENARIO("a connection that breaks inside a unit: the unit is done again, once") {
  test_store store{backend::postgresql};
  auto db = store.open();
  int runs = 0;
  db.write([&](unit& u) {
    (void)add_bot(u, sample_bot(1), sample_token(1));
    if (++runs == 1)
      end_connections(store);
    (void)add_bot(u, sample_bot(2), sample_token(2));
  });
  CHECK_EQ(runs, 2);
  CHECK_EQ(db.read([](unit& u) { return count_bots(u, 1); }), 2);
}

SCENARIO("a connection that breaks before the commit: the outcome is said to be unknown") {
  test_store store{backend::postgresql};
  auto db = store.open();
  int runs = 0;
  auto error = failure_of([&] {
    db.write([&](unit& u) {
      ++runs;
      (void)add_bot(u, sample_bot(1), sample_token(1));
      end_connections(store);
    });
  });
  REQUIRE(error.has_value());
  CHECK(error->kind() == fault::lost_connection);
  CHECK(error->outcome_unknown());
  CHECK_EQ(runs, 1);
  // The same connection object serves on.
  CHECK(add(db, 2) == registration::done);
  // A unit that only read has its result all the same.
  CHECK_EQ(db.read([&](unit& u) {
    auto n = count_bots(u, 1);
    end_connections(store);
    return n;
  }),
           1);
}

SCENARIO("a server that is away is a lost connection, and is found again") {
  test_store store{backend::postgresql};
  auto db = store.open();
  server().stop(SIGINT);
  db.set_patience(50ms);
  auto error = failure_of([&] { add(db, 1); });
  REQUIRE(error.has_value());
  CHECK(error->kind() == fault::lost_connection);
  CHECK(!error->outcome_unknown());
  // It takes connections only a while after this.
  server().start();
  db.set_patience(60s);
  CHECK(add(db, 1) == registration::done);
}

SCENARIO("passwords and values never come with an error") {
  test_store store{backend::postgresql};
  auto told = [](std::string uri) {
    database_options options{.where = {backend::postgresql, std::move(uri)}, .patience = 0ms};
    auto error = failure_of([&] { database{options}; });
    REQUIRE(error.has_value());
    CAF_MESSAGE(error->what());
    CHECK_EQ(std::string{error->what()}.find("hush"), std::string::npos);
    return error->kind();
  };
  CHECK(told("postgresql://u:hush@[bad/db") == fault::other);
  CHECK(told("postgresql://u:hush@/db?nonsense=hush") == fault::other);
  CHECK(told("postgresql://u:hush@/db?port=hush&host=/tmp") == fault::other);
  CHECK(told("postgresql://u:hush@127.0.0.1:1/db") == fault::lost_connection);
  CHECK(told("postgresql://nobody:hush@/none?host=/nowhere") == fault::lost_connection);
  auto db = store.open();
  auto error = failure_of([&] {
    db.write([](unit& u) {
      u.execute("UPDATE tenants SET rps = CAST(:text AS BIGINT) WHERE id = 1", std::string{"hush"});
    });
  });
  REQUIRE(error.has_value());
  CHECK(error->kind() == fault::constraint);
  CHECK_EQ(std::string{error->what()}.find("hush"), std::string::npos);
}

SCENARIO("a schema that changes under prepared statements does not stop the node") {
  test_store store{backend::postgresql};
  auto db = store.open();
  CHECK(add(db, 1) == registration::done);
  auto all = [&] {
    return db.read(
      [](unit& u) { return u.rows<std::tuple<std::string>>("SELECT * FROM meta LIMIT 1"); });
  };
  CHECK_EQ(all().size(), 1u);
  auto other = store.connect();
  other.write([](unit& u) { u.define("ALTER TABLE meta ADD COLUMN more TEXT"); });
  CHECK_EQ(all().size(), 1u);
}

} // namespace troupe::store::faults_postgresql_suite
