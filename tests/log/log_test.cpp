#define CAF_SUITE log
#include "runtime/log/capture.hpp"
#include "runtime/log/log.hpp"
#include "runtime/log/render.hpp"
#include "runtime/log/text.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <boost/json.hpp>

#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <thread>

#include <unistd.h>

namespace troupe::log_suite {

using namespace std::literals;

namespace {

// Shaped like a token, and nobody's.
const auto token = "123456789:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"s;

std::string json_string(std::string_view text) {
  std::string out;
  log::append_json_string(out, text);
  return out;
}

struct scratch_dir {
  std::filesystem::path path =
    std::filesystem::temp_directory_path() / ("troupe-log-" + std::to_string(::getpid()));
  scratch_dir() { std::filesystem::create_directories(path); }
  ~scratch_dir() { std::filesystem::remove_all(path); }
};

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::vector<std::string> lines;
  std::ifstream in{file};
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

} // namespace

SCENARIO("an event is one JSON object with its fields in order") {
  log::capture captured;
  log::event(log::level::warning, "lease.reclaimed", "troupe.session-pool",
             {{"bot", 42}, {"reason", "lessee died"}, {"after", 1.5}, {"again", true}},
             "pool took a lease back");
  auto lines = captured.lines();
  REQUIRE_EQ(lines.size(), 1u);
  auto parsed = boost::json::parse(lines[0]).as_object();
  CHECK_EQ(parsed.at("level").as_string(), "warning");
  CHECK_EQ(parsed.at("event").as_string(), "lease.reclaimed");
  CHECK_EQ(parsed.at("actor").as_string(), "troupe.session-pool");
  CHECK_EQ(parsed.at("bot").as_int64(), 42);
  CHECK_EQ(parsed.at("reason").as_string(), "lessee died");
  CHECK_EQ(parsed.at("after").as_double(), 1.5);
  CHECK(parsed.at("again").as_bool());
  std::vector<std::string> order;
  for (auto& member : parsed)
    order.emplace_back(member.key());
  auto expected = std::vector{"ts"s,     "level"s, "event"s, "actor"s, "bot"s,
                              "reason"s, "after"s, "again"s, "note"s};
  CHECK_EQ(order, expected);
  CHECK_EQ(captured.count("lease.reclaimed"), 1u);
  CHECK_EQ(captured.count("lease"), 0u);
}

SCENARIO("time stamps are RFC 3339 in UTC with milliseconds") {
  std::string out;
  log::append_timestamp(out, std::chrono::system_clock::time_point{1'714'564'800'007ms});
  CHECK_EQ(out, "2024-05-01T12:00:00.007Z");
  out.clear();
  log::append_timestamp(out, std::chrono::system_clock::time_point{-1ms});
  CHECK_EQ(out, "1969-12-31T23:59:59.999Z");
}

SCENARIO("numbers that JSON cannot say become null") {
  log::capture captured;
  log::event(log::level::info, "x", "y",
             {{"nan", std::numeric_limits<double>::quiet_NaN()},
              {"inf", std::numeric_limits<double>::infinity()}});
  auto parsed = boost::json::parse(captured.lines().at(0)).as_object();
  CHECK(parsed.at("nan").is_null());
  CHECK(parsed.at("inf").is_null());
}

SCENARIO("whatever the bytes, the line is valid JSON") {
  GIVEN("every single byte, cut sequences, overlong forms and surrogates") {
    THEN("the JSON parser accepts the result and invalid bytes are replaced") {
      for (int byte = 0; byte < 256; ++byte) {
        auto text = "a"s + static_cast<char>(byte) + "b";
        boost::system::error_code failed;
        auto parsed = boost::json::parse(json_string(text), failed);
        CHECK(!failed);
        if (byte >= 0x80)
          CHECK_EQ(parsed.as_string(), "a\xef\xbf\xbd"
                                       "b");
        else
          CHECK_EQ(parsed.as_string(), text);
      }
      CHECK_EQ(json_string("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"),
               "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"");
      CHECK_EQ(json_string("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\""); // Overlong.
      CHECK_EQ(json_string("\xed\xa0\x80"),
               "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");  // Surrogate.
      CHECK_EQ(json_string("\xe2\x82"), "\"\xef\xbf\xbd\""); // Cut.
      CHECK_EQ(json_string("\xf4\x90\x80\x80"),
               "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); // Beyond U+10FFFF.
      CHECK_EQ(json_string("a\nb\"c\\d\x1b"), R"("a\nb\"c\\d\u001b")");
    }
  }
}

SCENARIO("a token never gets out, wherever it was put by mistake") {
  log::capture captured;
  auto url = "https://host/bot" + token + "/getMe";
  log::event(log::level::error, "oops", "troupe.test", {{"url", url}, {token, 1}}, token);
  log::event(log::level::error, token, token, {{"escaped", "123%3A" + std::string(35, 'y')}});
  for (auto& line : captured.lines()) {
    CHECK_EQ(line.find("xxxxx"), std::string::npos);
    CHECK_EQ(line.find("yyyyy"), std::string::npos);
  }
  auto parsed = boost::json::parse(captured.lines().at(0)).as_object();
  CHECK_EQ(parsed.at("url").as_string(), "https://host/bot123456789:***/getMe");
  CHECK_EQ(log::mask_tokens("two: " + token + " and " + token),
           "two: 123456789:*** and 123456789:***");
  CHECK_EQ(log::mask_tokens("at 12:30:45, 10:short, a:b, port 80:"),
           "at 12:30:45, 10:short, a:b, port 80:");
  CHECK_EQ(log::mask_tokens(token.substr(0, 34)), "123456789:***");
}

SCENARIO("a human line is aligned and cannot be forged") {
  std::string out;
  auto fields = std::initializer_list<log::field>{
    {"bot", 7}, {"reason", "two words"}, {"bad", "a\nfake\x1b[2J"}, {"empty", ""}};
  log::append_human(out,
                    {std::chrono::system_clock::time_point{0ms}, log::level::info, "child.started",
                     "troupe.root", fields, "root started a child"},
                    false);
  CHECK_EQ(out, "1970-01-01T00:00:00.000Z info    child.started        troupe.root          bot=7 "
                "reason=\"two words\" bad=a\\nfake\\u001b[2J empty=\"\"  root started a child");
}

SCENARIO("lines below the threshold are not written") {
  log::capture captured{log::level::warning};
  CHECK(!log::enabled(log::level::info));
  log::event(log::level::info, "small", "troupe.test");
  log::set_level(log::level::info);
  log::event(log::level::info, "loud", "troupe.test");
  CHECK_EQ(captured.count("small"), 0u);
  CHECK_EQ(captured.count("loud"), 1u);
}

SCENARIO("no line is lost or torn when many threads log more than the queue holds") {
  scratch_dir dir;
  auto file = dir.path / "troupe.log";
  constexpr int threads = 4;
  constexpr int each = 5000;
  REQUIRE_EQ(log::init({log::level::info, log::format::automatic, file.string(), "node-1"}),
             std::nullopt);
  std::vector<std::thread> writers;
  for (int t = 0; t < threads; ++t)
    writers.emplace_back([t] {
      for (int i = 0; i < each; ++i)
        log::event(log::level::info, "tick", "troupe.test", {{"id", t * each + i}});
    });
  for (auto& writer : writers)
    writer.join();
  log::flush();
  auto lines = lines_of(file);
  CHECK_EQ(lines.size(), static_cast<std::size_t>(threads * each));
  std::set<std::int64_t> seen;
  for (auto& line : lines) {
    auto parsed = boost::json::parse(line).as_object();
    seen.insert(parsed.at("id").as_int64());
    if (parsed.at("node").as_string() != "node-1")
      FAIL("a line without its node");
  }
  CHECK_EQ(seen.size(), static_cast<std::size_t>(threads * each));
  WHEN("the file was rotated and the log is started again") {
    std::filesystem::rename(file, dir.path / "troupe.log.1");
    REQUIRE_EQ(log::init({log::level::info, log::format::json, file.string(), ""}), std::nullopt);
    log::event(log::level::info, "after", "troupe.test");
    log::shutdown();
    THEN("new lines stand in the new file") {
      CHECK_EQ(lines_of(file).size(), 1u);
    }
  }
  log::shutdown();
}

SCENARIO("a file that cannot be written is reported and logging goes on as before") {
  scratch_dir dir;
  auto failed = log::init({log::level::info, log::format::json, dir.path.string(), ""});
  CHECK(failed.has_value());
  CHECK(log::enabled(log::level::info));
}

} // namespace troupe::log_suite
