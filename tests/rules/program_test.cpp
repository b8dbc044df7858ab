#define CAF_SUITE rules_program
#include "runtime/rules/library.hpp"
#include "runtime/rules/program.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <filesystem>
#include <fstream>

namespace troupe::program_suite {

using namespace troupe::rules;
using namespace std::literals;

namespace {

/// What is wrong with these rules; empty: nothing.
std::string fault_of(std::string_view text) {
  try {
    static_cast<void>(parse_text(text));
    return {};
  } catch (const bad_rules& x) {
    return x.what();
  }
}

struct folder {
  folder() : path(std::filesystem::temp_directory_path() / "troupe-rules-test") {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~folder() {
    load_library(path / "none");
    std::filesystem::remove_all(path);
  }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream{path / name} << text;
  }
  std::filesystem::path path;
};

} // namespace

SCENARIO("rules are read in either form") {
  auto list = parse_text(R"([{"on":{"command":["/Help","start"]},"reply":"Hi {first_name}{{}}!"},
    {"on":"any","forward":"@shop"}])");
  CHECK_EQ(list->rules.size(), 2u);
  CHECK((list->rules[0].on.names == std::vector{"help"s, "start"s}));
  CHECK_EQ(list->rules[0].reply.pieces.size(), 2u);
  CHECK_EQ(list->rules[0].reply.pieces[1].literal, "{}!");
  CHECK_EQ(list->rules[1].forward, R"("@shop")");
  CHECK_EQ(list->rate.per_minute, 0u);
  auto object = parse_text(R"({"rate":{"per_minute":5,"reply":"Slowly."},
    "rules":[{"on":{"callback":"buy:*"},"answer":"Noted.","alert":true}]})");
  CHECK_EQ(object->rate.per_minute, 5u);
  CHECK(object->rules[0].alert);
}

SCENARIO("what is wrong with rules is said with the member's name") {
  CHECK_EQ(fault_of("[1"), "rules: is no JSON: incomplete JSON");
  CHECK_EQ(fault_of("[]"), "rules: there are 1 to 100 rules");
  CHECK_EQ(fault_of("{}"), R"(rules: has no list "rules")");
  CHECK_EQ(fault_of(R"([{"on":"any","reply":"x","replay":"y"}])"),
              "rules[0].replay: there is no such member");
  CHECK_EQ(fault_of(R"([{"reply":"x"}])"), R"(rules[0]: has no "on": what it is for)");
  CHECK_EQ(fault_of(R"([{"on":{"command":"/héllo"},"reply":"x"}])"),
              "rules[0].on.command: a command has 1 to 32 of the characters a-z, 0-9 and _");
  CHECK_EQ(fault_of(R"([{"on":{"keyword":["ok","?!"]},"reply":"x"}])"),
              "rules[0].on.keyword[1]: a keyword has 1 to 8 words of letters and digits");
  CHECK_EQ(fault_of(R"([{"on":{"command":"a","keyword":"b"},"reply":"x"}])"),
              R"(rules[0].on: has exactly one of "command", "keyword" and "callback")");
  CHECK(fault_of(R"([{"on":"any","reply":"{firstname}"}])")
          .starts_with("rules[0].reply: {firstname} is none of {first_name}"));
  CHECK(fault_of(R"([{"on":"any","reply":"a } b"}])").starts_with("rules[0].reply: a brace"));
  CHECK_EQ(fault_of(R"([{"on":"any","reply":"x","parse_mode":"Markdown"}])"),
              R"(rules[0].parse_mode: is one of "HTML", "MarkdownV2")");
  CHECK_EQ(fault_of(R"([{"on":"any"}])"),
              R"(rules[0]: does nothing: it needs "reply", "forward" or "answer")");
  CHECK_EQ(fault_of(R"([{"on":"text","answer":"x"}])"),
              R"(rules[0].answer: is for "callback" and "any")");
  CHECK_EQ(
    fault_of(R"([{"on":"any","reply":"x","buttons":[[{"text":"a","url":"javascript:x"}]]}])"),
    "rules[0].buttons[0][0].url: begins with https://, http:// or tg://, and has no blanks");
  CHECK_EQ(fault_of(R"([{"on":"any","reply":"x","buttons":[[{"text":"a","data":"b","url":"c"}]]}])"),
              R"(rules[0].buttons[0][0]: has "text" and either "url" or "data")");
  CHECK_EQ(fault_of(R"([{"on":"any","reply":"x","forward":1.5}])"),
              "rules[0].forward: is a whole number from -4503599627370496 to 4503599627370496");
  CHECK_EQ(fault_of(R"({"rate":{"per_minute":0},"rules":[{"on":"any","reply":"x"}]})"),
              "rules.rate.per_minute: is a whole number from 1 to 600");
}

SCENARIO("rules are bounded") {
  std::string many = "[";
  for (int i = 0; i < 101; ++i)
    many += (i ? "," : "") + R"({"on":"any","reply":"x"})"s;
  CHECK_EQ(fault_of(many + "]"), "rules: there are 1 to 100 rules");
  std::string words = "[";
  for (int i = 0; i < 201; ++i)
    words += (i ? "," : "") + R"("w)"s + std::to_string(i) + '"';
  CHECK_EQ(fault_of(R"([{"on":{"keyword":)" + words + R"(]},"reply":"x"}])"),
              "rules: there are at most 200 keywords in all");
  auto longest = std::string(4096, 'x');
  CHECK_EQ(fault_of(R"([{"on":"any","reply":")" + longest + R"("}])"), "");
  CHECK_EQ(fault_of(R"([{"on":"any","reply":")" + longest + R"(x"}])"),
              "rules[0].reply: has at most 4096 characters");
}

SCENARIO("a node's rule files have names") {
  folder files;
  files.write("shop.json", R"([{"on":"any","reply":"We are closed."}])");
  files.write("notes.txt", "not rules");
  load_library(files.path);
  CHECK(parse_text(R"("shop")") == find_in_library("shop"));
  CHECK_EQ(fault_of(R"("notes")"), R"(rules: the node has no rules called "notes")");
  files.write("bad.json", "[{}]");
  try {
    load_library(files.path);
    FAIL("a faulty file was taken");
  } catch (const bad_rules& x) {
    CHECK_EQ(std::string{x.what()},
                (files.path / "bad.json").string() + R"(: rules[0]: has no "on": what it is for)");
  }
  CHECK(find_in_library("shop") != nullptr);
}

} // namespace troupe::program_suite
