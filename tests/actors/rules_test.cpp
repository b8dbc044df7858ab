#define CAF_SUITE actors_rules
#include "runtime/rules/program.hpp"
#include "tests/actors/pull_fixture.hpp"

namespace troupe::rules_suite {

using namespace troupe::pull_tests;
using namespace std::literals;

namespace {

struct rules_fixture : fixture {
  rules_fixture() {
    updates::delivery_settings how;
    how.mode = updates::delivery_mode::rules;
    how.relay.attempts = 3;
    how.rules = rules::parse_text(
      R"([{"on":{"command":"help"},"reply":"Yes?"},{"on":"text","reply":"Hi.","forward":-5}])");
    set(how);
  }
  void hears(std::string text, std::int64_t chat = 9) {
    auto c = std::to_string(chat);
    store_update(chat, R"({"update_id":1,"message":{"message_id":3,"from":{"id":9},"chat":{"id":)"
                         + c + R"(},"text":")" + text + "\"}}");
    tell_bot();
  }
  std::vector<std::string> called() const {
    std::vector<std::string> result;
    for (const auto& x : calls)
      result.push_back(x.method);
    return result;
  }
  static method_answer status(std::uint16_t code) { return {code, "application/json", "{}"}; }
  using names = std::vector<std::string>;
};

} // namespace

BEGIN_FIXTURE_SCOPE(rules_fixture)

SCENARIO("a bot's rules answer through the bot's own calls") {
  hears("/help");
  CHECK_EQ(called(), (names{"sendMessage"}));
  CHECK(calls[0].own);
  CHECK_EQ(calls[0].bot, 7);
  CHECK_EQ(calls[0].body, R"({"chat_id":9,"text":"Yes?"})");
  CHECK(store->ended.at(1).how == update_verdict::delivered);
}

SCENARIO("how often a user was answered is remembered while he pauses") {
  updates::delivery_settings how;
  how.mode = updates::delivery_mode::rules;
  how.rules = rules::parse_text(
    R"({"rate":{"per_minute":2,"reply":"Slowly."},"rules":[{"on":"text","reply":"Hi."}]})");
  set(how);
  for (int i = 0; i < 5; ++i) {
    hears("x");
    for (int step = 0; step < 50; ++step)
      advance(100ms);
  }
  REQUIRE_EQ(calls.size(), 3u); // Twice, then told once.
  CHECK(calls[2].body.find("Slowly.") != std::string::npos);
  for (int step = 0; step < 600; ++step)
    advance(100ms);
  hears("x");
  REQUIRE_EQ(calls.size(), 4u);
  CHECK(calls[3].body.find("Hi.") != std::string::npos);
}

SCENARIO("what was sent is not sent again when what follows is tried again") {
  answers = {status(200), status(502)};
  hears("x");
  advance(3s);
  CHECK_EQ(called(), (names{"sendMessage", "forwardMessage", "forwardMessage"}));
  CHECK(store->ended.at(1).how == update_verdict::delivered);
}

SCENARIO("what was sent is remembered however many updates become dead letters meanwhile") {
  updates::delivery_settings how;
  how.mode = updates::delivery_mode::rules;
  how.relay.attempts = 1;
  how.rules = rules::parse_text(
    R"([{"on":{"command":"help"},"reply":"Yes?"},{"on":"text","reply":"Hi.","forward":-5}])");
  set(how);
  unanswered = 2; // What comes behind the reply.
  hears("x", 1);
  CHECK_EQ(called(), (names{"sendMessage", "forwardMessage"}));
  for (std::int64_t i = 0; i < 205; ++i) {
    answers = {status(502)};
    hears("/help", 1000 + i);
    hears("/help", 5000 + i); // One that works, or the others would be tried one at a time.
  }
  CHECK_EQ(std::count_if(store->ended.begin(), store->ended.end(),
                         [](const auto& x) { return x.second.how == update_verdict::dead; }),
           205);
  caf::anon_send(registrar, caf::ok_atom_v);
  advance(1s);
  CHECK(store->ended.at(1).how == update_verdict::delivered);
  CHECK_EQ(
    std::count_if(calls.begin(), calls.end(),
                  [](const auto& x) { return x.body.find(R"("chat_id":1,)") != x.body.npos; }),
    1);
}

SCENARIO("what the Bot API refuses is not repeated") {
  answers = {status(403), status(400)};
  hears("x");
  CHECK_EQ(called(), (names{"sendMessage", "forwardMessage"}));
  CHECK(store->ended.at(1).how == update_verdict::delivered);
}

SCENARIO("an update that meets a rejected token waits for another one") {
  answers = {status(401), status(401), status(401), status(401)};
  hears("/help");
  for (int i = 0; i < 20; ++i)
    advance(100ms);
  CHECK(store->ended.empty());
  answers.clear();
  for (int i = 0; i < 600 && store->ended.empty(); ++i)
    advance(100ms);
  REQUIRE(store->ended.contains(1));
  CHECK(store->ended.at(1).how == update_verdict::delivered);
}

SCENARIO("an update whose answers fail again and again is a dead letter, others go on") {
  answers = {status(502), status(502), status(502)};
  hears("/help", 1);
  for (int i = 0; i < 100; ++i)
    advance(100ms);
  CHECK(store->ended.at(1).how == update_verdict::dead);
  CHECK_EQ(store->ended.at(1).reason, "the Bot API answered 502");
  hears("/help", 2);
  for (int i = 0; i < 1200 && !store->ended.contains(2); ++i)
    advance(100ms);
  CHECK(store->ended.at(2).how == update_verdict::delivered);
}

SCENARIO("a command for another bot is not answered") {
  answers = {{200, "application/json", R"({"ok":true,"result":{"username":"MyBot"}})"}};
  hears("/help@other");
  for (int i = 0; i < 10; ++i)
    advance(100ms);
  CHECK_EQ(called(), (names{"getMe", "sendMessage", "forwardMessage"})); // Text, as any other.
  calls.clear();
  hears("/help@mybot");
  advance(100ms);
  CHECK_EQ(called(), (names{"sendMessage"}));
  CHECK_EQ(calls[0].body, R"({"chat_id":9,"text":"Yes?"})");
}

END_FIXTURE_SCOPE()

} // namespace troupe::rules_suite
