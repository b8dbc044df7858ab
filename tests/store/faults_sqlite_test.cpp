#define CAF_SUITE faults_sqlite
#include "runtime/store/bots.hpp"

#include "tests/store/samples.hpp"
#include "tests/store/stores.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::store::faults_sqlite_suite {

namespace {

registration add(database& db, troupe::bot_id id) {
  return db.write([&](unit& u) { return add_bot(u, sample_bot(id), sample_token(id)); });
}

std::int64_t count(database& db) {
  return db.read([](unit& u) { return count_bots(u, 1); });
}

/// Adds bots until `db` refuses. @returns how many were acknowledged, and why it refused
std::pair<std::int64_t, std::optional<store_error>> fill_up(database& db) {
  std::int64_t added = 0;
  for (troupe::bot_id id = 1; id <= 100'000; ++id) {
    auto mine = sample_bot(id);
    mine.settings = std::string(2000, 'x');
    auto error =
      failure_of([&] { db.write([&](unit& u) { (void)add_bot(u, mine, sample_token(id)); }); });
    if (error)
      return {added, error};
    ++added;
  }
  return {added, std::nullopt};
}

/// A file system of 2 MiB, if this machine lets us make one.
struct small_disk {
  std::string dir;
  bool there;
  int why;

  explicit small_disk(std::string where)
    : dir(std::move(where)), there(::mount("tmpfs", dir.c_str(), "tmpfs", 0, "size=2m") == 0),
      why(errno) {}
  ~small_disk() {
    if (there)
      ::umount2(dir.c_str(), MNT_DETACH);
  }
};

/// Whether another process sees that this one has the store's file in use. The byte range is that
/// of SQLite's shared lock (https://www.sqlite.org/fileformat.html, "The Lock-Byte Page").
bool seen_in_use(const std::string& path) {
  auto child = ::fork();
  if (child == 0) {
    auto fd = ::open(path.c_str(), O_RDWR);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_start = 0x40000002;
    lock.l_len = 510;
    ::_exit(fd >= 0 && ::fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
  }
  int status = 1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

} // namespace

SCENARIO("a store is seen to be in use by other programs, however many connections it has") {
  test_store store{backend::sqlite};
  auto first = store.open();
  (void)add(first, 1);
  CHECK(seen_in_use(store.where.name));
  auto second = store.connect();
  auto third = store.connect();
  CHECK_EQ(count(second), 1);
  CHECK_EQ(count(third), 1);
  CHECK(seen_in_use(store.where.name));
}

SCENARIO("a store that may not grow says so, keeps what it acknowledged, and goes on when it may") {
  test_store store{backend::sqlite};
  store.open();
  auto options = store.options();
  options.max_pages = 200;
  auto [added, error] = [&] {
    database full{options};
    auto result = fill_up(full);
    // Reading goes on, on the same connection.
    CHECK_EQ(count(full), result.first);
    CHECK(fill_up(full).second.has_value());
    return result;
  }();
  REQUIRE(error.has_value());
  CHECK(error->kind() == fault::disk_full);
  CHECK(!error->outcome_unknown());
  CHECK(added > 10);
  auto db = store.connect();
  CHECK_EQ(count(db), added);
  CHECK(add(db, added + 1) == registration::done);
  CHECK_EQ(db.read([](unit& u) { return *u.value<std::string>("PRAGMA integrity_check"); }), "ok");
}

SCENARIO("a disk that is really full loses no acknowledged bot") {
  test_store store{backend::sqlite};
  small_disk disk{store.dir};
  if (!disk.there) {
    // Without the right to mount the page limit above stands for it.
    CHECK(::geteuid() != 0 || disk.why == EPERM);
    return;
  }
  auto db = store.open();
  auto [added, error] = fill_up(db);
  REQUIRE(error.has_value());
  CHECK(error->kind() == fault::disk_full);
  CHECK(added > 10);
  CHECK_EQ(count(db), added);
  auto again = store.connect();
  CHECK_EQ(count(again), added);
  // Space comes back: the same connection goes on.
  REQUIRE_EQ(::mount("tmpfs", store.dir.c_str(), "tmpfs", MS_REMOUNT, "size=8m"), 0);
  CHECK(add(db, 200'000) == registration::done);
  CHECK_EQ(count(db), added + 1);
}

SCENARIO("a store locked by somebody else is busy, and works once it is let go") {
  test_store store{backend::sqlite};
  auto db = store.open();
  auto options = store.options();
  options.lock_timeout = 20ms;
  options.patience = 60ms;
  database mine{options};
  db.write([&](unit& u) {
    CHECK(add_bot(u, sample_bot(1), sample_token(1)) == registration::done);
    auto error = failure_of([&] { add(mine, 2); });
    REQUIRE(error.has_value());
    CHECK(error->kind() == fault::busy);
    // Readers do not wait for the writer.
    CHECK_EQ(count(mine), 0);
  });
  CHECK(add(mine, 2) == registration::done);
  CHECK_EQ(count(mine), 2);
}

SCENARIO("a process killed at any instruction loses no acknowledged bot") {
  test_store store{backend::sqlite};
  store.open();
  std::int64_t total = 0;
  for (int round = 0; round < 5; ++round) {
    int pipe[2];
    REQUIRE_EQ(::pipe(pipe), 0);
    auto pid = ::fork();
    if (pid == 0) {
      // Acknowledges each bot after its unit; never comes back.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      try {
        auto db = store.connect();
        for (troupe::bot_id id = total + 1;; ++id) {
          add(db, id);
          if (::write(pipe[1], &id, sizeof id) != sizeof id)
            ::_exit(0);
        }
      } catch (const std::exception&) {
        ::_exit(1);
      }
    }
    ::close(pipe[1]);
    troupe::bot_id acknowledged = total;
    for (int i = 0; i < 20 + 7 * round; ++i)
      REQUIRE_EQ(::read(pipe[0], &acknowledged, sizeof acknowledged),
                 static_cast<ssize_t>(sizeof acknowledged));
    ::kill(pid, SIGKILL);
    while (::read(pipe[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged)
      continue;
    ::close(pipe[0]);
    ::waitpid(pid, nullptr, 0);
    auto db = store.connect();
    total = count(db);
    // The last one may have been stored without its acknowledgement having been read.
    CHECK(total == acknowledged || total == acknowledged + 1);
    CHECK_EQ(db.read([](unit& u) { return *u.value<std::string>("PRAGMA integrity_check"); }),
             "ok");
  }
}

SCENARIO("what is no store is refused with a reason") {
  test_store store{backend::sqlite};
  auto options = store.options();
  options.patience = 0ms;
  std::ofstream{store.where.name}
    << "This is a text file, and a rather long one at that: it holds more than "
       "a hundred characters, as the header of a database would.\n";
  CHECK(fault_of([&] { database{options}; }) == fault::other);
  options.where.name = store.dir;
  CHECK(fault_of([&] { database{options}; }) == fault::lost_connection);
  options.where.name = store.where.name + "/below/a/file.db";
  CHECK(fault_of([&] { database{options}; }) == fault::lost_connection);
}

} // namespace troupe::store::faults_sqlite_suite
