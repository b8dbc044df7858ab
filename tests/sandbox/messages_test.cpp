#define CAF_SUITE sandbox_messages
#include "tests/sandbox/client.hpp"

#include "tests/sandbox/text.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::messages_suite {

using namespace troupe::sandbox;
using namespace troupe::sandbox::testing;
using namespace std::literals;

namespace {

struct fixture : scene {
  fixture() : scene(quick()) {}

  std::int64_t send(std::string_view rest) {
    return call("sendMessage", to_chat(rest)).result().at("message_id").to_number<std::int64_t>();
  }

  std::string message(std::int64_t id, std::string_view rest = {}) const {
    return to_chat(R"("message_id":)" + std::to_string(id) + (rest.empty() ? "" : ",")
                   + std::string{rest});
  }

  std::int64_t make_chat(std::string_view type) {
    return control("POST", "chats",
                   R"({"type":")" + std::string{type} + R"(","bot":)" + std::to_string(bot)
                     + R"(,"users":[)" + std::to_string(user) + "]}")
      .at("id")
      .to_number<std::int64_t>();
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a sent message comes back and is kept") {
  auto answer =
    call("sendMessage", to_chat(R"("text":"see /help @ada #tag","reply_markup":)"
                                R"({"inline_keyboard":[[{"text":"ok","callback_data":"1"}]]})"));
  CHECK_EQ(answer.status, 200);
  auto sent = answer.result();
  CHECK_EQ(sent.at("text"), "see /help @ada #tag");
  CHECK_EQ(sent.at("entities").get_array().size(), 3u);
  CHECK_EQ(sent.at("from").at("id").to_number<std::int64_t>(), bot);
  CHECK_EQ(sent.at("chat").at("first_name"), "Ada");
  CHECK(sent.at("reply_markup").at("inline_keyboard").is_array());
  auto next = call("sendMessage", to_chat(R"("text":"again")")).result();
  CHECK_EQ(next.at("message_id").to_number<int>(), sent.at("message_id").to_number<int>() + 1);
}

SCENARIO("what cannot be sent is refused with Telegram's words") {
  auto said = [this](std::string_view body) { return call("sendMessage", body).description(); };
  CHECK_EQ(said("{}"), "Bad Request: message text is empty");
  CHECK_EQ(said(R"({"text":"x"})"), "Bad Request: chat_id is empty");
  CHECK_EQ(said(R"({"chat_id":1,"text":"x"})"), "Bad Request: chat not found");
  CHECK_EQ(said(R"({"chat_id":"@nobody","text":"x"})"), "Bad Request: chat not found");
  CHECK_EQ(said(to_chat(R"("text":" \n ")")), "Bad Request: message text is empty");
  CHECK_EQ(said(to_chat(R"("text":"x","reply_markup":"[]")")),
           "Bad Request: object expected as reply markup");
  CHECK_EQ(
    said(to_chat(R"("text":"<b>x","parse_mode":"HTML")")),
    "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\"");
  CHECK_EQ(said(to_chat(R"("text":"a.b","parse_mode":"MarkdownV2")")),
           "Bad Request: can't parse entities: Character '.' is reserved and must be escaped with "
           "the preceding '\\'");
  CHECK_EQ(said(to_chat(R"("text":"x","reply_parameters":{"message_id":999})")),
           "Bad Request: message to be replied not found");
  auto bytes = http.get(path("sendMessage") + "?chat_id=" + std::to_string(user) + "&text=%ff");
  CHECK_EQ(bytes.description(), "Bad Request: strings must be encoded in UTF-8");
}

SCENARIO("a reply shows what it replies to") {
  auto first = send(R"("text":"one")");
  auto reply = call("sendMessage", to_chat(R"("text":"two","reply_parameters":{"message_id":)"
                                           + std::to_string(first) + "}"));
  CHECK_EQ(reply.result().at("reply_to_message").at("text"), "one");
}

SCENARIO("messages are edited and deleted") {
  auto id = send(R"("text":"old")");
  auto edited = call("editMessageText", message(id, R"("text":"new")"));
  CHECK_EQ(edited.result().at("text"), "new");
  CHECK(edited.result().as_object().contains("edit_date"));
  CHECK(call("editMessageText", message(id, R"("text":"new")"))
          .description()
          .starts_with("Bad Request: message is not modified"));
  auto markup = R"("reply_markup":{"inline_keyboard":[]})";
  CHECK_EQ(call("editMessageReplyMarkup", message(id, markup)).status, 200);
  CHECK_EQ(call("editMessageCaption", message(id, R"("caption":"c")")).description(),
           "Bad Request: there is no caption in the message to edit");
  CHECK_EQ(call("deleteMessage", message(id)).body, R"({"ok":true,"result":true})");
  CHECK_EQ(call("deleteMessage", message(id)).description(),
           "Bad Request: message to delete not found");
  CHECK_EQ(call("editMessageText", message(id, R"("text":"x")")).description(),
           "Bad Request: message to edit not found");
  auto theirs = say("mine");
  CHECK_EQ(call("editMessageText", message(theirs, R"("text":"x")")).description(),
           "Bad Request: message can't be edited");
  CHECK_EQ(call("editMessageText", R"({"inline_message_id":"AgAA","text":"x"})").body,
           R"({"ok":true,"result":true})");
}

SCENARIO("messages are copied and forwarded, one and many") {
  auto one = send(R"("text":"one")");
  auto two = send(R"("text":"two")");
  auto from = R"("from_chat_id":)" + std::to_string(user);
  auto forwarded = call("forwardMessage", message(one, from)).result();
  CHECK_EQ(forwarded.at("text"), "one");
  CHECK_EQ(forwarded.at("forward_origin").at("sender_user").at("id").to_number<std::int64_t>(),
           bot);
  auto copied = call("copyMessage", message(two, from)).result();
  CHECK_EQ(copied.as_object().size(), 1u);
  auto ids = R"("message_ids":[)" + std::to_string(one) + "," + std::to_string(two) + "],";
  CHECK_EQ(call("copyMessages", to_chat(ids + from)).result().as_array().size(), 2u);
  CHECK_EQ(call("forwardMessages", to_chat(ids + from)).result().as_array().size(), 2u);
  auto unsorted = R"("message_ids":[2,1],)" + from;
  CHECK_EQ(call("copyMessages", to_chat(unsorted)).description(),
           "Bad Request: message identifiers must be in a strictly increasing order");
  CHECK_EQ(call("copyMessage", message(9999, from)).description(),
           "Bad Request: message to copy not found");
}

SCENARIO("a file goes up, is known by its id, and comes down") {
  std::string content(100'000, 'x');
  auto body =
    "--b\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n" + std::to_string(user)
    + "\r\n--b\r\ncontent-disposition:form-data;name=document;filename=x.pdf\r\n"
      "Content-Type: application/pdf\r\n\r\n"
    + content
    + "\r\n--b\r\nContent-Disposition: form-data; name=\"caption\"\r\n\r\nread it\r\n--b--";
  auto sent = http.post(path("sendDocument"), body, "multipart/form-data; boundary=\"b\"").result();
  CHECK_EQ(sent.at("caption"), "read it");
  auto& document = sent.at("document");
  CHECK_EQ(document.at("file_name"), "x.pdf");
  CHECK_EQ(document.at("mime_type"), "application/pdf");
  CHECK_EQ(document.at("file_size").to_number<int>(), 100'000);
  auto id = std::string{document.at("file_id").get_string()};
  auto file = call("getFile", R"({"file_id":")" + id + "\"}").result();
  auto down = http.get("/file/bot" + token + "/" + std::string{file.at("file_path").get_string()});
  CHECK_EQ(down.status, 200);
  CHECK(down.body == content);
  CHECK_EQ(call("sendDocument", to_chat(R"("document":")" + id + "\"")).status, 200);
  CHECK_EQ(call("sendDocument", to_chat(R"("document":"nonsense")")).description(),
           "Bad Request: wrong file identifier/HTTP URL specified");
  CHECK_EQ(call("sendPhoto", to_chat("")).description(),
           "Bad Request: there is no photo in the request");
  CHECK_EQ(http.get("/file/bot" + token + "/documents/none").status, 404);
  CHECK_EQ(http.get("/file/bot1:x/documents/none").status, 401);
}

SCENARIO("files attached by name make a group") {
  auto part = [](std::string_view name, std::string_view more, std::string_view content) {
    return "--b\r\nContent-Disposition: form-data; name=\"" + std::string{name} + "\""
           + std::string{more} + "\r\n\r\n" + std::string{content} + "\r\n";
  };
  auto media = R"([{"type":"photo","media":"attach://a","caption":"first"},)"
               R"({"type":"video","media":"attach://c"}])";
  auto body = part("chat_id", "", std::to_string(user)) + part("media", "", media)
              + part("a", "; filename=\"a.png\"", "aaa") + part("c", "; filename=\"c.mp4\"", "ccc")
              + "--b--\r\n";
  auto sent = http.post(path("sendMediaGroup"), body, "multipart/form-data; boundary=b").result();
  CHECK_EQ(sent.as_array().size(), 2u);
  CHECK_EQ(sent.as_array()[0].at("caption"), "first");
  CHECK_EQ(sent.as_array()[0].at("media_group_id"), sent.as_array()[1].at("media_group_id"));
  CHECK(sent.as_array()[1].as_object().contains("video"));
}

SCENARIO("places, contacts, polls and dice have their shapes") {
  auto location = call("sendLocation", to_chat(R"("latitude":1.5,"longitude":"2")")).result();
  CHECK_EQ(location.at("location").at("latitude").to_number<double>(), 1.5);
  CHECK_EQ(call("sendLocation", to_chat(R"("latitude":"x","longitude":2)")).status, 400);
  auto venue =
    call("sendVenue", to_chat(R"("latitude":1,"longitude":2,"title":"t","address":"a")"));
  CHECK(venue.result().at("venue").at("location").is_object());
  auto contact = call("sendContact", to_chat(R"("phone_number":"1","first_name":"A")"));
  CHECK_EQ(contact.result().at("contact").at("phone_number"), "1");
  auto poll = call("sendPoll", to_chat(R"("question":"q","options":["a",{"text":"b"}])")).result();
  CHECK_EQ(poll.at("poll").at("options").as_array()[1].at("text"), "b");
  auto id = poll.at("message_id").to_number<std::int64_t>();
  CHECK(call("stopPoll", message(id)).result().at("is_closed").get_bool());
  CHECK_EQ(call("stopPoll", message(id)).description(),
           "Bad Request: poll has already been closed");
  auto value = call("sendDice", to_chat("")).result().at("dice").at("value").to_number<int>();
  CHECK(value >= 1 && value <= 6);
}

SCENARIO("chats and their members can be read and changed") {
  auto group = make_chat("group");
  auto in_group = R"({"chat_id":)" + std::to_string(group);
  CHECK_EQ(call("getChat", in_group + "}").result().at("type"), "group");
  CHECK_EQ(call("getChatMemberCount", in_group + "}").result().to_number<int>(), 2);
  auto member = in_group + R"(,"user_id":)" + std::to_string(user) + "}";
  CHECK_EQ(call("getChatMember", member).result().at("status"), "creator");
  CHECK_EQ(call("setChatTitle", in_group + R"(,"title":"New"})").status, 200);
  CHECK_EQ(call("getChat", in_group + "}").result().at("title"), "New");
  CHECK_EQ(call("getChatAdministrators", in_group + "}").result().as_array().size(), 1u);
  CHECK_EQ(call("leaveChat", in_group + "}").status, 200);
  CHECK_EQ(call("sendMessage", in_group + R"(,"text":"x"})").status, 403);
  CHECK_EQ(call("getChatAdministrators", to_chat("")).status, 400);
  CHECK_EQ(call("setMyName", R"({"name":"Renamed"})").status, 200);
  CHECK_EQ(call("getMyName").result().at("name"), "Renamed");
}

SCENARIO("a user who blocked the bot and a group that became a supergroup are told of") {
  auto chat = "chats/" + std::to_string(user);
  control("POST", chat + "/block", "{}");
  auto blocked = call("sendMessage", to_chat(R"("text":"x")"));
  CHECK_EQ(blocked.status, 403);
  CHECK_EQ(blocked.description(), "Forbidden: bot was blocked by the user");
  control("POST", chat + "/block", R"({"blocked":false})");
  CHECK_EQ(call("sendMessage", to_chat(R"("text":"x")")).status, 200);
  auto group = make_chat("group");
  auto successor = control("POST", "chats/" + std::to_string(group) + "/migrate").at("id");
  auto moved = call("sendMessage", R"({"chat_id":)" + std::to_string(group) + R"(,"text":"x"})");
  CHECK_EQ(moved.status, 400);
  CHECK_EQ(moved.json().at("parameters").at("migrate_to_chat_id"), successor);
  auto there = R"({"chat_id":)" + std::to_string(successor.to_number<std::int64_t>());
  CHECK_EQ(call("sendMessage", there + R"(,"text":"x"})").status, 200);
}

SCENARIO("messages are remembered up to a bound") {
  auto opts = quick();
  opts.keep_messages = 10;
  scene s{opts};
  for (int i = 0; i < 25; ++i)
    s.call("sendMessage", s.to_chat(R"("text":")" + std::to_string(i) + "\""));
  auto list = s.control("GET", "chats/" + std::to_string(s.user) + "/messages");
  auto& messages = list.at("messages").get_array();
  CHECK_EQ(messages.size(), 10u);
  CHECK_EQ(messages.front().at("text"), "15");
  CHECK_EQ(messages.back().at("text"), "24");
}

END_FIXTURE_SCOPE()

SCENARIO("markup becomes text and entities") {
  auto html = parse_markup("a <b>b<i>c</i></b> &lt;&amp; <a href=\"http://x/?a&b\">d</a>", "HTML");
  CHECK_EQ(html.text, "a bc <& d");
  CHECK_EQ(html.error, "");
  CHECK_NE(html.entities.find(R"({"offset":2,"length":2,"type":"bold"})"), std::string::npos);
  CHECK_NE(html.entities.find(R"("url":"http://x/?a&b")"), std::string::npos);
  CHECK_NE(parse_markup("<x>a</x>", "html").error, "");
  CHECK_NE(parse_markup("</b>", "HTML").error, "");
  auto markdown = parse_markup("*b* _i_ `co.de` \\. 𝄞*z*", "MarkdownV2");
  CHECK_EQ(markdown.text, "b i co.de . 𝄞z");
  CHECK_NE(markdown.entities.find(R"({"offset":14,"length":1,"type":"bold"})"), std::string::npos);
  CHECK_NE(parse_markup("*b", "MarkdownV2").error, "");
}

SCENARIO("what Telegram marks in plain text is marked") {
  CHECK_EQ(find_entities("/start@a_bot x"), R"([{"offset":0,"length":12,"type":"bot_command"}])");
  CHECK_EQ(find_entities("é https://a.bc/d."), R"([{"offset":2,"length":14,"type":"url"}])");
  CHECK_EQ(find_entities("a/b a@b 3 # /"), "");
  CHECK(is_utf8("aé𝄞"));
  CHECK(!is_utf8("\xc3"));
  CHECK(!is_utf8("\xed\xa0\x80"));
  CHECK(!is_utf8("\xc0\x80"));
  CHECK_EQ(utf16_length("aé𝄞"), 4u);
}

} // namespace troupe::messages_suite
