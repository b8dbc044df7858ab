#define CAF_SUITE telegram_meaning
#include "runtime/telegram/meaning.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::meaning_suite {

using telegram::meaning_of;
using namespace std::literals;

namespace {

std::string query(std::string_view text) {
  return meaning_of({"sendMessage", text});
}
std::string form(std::string_view text) {
  return meaning_of({"sendMessage", {}, text, "application/x-www-form-urlencoded"});
}
std::string json(std::string_view text) {
  return meaning_of({"sendMessage", {}, text, "application/json"});
}
std::string parts(std::string_view text, std::string_view boundary = "XX") {
  auto type = "multipart/form-data; boundary=" + std::string{boundary};
  return meaning_of({"sendMessage", {}, text, type});
}
std::string part(std::string_view name, std::string_view value, std::string_view boundary = "XX") {
  std::string out{"--"};
  out.append(boundary).append("\r\nContent-Disposition: form-data; name=\"").append(name);
  return out.append("\"\r\n\r\n").append(value).append("\r\n");
}

} // namespace

SCENARIO("a call means the same whichever way its parameters are written") {
  auto one = json(R"({"chat_id": 7, "text": "hi there"})");
  CHECK_EQ(json(R"({"text":"hi\u0020there","chat_id":"7"})"), one);
  CHECK_EQ(form("chat_id=7&text=hi+there"), one);
  CHECK_EQ(form("text=hi%20there&chat_id=7"), one);
  CHECK_EQ(query("chat_id=7&text=hi+there"), one);
  CHECK_EQ(meaning_of({"SENDMESSAGE", "chat_id=7", "text=hi+there",
                       "Application/x-www-form-urlencoded; charset=UTF-8"}),
           one);
  CHECK_EQ(parts(part("chat_id", "7") + part("text", "hi there") + "--XX--\r\n"), one);
  CHECK_EQ(
    parts(part("text", "hi there", "other") + part("chat_id", "7", "other") + "--other--", "other"),
    one);
  CHECK_EQ(json(R"({"latitude":51.50,"live":true})"), form("live=true&latitude=51.50"));
  CHECK_EQ(meaning_of({"getMe"}), meaning_of({"getme", {}, "{}", "application/json"}));
  CHECK_EQ(meaning_of({"getMe", {}, {}, "application/json"}), meaning_of({"getMe"}));
}

SCENARIO("objects are the same without regard to blanks and order") {
  auto one =
    json(R"({"reply_markup":{"keyboard":[[{"text":"a"},{"text":"b"}]],"selective":true}})");
  CHECK_EQ(
    json(R"({"reply_markup": {"selective": true, "keyboard": [[{"text": "a"}, {"text": "b"}]]}})"),
    one);
  CHECK_EQ(
    json(
      R"({"reply_markup":"{\"keyboard\":[[{\"text\":\"a\"},{\"text\":\"b\"}]],\"selective\":true}"})"),
    one);
  CHECK_EQ(
    query(
      "reply_markup={\"selective\":true,%20\"keyboard\":[[{\"text\":\"a\"},{\"text\":\"b\"}]]}"),
    one);
  CHECK_NE(json(R"({"reply_markup":{"keyboard":[[{"text":"b"},{"text":"a"}]],"selective":true}})"),
           one);
}

SCENARIO("another call means something else") {
  auto one = json(R"({"chat_id":7,"text":"hi"})");
  CHECK_NE(json(R"({"chat_id":8,"text":"hi"})"), one);
  CHECK_NE(json(R"({"chat_id":7,"text":"hi "})"), one);
  CHECK_NE(json(R"({"chat_id":7,"text":"hi","parse_mode":"HTML"})"), one);
  CHECK_NE(json(R"({"chat_id":7,"text":"hi","parse_mode":null})"), one);
  CHECK_NE(meaning_of({"sendDice", {}, R"({"chat_id":7,"text":"hi"})", "application/json"}), one);
  // A text that happens to be JSON is still a text.
  CHECK_NE(json(R"({"text":"{\"a\": 1}"})"), json(R"({"text":"{\"a\":1}"})"));
  CHECK_NE(json(R"({"text":null})"), json(R"({"text":"null"})"));
  // Lengths, not marks, keep names and values apart.
  CHECK_NE(form("a=1&b=2"), form("a=1%26b%3D2"));
  CHECK_NE(form("a=&b=2"), form("a=2&b="));
}

SCENARIO("a file is its name and its bytes") {
  auto file = [](std::string_view name, std::string_view bytes) {
    return parts("--XX\r\nContent-Disposition: form-data; name=\"photo\"; filename=\""
                 + std::string{name} + "\"\r\nContent-Type: image/png\r\n\r\n" + std::string{bytes}
                 + "\r\n--XX--\r\n");
  };
  CHECK_EQ(file("a.png", "12"), file("a.png", "12"));
  CHECK_NE(file("a.png", "12"), file("a.png", "13"));
  CHECK_NE(file("a.png", "12"), file("a.pn", "g12"));
  CHECK_NE(file("a.png", "12"), parts(part("photo", "12") + "--XX--"));
}

SCENARIO("what cannot be read means only itself") {
  for (auto text : {R"({"a":1)"sv, R"({"a":1} x)"sv, R"([1])"sv}) {
    CHECK_EQ(json(text), json(text));
    CHECK_NE(json(text), json(std::string{text} + " "));
  }
  CHECK_NE(parts(part("a", "1") + "--XX\r\n"), parts(part("a", "1") + "--XX\r\nb"));
  auto packed = [](std::string_view bytes) {
    return meaning_of({"x", {}, bytes, "application/json", "gzip"});
  };
  CHECK_EQ(packed("\x1f\x8b 1"), packed("\x1f\x8b 1"));
  CHECK_NE(packed("\x1f\x8b 1"), packed("\x1f\x8b 2"));
  CHECK_NE(meaning_of({"x", {}, "1", "text/plain"}), meaning_of({"x", {}, "2", "text/plain"}));
}

} // namespace troupe::meaning_suite
