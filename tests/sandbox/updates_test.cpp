#define CAF_SUITE sandbox_updates
#include "tests/sandbox/client.hpp"

#include "tests/sandbox/update_queue.hpp"
#include "tests/sandbox/world.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <thread>

namespace troupe::updates_suite {

using namespace troupe::sandbox;
using namespace troupe::sandbox::testing;
using namespace std::literals;

namespace {

struct fixture : scene {
  fixture() : scene(quick()) {}

  boost::json::array updates(std::string_view body = "{}") {
    return call("getUpdates", body).result().as_array();
  }

  static std::int64_t id_of(const boost::json::value& update) {
    return update.at("update_id").to_number<std::int64_t>();
  }

  /// Sends a getUpdates that waits, on a connection of its own.
  client poll(std::string_view body) {
    client result{sandbox.url()};
    result.send("POST " + path("getUpdates")
                + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
                + std::to_string(body.size()) + "\r\n\r\n" + std::string{body});
    return result;
  }

  bool polling() {
    auto b = sandbox.state().find_bot(bot);
    std::lock_guard lock{b->mutex};
    return b->poll != nullptr;
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("updates wait until an offset confirms them") {
  say("one");
  say("two");
  auto both = updates();
  CHECK_EQ(both.size(), 2u);
  CHECK_EQ(id_of(both[1]), id_of(both[0]) + 1);
  CHECK_EQ(both[0].as_object().begin()->key(), "update_id");
  CHECK_EQ(both[0].at("message").at("text"), "one");
  CHECK_EQ(updates().size(), 2u);
  CHECK_EQ(updates(R"({"limit":1})").size(), 1u);
  CHECK_EQ(updates(R"({"offset":)" + std::to_string(id_of(both[1])) + "}").size(), 1u);
  CHECK_EQ(updates().size(), 1u);
  CHECK_EQ(updates(R"({"offset":)" + std::to_string(id_of(both[1]) + 1) + "}").size(), 0u);
  auto totals = control("GET", "stats").at("updates");
  CHECK_EQ(totals.at("made").to_number<int>(), 2);
  CHECK_EQ(totals.at("confirmed").to_number<int>(), 2);
}

SCENARIO("a negative offset keeps the last ones only") {
  for (auto text : {"a", "b", "c"})
    say(text);
  auto last = updates(R"({"offset":-1})");
  CHECK_EQ(last.size(), 1u);
  CHECK_EQ(last[0].at("message").at("text"), "c");
  CHECK_EQ(updates().size(), 1u);
}

SCENARIO("a poll waits for an update and gets it at once") {
  auto waiting = poll(R"({"timeout":30})");
  CHECK(until([this] { return polling(); }));
  say("awaited");
  auto answer = waiting.receive();
  CHECK_EQ(answer.status, 200);
  CHECK_EQ(answer.result().at(0).at("message").at("text"), "awaited");
}

SCENARIO("a poll without updates ends empty when its time is over") {
  auto begin = std::chrono::steady_clock::now();
  CHECK_EQ(updates(R"({"timeout":1})").size(), 0u);
  auto took = std::chrono::steady_clock::now() - begin;
  CHECK(took >= 900ms && took < 10s);
}

SCENARIO("of two polls the newer one wins") {
  auto older = poll(R"({"timeout":30})");
  CHECK(until([this] { return polling(); }));
  auto newer = poll(R"({"timeout":30})");
  auto ended = older.receive();
  CHECK_EQ(ended.status, 409);
  CHECK_EQ(ended.description(), "Conflict: terminated by other getUpdates request; make sure that "
                                "only one bot instance is running");
  CHECK(until([this] { return polling(); }));
  say("for the newer");
  CHECK_EQ(newer.receive().result().as_array().size(), 1u);
  auto polls = control("GET", "violations").at("limits").at("polls");
  CHECK_EQ(polls.at("violations").to_number<int>(), 1);
  CHECK_EQ(polls.at("largest").to_number<int>(), 2);
}

SCENARIO("a client that goes away frees its poll") {
  auto waiting = poll(R"({"timeout":50})");
  CHECK(until([this] { return polling(); }));
  waiting.close();
  CHECK(until([this] { return !polling(); }));
  CHECK(until(
    [this] { return control("GET", "stats").at("connections").at("open").to_number<int>() == 1; }));
  CHECK_EQ(control("GET", "stats")
             .at("methods")
             .at("getUpdates")
             .at("outcomes")
             .at("unanswered")
             .to_number<int>(),
           1);
}

SCENARIO("allowed_updates chooses the kinds and is remembered") {
  auto member = R"({"bot":)" + std::to_string(bot)
                + R"(,"update":{"chat_member":{"new_chat_member":{"user":{"id":5}}}}})";
  CHECK(!control("POST", "updates", member).at("queued").get_bool());
  updates(R"({"allowed_updates":["chat_member"]})");
  CHECK(control("POST", "updates", member).at("queued").get_bool());
  say("not wanted");
  auto got = updates("{}");
  CHECK_EQ(got.size(), 1u);
  CHECK(got[0].as_object().contains("chat_member"));
  CHECK_EQ(call("getWebhookInfo").result().at("allowed_updates").as_array().size(), 1u);
  updates(R"({"allowed_updates":[]})");
  say("wanted again");
  CHECK_EQ(updates().size(), 2u);
}

SCENARIO("updates expire by their kind's lifetime") {
  auto asked = control("POST", "inline_queries",
                       R"({"bot":)" + std::to_string(bot) + R"(,"user":)" + std::to_string(user)
                         + R"(,"query":"cats"})");
  say("hello");
  CHECK_EQ(updates().size(), 2u);
  control("POST", "clock", R"({"advance":"31s"})");
  auto left = updates();
  CHECK_EQ(left.size(), 1u);
  CHECK(left[0].as_object().contains("message"));
  auto answer =
    R"({"inline_query_id":")" + std::string{asked.at("id").get_string()} + R"(","results":[]})";
  CHECK_EQ(call("answerInlineQuery", answer).status, 400);
  control("POST", "clock", R"({"advance":"24h"})");
  CHECK_EQ(updates().size(), 0u);
  CHECK_EQ(control("GET", "stats").at("updates").at("expired").to_number<int>(), 2);
}

SCENARIO("a tap on a button becomes a callback query that can be answered") {
  auto sent = call("sendMessage", to_chat(R"("text":"?","reply_markup":{"inline_keyboard":)"
                                          R"([[{"text":"ok","callback_data":"yes"}]]})"))
                .result();
  auto id = std::to_string(sent.at("message_id").to_number<std::int64_t>());
  auto tapped =
    control("POST", "chats/" + std::to_string(user) + "/callbacks",
            R"({"user":)" + std::to_string(user) + R"(,"message_id":)" + id + R"(,"data":"yes"})");
  auto query = updates().at(0).at("callback_query");
  CHECK_EQ(query.at("data"), "yes");
  CHECK_EQ(query.at("id"), tapped.at("id"));
  CHECK_EQ(query.at("message").at("text"), "?");
  auto shown = "callbacks/" + std::string{tapped.at("id").get_string()};
  CHECK(!control("GET", shown).at("answered").get_bool());
  auto answer =
    R"({"callback_query_id":")" + std::string{tapped.at("id").get_string()} + R"(","text":"done"})";
  CHECK_EQ(call("answerCallbackQuery", answer).status, 200);
  CHECK(control("GET", shown).at("answered").get_bool());
  CHECK_EQ(control("GET", shown).at("text"), "done");
  CHECK(call("answerCallbackQuery", R"({"callback_query_id":"1"})")
          .description()
          .starts_with("Bad Request: query is too old"));
}

SCENARIO("edits and channel posts reach the bot as such") {
  auto id = say("befor");
  auto chat = "chats/" + std::to_string(user) + "/messages/" + std::to_string(id);
  control("PATCH", chat, R"({"text":"before"})");
  auto got = updates();
  CHECK_EQ(got.at(1).at("edited_message").at("text"), "before");
  auto channel = control("POST", "chats",
                         R"({"type":"channel","bot":)" + std::to_string(bot) + R"(,"users":[)"
                           + std::to_string(user) + R"(],"username":"news"})");
  auto number = channel.at("id").to_number<std::int64_t>();
  control("POST", "chats/" + std::to_string(number) + "/messages",
          R"({"user":)" + std::to_string(user) + R"(,"text":"news"})");
  CHECK_EQ(updates().at(2).at("channel_post").at("sender_chat").at("id").to_number<std::int64_t>(),
           number);
  CHECK_EQ(call("sendMessage", R"({"chat_id":"@news","text":"by name"})").status, 200);
}

SCENARIO("every bot of a group hears its users") {
  auto other = control("POST", "bots", "{}");
  auto group = control("POST", "chats",
                       R"({"type":"supergroup","bot":)" + std::to_string(bot) + R"(,"users":[)"
                         + std::to_string(user) + "]}");
  auto where = "chats/" + std::to_string(group.at("id").to_number<std::int64_t>());
  auto other_id = std::to_string(other.at("id").to_number<std::int64_t>());
  control("POST", where + "/bots", R"({"bot":)" + other_id + "}");
  control("POST", where + "/messages", R"({"user":)" + std::to_string(user) + R"(,"text":"all"})");
  CHECK_EQ(updates().size(), 1u);
  auto token2 = std::string{other.at("token").get_string()};
  CHECK_EQ(http.get("/bot" + token2 + "/getUpdates").result().as_array().size(), 1u);
}

SCENARIO("simulated users keep their rate") {
  auto order =
    R"({"bots":[)" + std::to_string(bot) + R"(],"users":3,"updates_per_second":200,"seconds":0.5})";
  control("POST", "load", order);
  CHECK(until([this] { return !control("GET", "load").at("running").get_bool(); }));
  CHECK_EQ(control("GET", "load").at("made").to_number<int>(), 100);
  CHECK_EQ(updates().size(), 100u);
}

END_FIXTURE_SCOPE()

SCENARIO("the queue is bounded and counts what it drops") {
  update_queue queue;
  auto& kind = telegram::update_kinds()[0];
  auto now = sandbox::clock::now();
  for (std::size_t i = 0; i < update_queue::capacity; ++i)
    queue.add(kind, {}, "{}", now);
  CHECK_EQ(queue.add(kind, {}, "{}", now), 0);
  CHECK_EQ(queue.totals().dropped, 1u);
  queue.keep_last(10);
  CHECK_EQ(queue.size(), 10u);
  queue.expire(now + 25h);
  CHECK_EQ(queue.size(), 0u);
  CHECK_EQ(queue.totals().expired, 10u);
}

} // namespace troupe::updates_suite
