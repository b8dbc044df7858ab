#define CAF_SUITE past_mark

#include "runtime/past/past_mark.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <tuple>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::past_mark_suite {

using namespace std::literals;
namespace fs = std::filesystem;

namespace {

using file_clock = fs::file_time_type::clock;

/// What a test may take between setting a mark and reading it.
constexpr auto hurry = 10s;

/// A data directory that is not there yet.
struct data_dir {
  fs::path root = fs::temp_directory_path() / ("troupe-past-" + std::to_string(::getpid()));
  fs::path dir = root / "data";
  fs::path file = dir / "last-active";

  data_dir() {
    fs::remove_all(root);
    fs::create_directories(root);
  }
  ~data_dir() { fs::remove_all(root); }

  /// A node was here, and made its last mark then.
  void marked(fs::file_time_type when, const std::string& text = "a mark") {
    fs::create_directories(dir);
    std::ofstream{file} << text;
    fs::last_write_time(file, when);
  }

  [[nodiscard]] unseen_past unseen() const { return past_mark{dir.string()}.unseen(); }
  [[nodiscard]] duration age() const { return file_clock::now() - fs::last_write_time(file); }
};

bool same(const unseen_past& x, const unseen_past& y) {
  return x.rates == y.rates && x.chats == y.chats && x.groups == y.groups;
}

bool is_empty(const unseen_past& x) {
  return same(x, unseen_past::none());
}

bool is_full(const unseen_past& x) {
  return same(x, unseen_past::unknown());
}

/// Whether `x` is `most`, or less by no more than this test has taken.
bool nearly(duration x, duration most) {
  return x <= most && x >= most - hurry;
}

} // namespace

BEGIN_FIXTURE_SCOPE(data_dir)

SCENARIO("without a mark there was no node, and the past is empty") {
  CHECK(is_empty(unseen()));
  THEN("the start makes the directory, for its owner alone, and a mark of now") {
    CHECK(fs::status(dir).permissions() == fs::perms::owner_all);
    CHECK_LT(age(), hurry);
  }
  THEN("the next node knows of this one") {
    CHECK(is_full(unseen()));
  }
}

SCENARIO("a directory without a mark keeps its permissions") {
  fs::create_directories(dir);
  fs::permissions(dir, fs::perms::owner_all | fs::perms::group_read);
  CHECK(is_empty(unseen()));
  CHECK(fs::status(dir).permissions() == (fs::perms::owner_all | fs::perms::group_read));
}

SCENARIO("a fresh mark leaves every window full") {
  marked(file_clock::now());
  CHECK(is_full(unseen()));
}

SCENARIO("a stale mark leaves as much open as its age does not cover, and two seconds") {
  marked(file_clock::now() - 30s);
  auto x = unseen();
  CHECK_EQ(x.rates, 0s);
  CHECK_EQ(x.chats, 0s);
  CHECK(nearly(x.groups, 32s));
  WHEN("it is so young that chats are open, too") {
    marked(file_clock::now() - 12s);
    x = unseen();
    CHECK_EQ(x.rates, 0s);
    CHECK(nearly(x.chats, 10s));
    CHECK(nearly(x.groups, 50s));
  }
}

SCENARIO("a mark older than every window leaves nothing open") {
  marked(file_clock::now() - 62s);
  CHECK(is_empty(unseen()));
  marked(file_clock::now() - 24h * 365 * 50);
  CHECK(is_empty(unseen()));
}

SCENARIO("a mark from the future is not believed: the clock was set back") {
  marked(file_clock::now() + 5min);
  CHECK(is_full(unseen()));
  THEN("the present is marked over it") {
    CHECK_GE(age(), 0s);
  }
  WHEN("it lies so far ahead that its time cannot be said in nanoseconds") {
    marked(file_clock::now());
    timespec year_2400{13'569'465'600, 0};
    timespec both[] = {year_2400, year_2400};
    REQUIRE_EQ(::utimensat(AT_FDCWD, file.c_str(), both, 0), 0);
    CHECK(is_full(unseen()));
  }
}

SCENARIO("what is written in the mark does not matter, only when") {
  for (const auto& text : {""s, "\0\xff garbage"s, std::string(1 << 20, 'x')}) {
    marked(file_clock::now(), text);
    CHECK(is_full(unseen()));
    marked(file_clock::now() - 5min, text);
    CHECK(is_empty(unseen()));
  }
}

SCENARIO("a mark that is no file ends the start with words that name it") {
  fs::create_directories(file);
  auto complaint = ""s;
  try {
    past_mark{dir.string()};
  } catch (const std::runtime_error& x) {
    complaint = x.what();
  }
  CHECK_EQ(complaint, "node.data-dir: cannot write " + file.string());
}

SCENARIO("a data directory that cannot be made ends the start with words that name it") {
  std::ofstream{dir} << "a file is in the way";
  auto complaint = ""s;
  try {
    past_mark{dir.string()};
  } catch (const std::runtime_error& x) {
    complaint = x.what();
  }
  CHECK(complaint.starts_with("node.data-dir: cannot make " + dir.string()));
}

SCENARIO("touching the mark makes it new, and changes nothing of what was read") {
  marked(file_clock::now() - 30s);
  past_mark mark{dir.string()};
  auto before = mark.unseen();
  CHECK_LT(age(), hurry);
  fs::last_write_time(file, file_clock::now() - 30s);
  mark.touch();
  CHECK_LT(age(), hurry);
  CHECK(same(mark.unseen(), before));
}

SCENARIO("a mark that cannot be written any more is an error, and can be again later") {
  past_mark mark{dir.string()};
  fs::remove_all(dir);
  CHECK_THROWS_AS(mark.touch(), std::runtime_error);
  fs::create_directories(dir);
  mark.touch();
  CHECK(fs::exists(file));
}

END_FIXTURE_SCOPE()

SCENARIO("whatever may have been granted has left its window when the budget opens") {
  std::mt19937_64 rng{7};
  auto any = [&rng](duration most) {
    return duration{std::uniform_int_distribution<std::int64_t>{0, most.count()}(rng)};
  };
  std::size_t wrong = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto age = any(70s);
    auto since =
      std::max<duration>(age - 2s, 0s) + any(70s); // A grant before the mark, or 2 s after.
    auto x = unseen_after(age);
    auto later = unseen_after(age + any(10s));
    for (auto [window, open, open_later] : {std::tuple{duration{1s}, x.rates, later.rates},
                                            std::tuple{duration{20s}, x.chats, later.chats},
                                            std::tuple{duration{60s}, x.groups, later.groups}})
      wrong += open < window - since || open > window || open_later > open || open < 0s;
  }
  CHECK_EQ(wrong, 0u);
}

SCENARIO("no age is too odd") {
  CHECK(is_full(unseen_after(duration::min())));
  CHECK(is_full(unseen_after(-1ns)));
  CHECK(is_full(unseen_after(0s)));
  CHECK(is_empty(unseen_after(62s)));
  CHECK(is_empty(unseen_after(duration::max())));
}

} // namespace troupe::past_mark_suite
