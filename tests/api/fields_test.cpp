#define CAF_SUITE api.fields
#include "runtime/api/fields.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::fields_suite {

using namespace std::literals;

namespace {

constexpr std::string_view colours[] = {"red"sv, "blue"sv};
constexpr api::field inner[] = {{"rps", api::shape::integer, 0, 100, ""}};
constexpr api::field fields[] = {
  {"name", api::shape::text, 1, 5, "", true},
  {"count", api::shape::integer, 1, 10, ""},
  {"flag", api::shape::boolean, 0, 0, ""},
  {"ids", api::shape::ids, 1, 3, ""},
  {"words", api::shape::texts, 0, 2, ""},
  {"limits", api::shape::object, 0, 0, "", false, {}, inner},
  {"extra", api::shape::any, 0, 0, ""},
  {"colour", api::shape::text, 0, 0, "", false, colours},
};

/// "code where", or "ok".
std::string verdict(std::string_view text) {
  auto result = api::read_body(text, fields);
  auto* wrong = std::get_if<api::complaint>(&result);
  if (wrong == nullptr)
    return "ok";
  return std::string{api::text_of(wrong->what).code} + (wrong->where.empty() ? "" : " ")
         + wrong->where;
}

std::string query(std::string_view text) {
  auto result = api::read_query(text, fields);
  auto* wrong = std::get_if<api::complaint>(&result);
  return wrong == nullptr ? "ok" : wrong->sentence;
}

} // namespace

SCENARIO("a body with what a route knows is taken as it is") {
  CHECK_EQ(verdict(R"({"name":"Ann"})"), "ok");
  CHECK_EQ(verdict(R"({"name":"äöüßé","count":10,"flag":false,"ids":[1,9007199254740993],
                       "words":["a","b"],"limits":{"rps":0},"extra":{"x":[{}]},"colour":"red"})"),
           "ok");
  CHECK_EQ(verdict(R"({"name":"a'; --"})"), "invalid_field name");
  CHECK_EQ(verdict(R"({"name":"'--"})"), "ok");
}

SCENARIO("what is no JSON object in UTF-8 is refused as a whole") {
  for (auto bad : {""s, "x"s, "[]"s, "1"s, "null"s, R"("text")"s, "{"s, R"({"name":"a"} x)"s,
                   R"({"name":"a",})"s, "{\"name\":\"\xff\xfe\"}"s, "{\"name\":\"\xc3\"}"s,
                   R"({'name':'a'})"s, R"({"name":"\ud800"})"s, R"({"count":01,"name":"a"})"s,
                   R"({"count":NaN,"name":"a"})"s, "\xef\xbb\xbf{\"name\":\"a\"}"s})
    CHECK_EQ(verdict(bad), "bad_json");
}

SCENARIO("a name that stands twice is not read in one of two ways") {
  CHECK_EQ(verdict(R"({"name":"a","name":"b"})"), "bad_json");
  CHECK_EQ(verdict(R"({"name":"a","extra":{"x":[{"y":1,"y":1}]}})"), "bad_json");
  CHECK_EQ(verdict(R"({"name":"a","\u006eame":"b"})"), "bad_json");
  CHECK_EQ(verdict(R"({"name":":\":","extra":{"a:b":"\\","c":":"}})"), "ok");
}

SCENARIO("nesting is bounded") {
  auto nested = [](std::size_t depth) {
    std::string text = R"({"name":"a","extra":{"x":)";
    text += std::string(depth, '[') + std::string(depth, ']') + "}}";
    return text;
  };
  CHECK_EQ(verdict(nested(20)), "ok");
  CHECK_EQ(verdict(nested(40)), "bad_json");
  CHECK_EQ(verdict(nested(100'000)), "bad_json");
  CHECK_EQ(verdict(std::string(1'000'000, '[')), "bad_json");
}

SCENARIO("every refusal names the field that is wrong") {
  CHECK_EQ(verdict("{}"), "missing_field name");
  CHECK_EQ(verdict(R"({"name":"a","x":1})"), "unknown_field x");
  CHECK_EQ(verdict(R"({"name":"a","Name":"b"})"), "unknown_field Name");
  CHECK_EQ(verdict(R"({"name":1})"), "invalid_field name");
  CHECK_EQ(verdict(R"({"name":null})"), "invalid_field name");
  CHECK_EQ(verdict(R"({"name":""})"), "invalid_field name");
  CHECK_EQ(verdict(R"({"name":"toolong"})"), "invalid_field name");
  CHECK_EQ(verdict(R"({"name":"a\u0000b"})"), "invalid_field name");
  CHECK_EQ(verdict(R"({"name":"a\nb"})"), "invalid_field name");
  for (auto number : {"0", "11", "-1", "1.5", "1e1", "\"1\"", "true", "18446744073709551615",
                      "99999999999999999999999", "1e999"})
    CHECK_EQ(verdict(R"({"name":"a","count":)"s + number + "}"), "invalid_field count");
  CHECK_EQ(verdict(R"({"name":"a","flag":1})"), "invalid_field flag");
  CHECK_EQ(verdict(R"({"name":"a","ids":[]})"), "invalid_field ids");
  CHECK_EQ(verdict(R"({"name":"a","ids":[1,2,3,4]})"), "invalid_field ids");
  CHECK_EQ(verdict(R"({"name":"a","ids":[1,"2"]})"), "invalid_field ids[1]");
  CHECK_EQ(verdict(R"({"name":"a","ids":[0]})"), "invalid_field ids[0]");
  CHECK_EQ(verdict(R"({"name":"a","words":[1]})"), "invalid_field words[0]");
  CHECK_EQ(verdict(R"({"name":"a","limits":{"rps":101}})"), "invalid_field limits.rps");
  CHECK_EQ(verdict(R"({"name":"a","limits":{"rpm":1}})"), "unknown_field limits.rpm");
  CHECK_EQ(verdict(R"({"name":"a","limits":[]})"), "invalid_field limits");
  CHECK_EQ(verdict(R"({"name":"a","extra":[]})"), "invalid_field extra");
  CHECK_EQ(verdict(R"({"name":"a","colour":"green"})"), "invalid_field colour");
}

SCENARIO("a name that the client chose is shown short and masked") {
  auto token = "123456:" + std::string(35, 'x');
  CHECK_EQ(verdict("{\"" + token + "\":1}"), "unknown_field 123456:***");
  CHECK_EQ(verdict("{\"" + std::string(5000, 'y') + "\":1}").size(), "unknown_field "s.size() + 67);
  CHECK_EQ(verdict(R"({"\u0007":1})"), "unknown_field ?");
}

SCENARIO("a token that does not fit into what is shown is not shown in part") {
  auto before = std::string(40, 'n') + "=123456789:";
  auto secret = "kQ7wXv2RtY9pLm4ZsB8nHc5JdG3fTe6WaUx"s;
  CHECK_EQ(api::shown(before + secret), before + "***");
  auto said = query(before + secret + "=1");
  CHECK(!said.empty());
  CHECK_EQ(said.find(secret.substr(0, 4)), std::string::npos);
}

SCENARIO("queries are decoded and checked like bodies") {
  CHECK_EQ(query(""), "ok");
  CHECK_EQ(query("count=3&name=a%20b+c"), "ok");
  CHECK_EQ(query("&&count=3&"), "ok");
  CHECK_EQ(query("count=0"), "count must be a number from 1 to 10.");
  CHECK_EQ(query("count=3x"), "count must be a number from 1 to 10.");
  CHECK_EQ(query("count"), "count must be a number from 1 to 10.");
  CHECK_EQ(query("count=99999999999999999999"), "count must be a number from 1 to 10.");
  CHECK_EQ(query("count=3&count=4"), "The parameter count is given twice.");
  CHECK_EQ(query("other=3"), "The parameter other is not known here.");
  CHECK_EQ(query("colour=green"), "colour must be one of: red, blue.");
  for (auto bad : {"name=%", "name=%4", "name=%zz", "name=%00", "name=%ff", "name=%+1"})
    CHECK_EQ(query(bad), "The parameter name is not well encoded.");
  auto read = std::get<api::parameters>(api::read_query("name=a%20b&count=7", fields));
  CHECK_EQ(*read.text("name"), "a b");
  CHECK_EQ(*read.number("count"), 7);
  CHECK(!read.text("colour"));
}

} // namespace troupe::fields_suite
