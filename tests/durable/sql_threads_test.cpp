#define CAF_SUITE sql_threads
#include "actors/store/sql_threads.hpp"
#include "tests/store/stores.hpp"

#include "runtime/store/tenants.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <fstream>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::sql_threads_suite {

using namespace troupe::storage;
using store::on_both;
using store::test_store;

namespace {

using namespace std::literals;

/// Works of a test, and how they ended.
struct desk {
  explicit desk(const test_store& on) {
    on.open();
    config.database = on.options();
    config.database.patience = 200ms;
  }

  void open() { sql = make_sql_threads(config); }

  work make(work::kind how, std::function<void(store::unit&)> run) {
    work what;
    what.id = ends.size();
    what.how = how;
    what.expires = std::chrono::steady_clock::now() + 1min;
    auto end = std::make_shared<caf::error>();
    ends.push_back(end);
    what.run = [end, run](store::unit& u) {
      *end = {};
      run(u);
    };
    what.fail = [end](caf::error why) { *end = std::move(why); };
    what.told = told;
    return what;
  }
  void write(std::function<void(store::unit&)> run) {
    sql->submit(make(work::kind::write, std::move(run)));
  }

  /// Waits until so many works ended.
  void await(std::size_t count) {
    std::unique_lock lock{mutex};
    auto all = [&] {
      for (auto id : told->take())
        seen.push_back(id);
      return seen.size() >= count;
    };
    if (!woken.wait_for(lock, 60s, all))
      CAF_FAIL("only " << seen.size() << " of " << count << " works ended");
  }

  std::mutex mutex;
  std::condition_variable woken;
  std::vector<std::uint64_t> seen;
  std::shared_ptr<completion> told = std::make_shared<completion>([this] {
    std::lock_guard lock{mutex};
    woken.notify_all();
  });
  std::vector<std::shared_ptr<caf::error>> ends;
  sql_threads_config config;
  std::shared_ptr<sql_port> sql;
};

/// Keeps a thread busy until told otherwise.
struct gate {
  std::mutex mutex;
  std::condition_variable moved;
  bool reached = false;
  bool open = false;

  void pass() {
    std::unique_lock lock{mutex};
    reached = true;
    moved.notify_all();
    moved.wait(lock, [this] { return open; });
  }
  void await() {
    std::unique_lock lock{mutex};
    moved.wait(lock, [this] { return reached; });
  }
  void let_go() {
    std::lock_guard lock{mutex};
    open = true;
    moved.notify_all();
  }
};

auto add(std::string name) {
  return [name](store::unit& u) { (void)store::add_tenant(u, {.name = name}); };
}

/// How often SQLite began its log anew (https://www.sqlite.org/fileformat.html, "The WAL File
/// Format": bytes 12 to 15, big-endian).
std::uint32_t logs_begun(const test_store& on) {
  std::ifstream in{on.where.name + "-wal", std::ios::binary};
  std::array<unsigned char, 16> head{};
  in.read(reinterpret_cast<char*>(head.data()), head.size());
  return std::uint32_t{head[12]} << 24 | std::uint32_t{head[13]} << 16
         | std::uint32_t{head[14]} << 8 | head[15];
}

/// Writes one unit after the other until the log began anew `times` times, or there were `most`.
/// @returns how many were written
std::size_t write_until(desk& d, const test_store& on, std::uint32_t times, std::size_t most) {
  auto end = logs_begun(on) + times;
  std::size_t count = 0;
  for (; count < most && logs_begun(on) < end; ++count) {
    d.write(add("t" + std::to_string(d.ends.size())));
    d.await(d.ends.size());
  }
  return count;
}

std::size_t tenants(const test_store& on) {
  auto db = on.connect();
  return db.read([](store::unit& u) { return store::list_tenants(u, 0, 10'000).size(); });
}

} // namespace

SCENARIO("writes that wait together are one commit, in their order") {
  on_both([](test_store& on) {
    desk d{on};
    d.open();
    gate busy;
    d.write([&](store::unit&) { busy.pass(); });
    busy.await();
    for (int i = 0; i < 500; ++i)
      d.write(add("t" + std::to_string(i)));
    busy.let_go();
    d.await(501);
    CHECK(std::is_sorted(d.seen.begin(), d.seen.end()));
    CHECK_EQ(tenants(on), 501u);
    CHECK_EQ(d.sql->commits(), 3u); // The first, 256, 244.
  });
}

SCENARIO("a write that breaks a rule takes no other with it") {
  on_both([](test_store& on) {
    desk d{on};
    d.open();
    gate busy;
    d.write([&](store::unit&) { busy.pass(); });
    busy.await();
    d.write(add("before"));
    d.write([](store::unit& u) {
      u.execute("INSERT INTO users (tenant, name, role, created) VALUES (99, 'x', 'viewer', 0)");
    });
    d.write([](store::unit&) { throw std::runtime_error{"a mistake"}; });
    d.write(add("after"));
    busy.let_go();
    d.await(5);
    CHECK(!*d.ends[1]);
    CHECK(*d.ends[2] == store_refusal::invalid);
    CHECK(*d.ends[3] == store_refusal::failed);
    CHECK(!*d.ends[4]);
    CHECK_EQ(tenants(on), 3u);
  });
}

SCENARIO("reads go on while a write waits") {
  on_both([](test_store& on) {
    desk d{on};
    d.open();
    gate busy;
    d.write([&](store::unit& u) {
      add("slow")(u);
      busy.pass();
    });
    busy.await();
    std::size_t seen = 0;
    d.sql->submit(d.make(work::kind::read,
                         [&](store::unit& u) { seen = store::list_tenants(u, 0, 10).size(); }));
    d.await(1);
    CHECK_EQ(seen, 1u); // Of the write under way, nothing.
    busy.let_go();
    d.await(2);
    CHECK_EQ(tenants(on), 2u);
  });
}

SCENARIO("what nobody waits for any more is not begun") {
  test_store on{store::backend::sqlite};
  desk d{on};
  d.open();
  auto late = d.make(work::kind::write, add("late"));
  late.expires = std::chrono::steady_clock::now() - 1s;
  d.sql->submit(std::move(late));
  d.await(1);
  CHECK(*d.ends[0] == store_refusal::unavailable);
  CHECK_EQ(tenants(on), 1u);
}

SCENARIO("at the end, what runs is finished and what waits is refused") {
  test_store on{store::backend::sqlite};
  desk d{on};
  d.open();
  gate busy;
  d.write([&](store::unit& u) {
    add("runs")(u);
    busy.pass();
  });
  busy.await();
  d.write(add("waits"));
  std::thread end{[&] { d.sql.reset(); }};
  d.await(1);
  CHECK(*d.ends[1] == store_refusal::unavailable);
  busy.let_go();
  end.join();
  d.await(2);
  CHECK(!*d.ends[0]);
  CHECK_EQ(tenants(on), 2u);
}

SCENARIO("the log is put in place beside the thread that writes, and begins anew all the time") {
  test_store on{store::backend::sqlite};
  desk d{on};
  d.config.log_pages = 40;
  d.open();
  auto written = write_until(d, on, 3, 5000);
  CHECK_LT(written, 5000u);
  for (auto& end : d.ends)
    CHECK(!*end);
  CHECK_EQ(tenants(on), written + 1);
  auto db = on.connect();
  CHECK_EQ(db.read([](store::unit& u) { return *u.value<std::string>("PRAGMA integrity_check"); }),
           "ok");
}

SCENARIO("a log that somebody reads goes on, until he has read") {
  test_store on{store::backend::sqlite};
  desk d{on};
  d.config.log_pages = 40;
  d.open();
  d.write(add("first"));
  d.await(1);
  gate busy;
  std::size_t before = 0;
  std::size_t after = 0;
  d.sql->submit(d.make(work::kind::read, [&](store::unit& u) {
    before = store::list_tenants(u, 0, 10'000).size();
    busy.pass();
    after = store::list_tenants(u, 0, 10'000).size();
  }));
  busy.await();
  auto begun = logs_begun(on);
  for (int i = 0; i < 200; ++i) {
    d.write(add("t" + std::to_string(i)));
    d.await(static_cast<std::size_t>(i) + 2);
  }
  CHECK_EQ(logs_begun(on), begun);
  busy.let_go();
  d.await(202);
  CHECK_EQ(before, 2u);
  CHECK_EQ(after, 2u);
  CHECK_LT(write_until(d, on, 1, 5000), 5000u);
}

SCENARIO("a database that goes away is unavailable, and found again") {
  test_store on{store::backend::postgresql};
  desk d{on};
  d.open();
  d.write(add("a"));
  d.await(1);
  store::server().stop(SIGQUIT);
  d.write(add("b"));
  d.await(2);
  bool told =
    *d.ends[1] == store_refusal::unavailable || *d.ends[1] == store_refusal::outcome_unknown;
  CHECK(told);
  store::server().start();
  store::database{{.where = on.where, .patience = 30s}};
  auto before = tenants(on);
  d.write(add("c"));
  d.await(3);
  CHECK(!*d.ends[2]);
  CHECK_EQ(tenants(on), before + 1);
}

} // namespace troupe::sql_threads_suite
