#define CAF_SUITE rules_evaluate
#include "runtime/rules/evaluate.hpp"
#include "runtime/rules/words.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <boost/json.hpp>

namespace troupe::evaluate_suite {

using namespace troupe::rules;
using namespace std::literals;

namespace {

struct bot {
  explicit bot(std::string_view rules) : all(parse_text(rules)) {}

  /// "method body" of each request, parted by lines.
  std::string on(std::string_view update) {
    std::string result;
    for (const auto& x : evaluate(*all, update, {"ShopBot", now, 1'700'000'000'000}, rate))
      result += (result.empty() ? "" : "\n") + x.method + " " + x.body;
    return result;
  }
  std::string hears(std::string_view text, std::int64_t user = 7) {
    return on(message(text, user));
  }

  static std::string message(std::string_view text, std::int64_t user = 7,
                             std::string_view chat = R"({"id":7,"type":"private"})") {
    auto quoted = boost::json::serialize(
      boost::json::value(boost::json::string_view{text.data(), text.size()}));
    return R"({"update_id":1,"message":{"message_id":5,"date":1700000000,"from":{"id":)"
           + std::to_string(user) + R"(,"first_name":"A<b>_","username":"ann"},"chat":)"
           + std::string{chat} + R"(,"text":)" + quoted + "}}";
  }
  static std::string tap(std::string_view data) {
    return R"({"update_id":1,"callback_query":{"id":"q1","from":{"id":7,"first_name":"Ann"},)"
           R"("message":{"message_id":5,"chat":{"id":-9,"type":"group"}},"data":")"
           + std::string{data} + R"("}})";
  }

  std::shared_ptr<const program> all;
  user_rate rate;
  user_rate::time_point now{1h};
};

std::string said(std::string_view text, std::string_view more = "") {
  return R"(sendMessage {"chat_id":7,"text":")" + std::string{text} + '"' + std::string{more} + "}";
}

} // namespace

SCENARIO("commands are known in any case, with the bot's name or without") {
  bot b{R"([{"on":{"command":"/find"},"reply":"[{args}]"},{"on":"any","reply":"?"}])"};
  CHECK_EQ(b.hears("/find a  b"), said("[a  b]"));
  CHECK_EQ(b.hears("/FIND@shopbot x"), said("[x]"));
  CHECK_EQ(b.hears("/find"), said("[]"));
  CHECK_EQ(b.hears("/find@other x"), said("?"));
  CHECK_EQ(b.hears("/finder x"), said("?"));
  CHECK_EQ(b.hears("please /find x"), said("?"));
}

SCENARIO("keywords are whole words of any script and case") {
  bot b{R"([{"on":{"keyword":["preis","opening hours","ЦЕНА","σοφός"]},"reply":"yes"}])"};
  CHECK_EQ(b.hears("Der PREIS?"), said("yes"));
  CHECK_EQ(b.hears("what are your Opening\n hours!"), said("yes"));
  CHECK_EQ(b.hears("какая цена"), said("yes"));
  CHECK_EQ(b.hears("ΣΟΦΌΣ"), said("yes"));
  CHECK_EQ(b.hears("preise"), "");
  CHECK_EQ(b.hears("Höchstpreis"), "");
  CHECK_EQ(b.hears("opening the hours"), "");
  CHECK_EQ(b.hears("цена́"), ""); // With an accent it is another word.
}

SCENARIO("the first rule that fits answers") {
  bot b{R"([{"on":"text","chats":"groups","reply":"group"},{"on":{"keyword":"hi"},"reply":"hello"},
            {"on":"any","reply":"default"}])"};
  CHECK_EQ(b.hears("hi"), said("hello"));
  CHECK_EQ(b.hears("x"), said("default"));
  CHECK_EQ(b.on(bot::message("hi", 7, R"({"id":-9,"type":"supergroup"})")),
           R"(sendMessage {"chat_id":-9,"text":"group"})");
  CHECK_EQ(
    b.on(
      R"({"update_id":1,"message":{"message_id":5,"from":{"id":7},"chat":{"id":7},"photo":[]}})"),
    said("default"));
}

SCENARIO("values are escaped as the parse mode wants it") {
  bot html{
    R"([{"on":"any","reply":"<b>{first_name}</b> {text} {username} {date} {chat_id}","parse_mode":"HTML"}])"};
  CHECK_EQ(html.hears("a&\"b\""),
           said("<b>A&lt;b&gt;_</b> a&amp;&quot;b&quot; @ann 2023-11-14 22:13 UTC 7",
                R"(,"parse_mode":"HTML")"));
  bot markdown{R"([{"on":"any","reply":"*{first_name}* {args}","parse_mode":"MarkdownV2"}])"};
  CHECK_EQ(markdown.hears("/x a.b\\(c)"),
           said(R"(*A<b\\>\\_* a\\.b\\\\\\(c\\))", R"(,"parse_mode":"MarkdownV2")"));
  bot plain{R"([{"on":"any","reply":"{first_name}"}])"};
  CHECK_EQ(plain.hears("x"), said("A<b>_"));
}

SCENARIO("what users write is no template") {
  bot b{R"([{"on":"any","reply":"{text} {first_name}"}])"};
  CHECK_EQ(b.hears("{chat_id} {{text}} {"), said("{chat_id} {{text}} { A<b>_"));
}

SCENARIO("a reply is never longer than a message may be") {
  bot b{R"([{"on":"any","reply":"<{text}|{text}>"}])"};
  auto units_of = [&b](const std::string& text) {
    auto out = evaluate(*b.all, bot::message(text), {"", b.now, 0}, b.rate);
    return utf16_units(boost::json::parse(out.at(0).body).at("text").as_string().c_str());
  };
  std::string smiles;
  for (int i = 0; i < 1500; ++i)
    smiles += "😀"; // Two units each.
  CHECK_EQ(units_of(smiles), 4095u);
  CHECK_EQ(units_of("ab"), 7u);
}

SCENARIO("a reply has buttons, quotes, hides previews and stays in its topic") {
  bot b{R"([{"on":"any","reply":"x","quote":true,"preview":false,
            "buttons":[[{"text":"Site","url":"https://a.example/"},{"text":"More","data":"more"}]]}])"};
  CHECK_EQ(
    b.on(
      R"({"message":{"message_id":5,"message_thread_id":3,"is_topic_message":true,"from":{"id":1},"chat":{"id":7},"text":"y"}})"),
    said(
      "x",
      R"(,"message_thread_id":3,"link_preview_options":{"is_disabled":true},)"
      R"("reply_parameters":{"message_id":5,"allow_sending_without_reply":true},)"
      R"("reply_markup":{"inline_keyboard":[[{"text":"Site","url":"https://a.example/"},{"text":"More","callback_data":"more"}]]})"));
}

SCENARIO("messages are forwarded") {
  bot b{R"([{"on":"text","reply":"Passed on.","forward":-100123}])"};
  CHECK_EQ(b.hears("help!"),
           said("Passed on.")
             + "\n"
               R"(forwardMessage {"chat_id":-100123,"from_chat_id":7,"message_id":5})");
}

SCENARIO("callbacks are answered, also those nobody knows") {
  bot b{
    R"([{"on":{"callback":["buy:*","x"]},"answer":"Bought {args}","alert":true,"reply":"{first_name} bought {args}"}])"};
  CHECK_EQ(b.on(bot::tap("buy:tea")),
           R"(answerCallbackQuery {"callback_query_id":"q1","text":"Bought tea","show_alert":true})"
           "\n"
           R"(sendMessage {"chat_id":-9,"text":"Ann bought tea"})");
  CHECK_EQ(b.on(bot::tap("other")), R"(answerCallbackQuery {"callback_query_id":"q1"})");
}

SCENARIO("who asks too often is told so once, then hears nothing for the rest of the minute") {
  bot b{R"({"rate":{"per_minute":2,"reply":"Slowly."},"rules":[{"on":"text","reply":"ok"}]})"};
  CHECK_EQ(b.hears("1"), said("ok"));
  b.now += 30s;
  CHECK_EQ(b.hears("2"), said("ok"));
  CHECK_EQ(b.hears("3"), said("Slowly."));
  CHECK_EQ(b.hears("4"), "");
  CHECK_EQ(b.hears("1", 8), said("ok")); // Somebody else.
  b.now += 29s;
  CHECK_EQ(b.hears("5"), "");
  b.now += 1s;
  CHECK_EQ(b.hears("6"), said("ok"));
}

SCENARIO("what users did is remembered for a bounded number of them") {
  user_rate rate;
  user_rate::time_point now{1h};
  for (int user = 1; user <= 5000; ++user)
    rate.count(user, 1, now);
  CHECK_EQ(rate.users(), user_rate::max_users);
  CHECK(rate.count(5000, 1, now) == user_rate::verdict::just_over);
  rate.count(1, 1, now + 1min);
  CHECK_EQ(rate.users(), 1u);
}

SCENARIO("other updates, other bots and what is no update get no answer") {
  bot b{R"([{"on":"any","reply":"x"}])"};
  CHECK_EQ(
    b.on(
      R"({"update_id":1,"edited_message":{"message_id":5,"from":{"id":7},"chat":{"id":7},"text":"y"}})"),
    "");
  CHECK_EQ(
    b.on(
      R"({"message":{"message_id":5,"from":{"id":7,"is_bot":true},"chat":{"id":7},"text":"y"}})"),
    "");
  CHECK_EQ(b.on(R"({"message":{"message_id":5,"chat":{"id":7},"text":"y"}})"), "");
  CHECK_EQ(b.on("[]"), "");
  CHECK_EQ(b.on("{\"message\":"), "");
}

} // namespace troupe::evaluate_suite
