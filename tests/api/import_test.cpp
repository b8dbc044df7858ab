#define CAF_SUITE api.import
#include "runtime/api/ctl_progress.hpp"
#include "runtime/api/import_file.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <boost/json/serialize.hpp>

#include <sstream>

namespace troupe::import_suite {

using namespace std::literals;

namespace {

const std::string token_a = "123456:" + std::string(35, 'a');
const std::string token_b = "654321:" + std::string(35, 'b');

std::vector<api::import_row> read(const std::string& text) {
  std::istringstream in{text};
  api::import_reader rows{in};
  std::vector<api::import_row> all;
  while (auto row = rows.next())
    all.push_back(std::move(*row));
  return all;
}

/// The sentence with which a file is refused as a whole; empty when it is not.
std::string refusal(const std::string& text) {
  try {
    (void)read(text);
    return {};
  } catch (const std::runtime_error& why) {
    return why.what();
  }
}

std::string shown(const api::import_row& row) {
  return boost::json::serialize(row.body);
}

} // namespace

SCENARIO("a file of JSON lines gives each object as it stands") {
  auto rows = read("{\"token\":\"" + token_a + "\",\"limits\":{\"rps\":3}}\r\n\n  \n{\"token\":\""
                   + token_b + "\"}");
  CAF_REQUIRE_EQUAL(rows.size(), 2u);
  CHECK_EQ(rows[0].line, 1u);
  CHECK_EQ(rows[0].bot, "123456");
  CHECK_EQ(shown(rows[0]), "{\"token\":\"" + token_a + "\",\"limits\":{\"rps\":3}}");
  CHECK_EQ(rows[1].line, 4u);
  CHECK_EQ(rows[1].bot, "654321");
}

SCENARIO("a CSV file names its columns, in any order, with quotes and lines within them") {
  auto rows = read("\xEF\xBB\xBFname,token,rps,concurrent,trusted,tenant,delivery\r\n"
                   "\"Shop, \"\"the\"\" one\n2\","
                   + token_a
                   + ",5,2,true,7,\"{\"\"mode\"\":\"\"pull\"\"}\"\r\n"
                     ","
                   + token_b + ",,,,,\n");
  CAF_REQUIRE_EQUAL(rows.size(), 2u);
  CHECK_EQ(rows[0].problem, "");
  CHECK_EQ(rows[0].body.at("name").as_string(), "Shop, \"the\" one\n2");
  CHECK_EQ(rows[0].body.at("limits").at("rps").as_int64(), 5);
  CHECK_EQ(rows[0].body.at("limits").at("concurrent").as_int64(), 2);
  CHECK_EQ(rows[0].body.at("trusted").as_bool(), true);
  CHECK_EQ(rows[0].body.at("tenant").as_int64(), 7);
  CHECK_EQ(rows[0].body.at("delivery").at("mode").as_string(), "pull");
  CHECK_EQ(rows[1].line, 4u);
  CHECK_EQ(shown(rows[1]), "{\"token\":\"" + token_b + "\"}");
}

SCENARIO("what is wrong with one row is said there and costs the others nothing") {
  auto csv = read("token,rps,delivery,trusted\n" + token_a + ",many,,\n,3,,\n" + token_a + ",,[],\n"
                  + token_a + ",,,perhaps\n" + token_a + ",1\n" + token_a + ",\"1\"x,,\n"
                  + std::string(70'000, 'x') + "\n" + token_b + ",1,,\n");
  CAF_REQUIRE_EQUAL(csv.size(), 8u);
  CHECK_EQ(read("token,name\n" + token_a + ",\xDA\n").at(0).problem, "It is no UTF-8.");
  CHECK_EQ(csv[0].problem, "rps must be a number.");
  CHECK_EQ(csv[0].bot, "123456");
  CHECK(csv[0].body.empty());
  CHECK_EQ(csv[1].problem, "It has no token.");
  CHECK_EQ(csv[2].problem, "delivery must be a JSON object.");
  CHECK_EQ(csv[3].problem, "trusted must be true or false.");
  CHECK_EQ(csv[4].problem, "It has 2 fields; 4 columns are named.");
  CHECK_EQ(csv[5].problem, "A quote is not where it may be.");
  CHECK_EQ(csv[6].problem, "It is longer than 64 KiB.");
  CHECK_EQ(csv[7].problem, "");
  CHECK_EQ(csv[7].line, 9u);
  auto json = read("{\"token\":5}\n{\"token\n[]\n{\"token\":\"" + token_b + "\"}\n");
  CAF_REQUIRE_EQUAL(json.size(), 4u);
  CHECK_EQ(json[0].problem, "It has no token.");
  CHECK_EQ(json[1].problem, "It is no JSON object.");
  CHECK_EQ(json[2].problem, "It is no JSON object.");
  CHECK_EQ(json[3].bot, "654321");
}

SCENARIO("a file that is none of both is refused as a whole, and tells no token") {
  CHECK_EQ(refusal(""), "there is nothing in it");
  CHECK_EQ(refusal(" \n\n"), "there is nothing in it");
  CHECK_EQ(refusal("name,rps\n"), "no column is called token");
  CHECK_EQ(refusal("token,token\n"), "two columns are called token");
  auto tokens_alone = refusal(token_a + "\n" + token_b + "\n");
  CHECK(tokens_alone.starts_with("there is no column \"123456:***\""));
  CHECK_EQ(refusal("\"token\n"), "it begins with neither a JSON object nor the names of columns");
}

SCENARIO("fields of CSV are what RFC 4180 says") {
  using fields = std::vector<std::string>;
  CHECK(api::csv_fields("") == fields{""});
  CHECK(api::csv_fields("a,,b,") == (fields{"a", "", "b", ""}));
  CHECK(api::csv_fields("\"a,\"\"b\"\"\",c") == (fields{"a,\"b\"", "c"}));
  CHECK(api::csv_fields("\"\",\"\"") == (fields{"", ""}));
  CHECK(!api::csv_fields("a\"b"));
  CHECK(!api::csv_fields("\"a"));
  CHECK(!api::csv_fields("\"a\"b"));
}

SCENARIO("the line of long work tells how far it is, how fast, and how long it takes yet") {
  CHECK_EQ(api::progress_line(500, 1000, 20s), "[" + std::string(15, '#') + std::string(15, '-')
                                                 + "]  50 %  500 of 1000  25/s  20 s left");
  CHECK_EQ(api::progress_line(0, 10, 1s), "[" + std::string(30, '-') + "]   0 %  0 of 10  0.0/s");
  CHECK_EQ(api::progress_line(12, 10, 4s), "[" + std::string(30, '#') + "] 100 %  10 of 10  2.5/s");
  CHECK_EQ(api::progress_line(7, 0, 2s), "7  3.5/s");
}

SCENARIO("progress is drawn on a terminal alone") {
  std::ostringstream file, terminal;
  api::progress nowhere{file, false, 10};
  nowhere.show(5);
  nowhere.clear();
  CHECK_EQ(file.str(), "");
  api::progress there{terminal, true, 10};
  there.clear();
  CHECK_EQ(terminal.str(), "");
  there.show(5);
  CHECK(terminal.str().starts_with("\r[###"));
  there.clear();
  CHECK(terminal.str().ends_with("\r\x1b[K"));
}

} // namespace troupe::import_suite
