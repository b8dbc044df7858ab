#define CAF_SUITE master_key
#include "runtime/crypto/master_key.hpp"

#include "tests/crypto/sources.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::master_key_suite {

using namespace troupe::crypto;
namespace fs = std::filesystem;

namespace {

/// A directory that goes with its test.
struct fixture {
  std::string dir;

  fixture() {
    std::string name = (fs::temp_directory_path() / "troupe-keys-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    dir = name;
  }

  ~fixture() { fs::remove_all(dir); }

  std::string write(const std::string& name, const std::string& text) const {
    auto path = dir + '/' + name;
    std::ofstream{path} << text;
    return path;
  }

  master_key_places embedded() const { return {"", "", dir + "/data", true, false}; }
};

std::string text_of(std::uint8_t value) {
  return to_base64(key_of(value).reveal());
}

/// The sentence of the refusal; empty if there was none.
std::string refusal(const master_key_places& places) {
  try {
    (void)load_master_keys(places, os_random());
    return "";
  } catch (const crypto_error& x) {
    CHECK(x.kind() == failure::bad_key);
    return x.what();
  }
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("the embedded store makes its key on the first start and keeps it") {
  auto first = load_master_keys(embedded(), os_random());
  CHECK(first.created);
  CHECK(!first.readable_by_others);
  CHECK_EQ(first.origin, dir + "/data/master.key");
  struct stat about {};
  REQUIRE(::stat(first.origin.c_str(), &about) == 0);
  CHECK_EQ(about.st_mode & 0777u, 0600u);
  auto second = load_master_keys(embedded(), os_random());
  CHECK(!second.created);
  CHECK_EQ(second.ring.ids(), first.ring.ids());
  // Nothing else stays in the directory.
  CHECK_EQ(std::distance(fs::directory_iterator{dir + "/data"}, fs::directory_iterator{}), 1);
}

SCENARIO("a store in use never gets a new key") {
  auto places = embedded();
  places.in_use = true;
  CHECK(has(refusal(places), "is gone"));
  CHECK(!fs::exists(dir + "/data/master.key"));
}

SCENARIO("a database server needs a key that somebody chose") {
  auto places = embedded();
  places.embedded = false;
  CHECK(has(refusal(places), "TROUPE_MASTER_KEY or secrets.master-key-file"));
  CHECK(!fs::exists(dir + "/data/master.key"));
}

SCENARIO("the environment comes before the file, the file's other keys open only") {
  auto places = embedded();
  places.embedded = false;
  places.file = write("keys", "# rotated in May\n" + text_of(1) + "\r\n\n  " + text_of(2) + "  \n");
  auto from_file = load_master_keys(places, os_random());
  CHECK_EQ(from_file.ring.ids(), (std::vector{key_id(key_of(1)), key_id(key_of(2))}));
  CHECK_EQ(from_file.origin, places.file);
  places.environment = text_of(3);
  auto both = load_master_keys(places, os_random());
  CHECK_EQ(both.ring.ids(), (std::vector{key_id(key_of(3)), key_id(key_of(1)), key_id(key_of(2))}));
  CHECK_EQ(both.origin, "TROUPE_MASTER_KEY");
}

SCENARIO("a key given later leaves the embedded store's own to open what it sealed") {
  auto own = load_master_keys(embedded(), os_random());
  auto places = embedded();
  places.environment = text_of(3);
  auto both = load_master_keys(places, os_random());
  CHECK_EQ(both.ring.ids(), (std::vector{key_id(key_of(3)), own.ring.current()}));
  CHECK(!both.created);
}

SCENARIO("a malformed key is refused by place, never by content") {
  auto places = embedded();
  auto bad = text_of(1).substr(0, 40);
  places.environment = bad;
  CHECK(has(refusal(places), "TROUPE_MASTER_KEY"));
  CHECK(!has(refusal(places), bad));
  places.environment = "";
  places.file = write("keys", text_of(1) + "\n" + bad + "\n");
  CHECK(has(refusal(places), "keys:2: not a master key"));
  CHECK(!has(refusal(places), bad));
  places.file = write("empty", "# nothing\n");
  CHECK(has(refusal(places), "holds no master key"));
  places.file = dir + "/absent";
  CHECK(has(refusal(places), "absent: the master key cannot be read"));
  places.file = dir;
  CHECK(has(refusal(places), "cannot be read"));
}

SCENARIO("a file that others may read is told") {
  auto places = embedded();
  places.file = write("keys", text_of(1));
  ::chmod(places.file.c_str(), 0644);
  CHECK(load_master_keys(places, os_random()).readable_by_others);
  ::chmod(places.file.c_str(), 0640);
  CHECK(!load_master_keys(places, os_random()).readable_by_others);
}

SCENARIO("processes that start together agree on one key") {
  std::vector<std::string> current(8);
  std::atomic<int> created{0};
  std::vector<std::thread> threads;
  for (auto& mine : current)
    threads.emplace_back([&, this] {
      auto keys = load_master_keys(embedded(), os_random());
      created += keys.created;
      mine = keys.ring.current();
    });
  for (auto& thread : threads)
    thread.join();
  CHECK_EQ(created.load(), 1);
  CHECK_EQ(std::set<std::string>(current.begin(), current.end()).size(), 1u);
}

END_FIXTURE_SCOPE()

} // namespace troupe::master_key_suite
