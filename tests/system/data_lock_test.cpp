#define CAF_SUITE data_lock
#include "runtime/system/data_lock.hpp"
#include "runtime/system/file_exchange.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <unistd.h>

#include <fstream>
#include <optional>
#include <sstream>

namespace troupe::data_lock_suite {

namespace fs = std::filesystem;
using namespace troupe::system;

namespace {

struct fixture {
  fixture() {
    auto pattern = (fs::temp_directory_path() / "troupe-lock-XXXXXX").string();
    dir = ::mkdtemp(pattern.data());
  }
  ~fixture() { fs::remove_all(dir); }

  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream{dir / name} << text;
    return dir / name;
  }
  std::string read(const std::string& name) const {
    std::ifstream in{dir / name};
    std::stringstream all;
    all << in.rdbuf();
    return in ? all.str() : "(none)";
  }

  fs::path dir;
};

/// Why a second one is refused; empty if it is not.
std::string refusal(const fs::path& dir) {
  try {
    data_lock second{dir};
    return {};
  } catch (const std::runtime_error& x) {
    return x.what();
  }
}

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a data directory belongs to one process, until that ends") {
  auto data = dir / "new" / "data";
  CHECK(!data_lock::exists(data));
  std::optional<data_lock> first{data};
  CHECK(data_lock::exists(data));
  auto why = refusal(data);
  CHECK(why.find("is in use by another node (process " + std::to_string(::getpid()) + ")")
        != std::string::npos);
  CHECK(why.find(data.string()) != std::string::npos);
  CHECK(refusal(dir).empty());
  first.reset();
  CHECK(data_lock::exists(data)); // The file stays, the lock does not.
  CHECK(refusal(data).empty());
}

SCENARIO("a database takes another one's place, whose log goes with it") {
  auto source = write("copy", "new");
  auto target = write("db", "old");
  write("db-wal", "log");
  write("db-shm", "index");
  begin_exchange(source, target);
  CHECK_EQ(read("db"), "old");
  CHECK(finish_exchange(target));
  CHECK_EQ(read("db"), "new");
  CHECK_EQ(read("db-wal"), "(none)");
  CHECK_EQ(read("db-shm"), "(none)");
  CHECK_EQ(read("db.before-restore"), "old");
  CHECK_EQ(read("db.before-restore-wal"), "log");
  CHECK(!finish_exchange(target));
  CHECK_EQ(read("copy"), "new");
  // Where there was none.
  begin_exchange(source, dir / "deep" / "db");
  CHECK(finish_exchange(dir / "deep" / "db"));
  CHECK_EQ(read("deep/db"), "new");
}

SCENARIO("an exchange that broke off at any step is carried on") {
  // The files after each step, as finish_exchange does them.
  struct step {
    const char *db, *log, *before, *before_log;
  };
  for (auto [db, log, before, before_log] :
       {step{"old", "log", "older", "older log"}, step{"old", "log", "older", nullptr},
        step{nullptr, "log", "old", nullptr}, step{nullptr, nullptr, "old", "log"}}) {
    for (auto name : {"db", "db-wal", "db.before-restore", "db.before-restore-wal"})
      fs::remove(dir / name);
    write("db.restoring", "new");
    for (auto [name, text] : {std::pair{"db", db}, std::pair{"db-wal", log},
                              std::pair{"db.before-restore", before},
                              std::pair{"db.before-restore-wal", before_log}})
      if (text != nullptr)
        write(name, text);
    CHECK(finish_exchange(dir / "db"));
    CHECK_EQ(read("db"), "new");
    CHECK_EQ(read("db-wal"), "(none)");
    CHECK_EQ(read("db.before-restore"), "old");
    CHECK_EQ(read("db.before-restore-wal"), "log");
  }
}

SCENARIO("a copy that is not whole decides nothing") {
  auto target = write("db", "old");
  write("db.restored", "half");
  CHECK(!finish_exchange(target));
  CHECK_EQ(read("db"), "old");
  CHECK_THROWS_AS(begin_exchange(dir / "nothing", target), std::runtime_error);
  CHECK(!finish_exchange(target));
  CHECK_EQ(read("db"), "old");
}

END_FIXTURE_SCOPE()

} // namespace troupe::data_lock_suite
