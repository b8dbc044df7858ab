#define CAF_SUITE config.file
#include "runtime/config/file.hpp"
#include "tests/config/fixture.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::file_suite {

namespace {

std::string error_of(std::string_view text) {
  return config::parse_file(text).error;
}

} // namespace

SCENARIO("groups, comments and line ends of any system are read") {
  auto parsed = config::parse_file(
    "\xef\xbb\xbf# first\r\na {\r\n  b = 1 # one\r\n\r\n  c = \"x # y\"\r\n}\r\nd = 2s");
  CHECK_EQ(parsed.error, "");
  REQUIRE_EQ(parsed.entries.size(), 3u);
  CHECK_EQ(parsed.entries[0].name, "a.b");
  CHECK_EQ(parsed.entries[0].line, 3);
  CHECK_EQ(parsed.entries[1].name, "a.c");
  CHECK_EQ(parsed.entries[1].line, 5);
  CHECK_EQ(parsed.entries[2].name, "d");
  CHECK_EQ(parsed.entries[2].line, 7);
  CHECK_EQ(error_of(""), "");
  CHECK_EQ(error_of("# nothing\n\n"), "");
  CHECK_EQ(error_of("a { }"), "");
}

SCENARIO("a text that ends too early is an error, not a shorter configuration") {
  for (std::string_view text : {"a {\n b = 1\n", "a { b = [1, 2\n", "a { b = \"x\n", "a {",
                                "a { b =", "a { b {\n c = 1 }\n"})
    CHECK_NE(error_of(text), "");
}

SCENARIO("slips of the pen are errors with their line") {
  auto parsed = config::parse_file("a {\n  b = 1\n  c = word\n}\n");
  CHECK_NE(parsed.error, "");
  CHECK_EQ(parsed.line, 3);
  CHECK(holds(config::parse_file("a { b = 1 }\n}").error, "unexpected character"));
  CHECK(holds(error_of("a { b = 1.5s }"), "whole number"));
  CHECK(holds(error_of("a { b = 99999999999999999999 }"), "too large"));
  CHECK(holds(error_of("a { b = 1\n b = 2 }"), "a.b is set twice"));
  CHECK(holds(error_of("a { b = 1 }\na { b = 2 }"), "a.b is set twice"));
  CHECK(holds(error_of(std::string_view{"a { b = \"x\0y\" }", 15}), "not a text"));
}

SCENARIO("a URI in angle brackets is an error: texts stand in quotes") {
  for (std::string_view text : {"store {\n  uri =<\"post://oupe\"\n}", "a { b = 1, c = <x://y> }",
                                "a { b = [1, <\"x\"] }", "<"})
    CHECK(holds(error_of(text), "begins with <"));
  CHECK_EQ(config::parse_file("a {\n b =<\n}").line, 2);
  CHECK_EQ(error_of("a { b = \"<x>\" } # <y>"), "");
}

SCENARIO("a duration that overflows is an error instead of some other duration") {
  for (std::string_view text : {"a { b = 9999999999h }", "a { b = 999999999999min }",
                                "a { b = 99999999999s }", "a { b = 99999999999999ms }"})
    CHECK_EQ(error_of(text), "a duration is too large");
  CHECK_EQ(error_of("a { b = \"99999999999s\" }"), "");
  CHECK_EQ(error_of("a { b = 2562047h } # 99999999999h"), "");
}

} // namespace troupe::file_suite
