#define CAF_SUITE telegram_params
#include "runtime/telegram/params.hpp"
#include "runtime/telegram/same_word.hpp"

#include <zlib.h>

#include <random>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::params_suite {

using namespace troupe::telegram;
using namespace std::literals;

namespace {

constexpr auto form_type = "application/x-www-form-urlencoded"sv;
constexpr auto json_type = "application/json"sv;
constexpr auto multipart_type = "multipart/form-data; boundary=XX"sv;

call_params form(std::string_view text) {
  call_params out;
  read_form(text, out);
  return out;
}

call_params json(std::string_view text) {
  call_params out;
  read_json(text, out);
  return out;
}

call_params multipart(std::string_view text, std::string_view type = multipart_type) {
  call_params out;
  read_multipart(text, type, out);
  return out;
}

call_params body(std::string_view text, std::string_view type, std::string_view encoding = {}) {
  call_params out;
  read_body(text, type, encoding, out);
  return out;
}

/// @param window_bits 15 for zlib ("deflate"), 31 for gzip
std::string deflated(std::string_view text, int window_bits) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 200, '\0');
  std::string in{text};
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

/// A part as most libraries write it.
std::string part(std::string_view name, std::string_view value, std::string_view boundary = "XX") {
  return "--" + std::string{boundary} + "\r\nContent-Disposition: form-data; name=\""
         + std::string{name} + "\"\r\n\r\n" + std::string{value} + "\r\n";
}

} // namespace

SCENARIO("words are the same whatever the case of their letters, up to their last and no further") {
  auto text = "application/Json!"sv;
  std::vector<char> exact(text.begin(), text.end() - 1); // What is behind it is nobody's.
  std::string_view word{exact.data(), exact.size()};
  CHECK(same_word(word, "application/json"));
  CHECK(same_word(word, word));
  CHECK(!same_word(word, "application/jsom"));
  CHECK(!same_word(word, text));
  CHECK(!same_word("k", "\u212a")); // ASCII's letters only.
  CHECK(same_word("", ""));
}

SCENARIO("a chat is its number, and a group if that is negative") {
  CHECK(parse_chat("42") == chat_ref(42, false));
  CHECK(parse_chat("-42") == chat_ref(-42, true));
  CHECK(parse_chat("-1001234567890") == chat_ref(-1001234567890, true));
  CHECK(parse_chat("4503599627370495") == chat_ref(4503599627370495, false));
  CHECK(!parse_chat(""));
}

SCENARIO("a name is a group of its own, in any case of letters") {
  auto chat = parse_chat("@durov");
  CHECK(chat);
  CHECK(chat.group);
  CHECK(chat == parse_chat("@DuRov"));
  CHECK(chat != parse_chat("@durow"));
  CHECK_GT(chat.key, std::int64_t{1} << 52);
}

SCENARIO("what no chat can have is a name: it never shares a budget with a number") {
  for (auto odd : {"0", "4503599627370496", "-4503599627370496", "9223372036854775807",
                   "-9223372036854775808", "99999999999999999999999", "-99999999999999999999999",
                   " 12", "+12", "0x12", "-", "--1", "null", "@12", "18446744073709551616"}) {
    CAF_MESSAGE(odd);
    auto chat = parse_chat(odd);
    CHECK(chat.group);
    CHECK_GT(chat.key, std::int64_t{1} << 52);
  }
}

SCENARIO(
  "no spelling of a chat has a budget of its own: it is read as the official server reads it") {
  for (auto odd : {"00042", "42x", "42 ", "42.0", "42e1", "42,7", "18446744073709551658"})
    CHECK(parse_chat(odd) == chat_ref(42, false));
  for (auto odd : {"-42", "-0042", "-42x", "18446744073709551574"})
    CHECK(parse_chat(odd) == chat_ref(-42, true));
}

SCENARIO("percent-encoding is undone where it is valid") {
  CHECK_EQ(percent_decode("a%20b%2Fc%3a", false), "a b/c:"s);
  CHECK_EQ(percent_decode("a+b", false), "a+b"s);
  CHECK_EQ(percent_decode("a+b%2B", true), "a b+"s);
  CHECK_EQ(percent_decode("%", false), "%"s);
  CHECK_EQ(percent_decode("%4", false), "%4"s);
  CHECK_EQ(percent_decode("%4x%x4%%41", false), "%4x%x4%A"s);
  CHECK_EQ(percent_decode("%00", false), "\0"s);
  CHECK_EQ(percent_decode("%C3%A9", false), "\xC3\xA9"s);
}

SCENARIO("a form's parameters are found") {
  auto all = form("text=hi&chat_id=-5&method=getMe&timeout=30&allow_paid_broadcast=True");
  CHECK(all.chat == chat_ref(-5, true));
  CHECK_EQ(all.method, "getMe"s);
  CHECK_EQ(all.poll_timeout, 30);
  CHECK(all.paid_broadcast);
  CHECK(form("chat_id=%40durov").chat == parse_chat("@durov"));
  CHECK(form("chat_id=%2D5").chat == chat_ref(-5, true));
  CHECK(form("&&chat_id=7&&").chat == chat_ref(7, false));
  CHECK(!form("chat_id").chat);
  CHECK(!form("chat_id=").chat);
  CHECK(!form("=7&xchat_id=7&chat_idx=7&text=chat_id=7").chat);
  CHECK(!form("").chat);
  CHECK(!form("allow_paid_broadcast=false").paid_broadcast);
  CHECK_EQ(form("timeout=abc").poll_timeout, 0);
  CHECK_EQ(form("method=" + std::string(500, 'x')).method.size(), 64u);
}

SCENARIO("a JSON object's top level is read, and nothing below it") {
  auto all = json(R"({"text":"a","chat_id":-1001,"allow_paid_broadcast":true,"timeout":50,)"
                  R"("method":"sendMessage"})");
  CHECK(all.chat == chat_ref(-1001, true));
  CHECK(all.paid_broadcast);
  CHECK_EQ(all.poll_timeout, 50);
  CHECK_EQ(all.method, "sendMessage"s);
  CHECK(json(R"({"chat_id":"123"})").chat == chat_ref(123, false));
  CHECK(json(R"({"chat_id":"@durov"})").chat == parse_chat("@durov"));
  CHECK(json(" \n{ \"chat_id\" : 7 } ").chat == chat_ref(7, false));
  CHECK(!json(R"({"reply":{"chat_id":7},"list":[{"chat_id":8},"chat_id",9]})").chat);
  CHECK(json(R"({"reply":{"chat_id":7},"chat_id":8,"more":{"chat_id":9}})").chat
        == chat_ref(8, false));
  CHECK(!json(R"({"chat_id":[7]})").chat);
  CHECK(!json(R"({"chat_id":{"id":7}})").chat);
  CHECK(!json(R"({"chat_id":null})").chat);
  CHECK(!json(R"(["chat_id",7])").chat);
  CHECK(!json(R"([{"chat_id":7}])").chat);
  CHECK(!json(R"({"text":"\"chat_id\":7"})").chat);
}

SCENARIO("escapes in JSON are undone") {
  CHECK(json(R"({"chat\u005fid":7})").chat == chat_ref(7, false));
  CHECK(json(R"({"\u0063hat_id":"\u0040\u0064urov"})").chat == parse_chat("@durov"));
  CHECK(json(R"({"chat_id":"\u002d5"})").chat == chat_ref(-5, true));
}

SCENARIO("invalid JSON gives what stood before the fault") {
  CHECK(json(R"({"chat_id":7,"text":)").chat == chat_ref(7, false));
  CHECK(json(R"({"chat_id":7,,,)").chat == chat_ref(7, false));
  CHECK(json(R"({"chat_id":7} garbage)").chat == chat_ref(7, false));
  CHECK(!json(R"({"chat_id")").chat);
  CHECK(!json(R"({"chat_id":)").chat);
  CHECK(!json("{'chat_id':7}").chat);
  CHECK(!json("").chat);
}

SCENARIO("deep JSON is harmless") {
  auto nested = std::string(100'000, '[');
  CHECK(!json(R"({"a":)" + nested).chat);
  CHECK(json(R"({"chat_id":7,"a":)" + nested).chat == chat_ref(7, false));
  std::string objects;
  for (int i = 0; i < 50'000; ++i)
    objects += R"({"chat_id":)";
  CHECK(!json(objects).chat);
}

SCENARIO("long keys and values are harmless") {
  CHECK(json(R"({")" + std::string(100'000, 'k') + R"(":1,"chat_id":7})").chat
        == chat_ref(7, false));
  CHECK(!json(R"({"chat_id)" + std::string(100'000, 'k') + R"(":7})").chat);
  CHECK(json(R"({"chat_id":")" + std::string(100'000, '1') + R"("})").chat.group);
}

SCENARIO("a multipart body's parts are read") {
  auto text = part("text", "chat_id") + part("chat_id", "-7") + part("allow_paid_broadcast", "1")
              + "--XX--\r\n";
  auto all = multipart(text);
  CHECK(all.chat == chat_ref(-7, true));
  CHECK(all.paid_broadcast);
  CHECK(multipart("a preamble\r\n" + text).chat == chat_ref(-7, true));
  CHECK(multipart(text, "multipart/form-data; charset=utf-8; Boundary=\"XX\"").chat
        == chat_ref(-7, true));
  CHECK(multipart(text, "multipart/form-data;boundary=XX; charset=utf-8").chat
        == chat_ref(-7, true));
  // It goes to the semicolon, whatever is in it; then no other line ends a part.
  auto blank =
    part("text", "\r\n--a\r\nContent-Disposition: form-data; name=chat_id\r\n\r\n8\r\n--a", "a b")
    + part("chat_id", "7", "a b") + "--a b--";
  CHECK(multipart(blank, "multipart/form-data; boundary=a b").chat == chat_ref(7, false));
  CHECK(multipart(blank, "multipart/form-data; boundary=a b;c").chat == chat_ref(7, false));
  auto quoted = part("chat_id", "7", "\"a") + "--\"a--";
  CHECK(multipart(quoted, "multipart/form-data; boundary=\"a").chat == chat_ref(7, false));
  CHECK(multipart(quoted, "multipart/form-data; boundary=\"a;b\"").chat == chat_ref(7, false));
  CHECK(!multipart(part("chat_id", "7", std::string(71, 'x')) + "--",
                   "multipart/form-data; boundary=" + std::string(71, 'x'))
           .chat);
  CHECK(!multipart(text, "multipart/form-data").chat);
  CHECK(!multipart(text, "multipart/form-data; boundary=").chat);
  CHECK(!multipart(text, "multipart/form-data; boundary=YY").chat);
  CHECK(
    multipart(part("chat_id", "7", "a b") + "--a b--", "multipart/form-data; boundary=\"a b\"").chat
    == chat_ref(7, false));
}

SCENARIO("a part's header may be written in many ways") {
  auto with = [](std::string_view headers) {
    return multipart("--XX\r\n" + std::string{headers} + "\r\n\r\n7\r\n--XX--\r\n").chat;
  };
  auto seven = chat_ref(7, false);
  CHECK(with("content-disposition:form-data;name=chat_id") == seven);
  CHECK(with("CONTENT-DISPOSITION: form-data; name=\"chat_id\"") == seven);
  CHECK(with("Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; "
             "name=\"chat_id\"")
        == seven);
  CHECK(with("Content-Disposition: form-data;\tname=\"chat_id\"\r\nContent-Length: 1") == seven);
  CHECK(with("Content-Type: text/plain; name=\"a\"\r\nContent-Disposition: form-data; name=chat_id")
        == seven);
  CHECK(with("Content-Disposition: form-data; a=\"; name=x\"; name=chat_id") == seven);
  CHECK(with("Content-Disposition: form-data; name=\"chat%5Fid\"") == seven);
  CHECK(with("Content-Disposition: form-data; name=\"chat\\_id\"") == seven);
  CHECK(with("Content-Disposition: form-data;\r\n name=chat_id") == seven);
  CHECK(!with("Content-Disposition: form-data; name=chat_id; filename=x"));
  // The server knows these words in small letters alone.
  CHECK(with("Content-Disposition: form-data; name=chat_id; FILENAME=x"));
  CHECK(with("Content-Disposition: form-data; name=chat_id; Name=y"));
  CHECK(!with("Content-Disposition: form-data; NAME=chat_id"));
  CHECK(!with("Content-Disposition: form-data; name=chat_id; filename=\"\""));
  CHECK(!with("Content-Disposition: form-data; filename=\"chat_id\""));
  CHECK(!with("Content-Disposition: form-data"));
}

SCENARIO("a file's part does not hide what stands around it") {
  auto file = "--XX\r\ncontent-disposition:form-data;name=photo;filename=x.jpg\r\n"
              "Content-Type: image/jpeg\r\n\r\n\xFF\xD8\r\n--X\r\n\r\nname=\"chat_id\"\r\n"s;
  CHECK(multipart(part("chat_id", "7") + file + "--XX--\r\n").chat == chat_ref(7, false));
  CHECK(multipart(file + part("chat_id", "7") + "--XX--\r\n").chat == chat_ref(7, false));
  CHECK(!multipart(file + "--XX--\r\n").chat);
}

SCENARIO("of an unfinished multipart body the finished parts count") {
  auto text = part("chat_id", "7") + part("timeout", "12");
  for (std::size_t n = 0; n <= text.size(); ++n) {
    auto got = multipart(std::string_view{text}.substr(0, n));
    CHECK(!got.chat || got.chat == chat_ref(7, false));
    CHECK(got.poll_timeout == 0 || got.poll_timeout == 12);
  }
  CHECK(multipart(text + "--XX").chat == chat_ref(7, false));
  CHECK(!multipart("--XX\r\nContent-Disposition: form-data; name=chat_id\r\n\r\n7").chat);
}

SCENARIO("a body is read by its type") {
  CHECK(body("chat_id=7", form_type).chat == chat_ref(7, false));
  CHECK(body("chat_id=7", "Application/X-WWW-Form-Urlencoded; charset=utf-8").chat
        == chat_ref(7, false));
  CHECK(body(R"({"chat_id":7})", "application/json ; charset=utf-8").chat == chat_ref(7, false));
  CHECK(body(part("chat_id", "7") + "--XX--", multipart_type).chat == chat_ref(7, false));
  CHECK(!body("chat_id=7", json_type).chat);
  CHECK(!body("chat_id=7", "").chat);
  CHECK(!body("chat_id=7", "text/plain").chat);
  CHECK(!body("", form_type).chat);
}

SCENARIO("query and body merge, and the query wins") {
  auto both = form("chat_id=1&timeout=5");
  read_body(R"({"chat_id":2,"allow_paid_broadcast":true})", json_type, {}, both);
  CHECK(both.chat == chat_ref(1, false));
  CHECK_EQ(both.poll_timeout, 5);
  CHECK(both.paid_broadcast);
}

SCENARIO("of several parameters of one name the first counts, as at the official server") {
  CHECK(form("chat_id=7&chat_id=8").chat == chat_ref(7, false));
  CHECK(!form("chat_id=&chat_id=8").chat);
  CHECK_EQ(form("method=logOut&method=getMe").method, "logOut"s);
  CHECK(!form("allow_paid_broadcast=0&allow_paid_broadcast=1").paid_broadcast);
  CHECK(json(R"({"chat_id":7,"chat_id":8})").chat == chat_ref(7, false));
  CHECK(!json(R"({"chat_id":null,"chat_id":8})").chat);
  CHECK_EQ(json(R"({"method":"logOut","method":"getMe"})").method, "logOut"s);
  CHECK(multipart(part("chat_id", "7") + part("chat_id", "8") + "--XX--").chat
        == chat_ref(7, false));
}

SCENARIO("what is no JSON by the book is read as far as the official server reads it") {
  auto seven = chat_ref(7, false);
  for (auto text :
       {R"({"a":01,"chat_id":7})", R"({"a":+1.e,"chat_id":7})", R"({"a":"\q","chat_id":7})",
        R"({"chat_id":7,})", R"({"chat_id":7 "a":8})", R"({"ch\at_id":7})",
        "{\"a\":\"\xff\n\x01\",\"chat_id\":7}", "{\v\"chat_id\":7"}) {
    CAF_MESSAGE(text);
    CHECK(json(text).chat == seven);
  }
  for (auto text : {R"({"a":[1,],"chat_id":7})", R"({"a":"\u00q0","chat_id":7})",
                    R"({"a":nil,"chat_id":7})", R"({"a":{b:1},"chat_id":7})"})
    CHECK(!json(text).chat);
  auto deep = std::string(90, '[') + std::string(90, ']');
  CHECK(json("{\"a\":" + deep + ",\"chat_id\":7}").chat == seven);
}

SCENARIO("a part that is a form has parameters of its own") {
  auto text = "--XX\r\nContent-Disposition: form-data; name=a\r\nContent-Type: "
              "application/x-www-form-urlencoded\r\n\r\nchat%5Fid=7&method=logOut\r\n--XX--"s;
  CHECK(multipart(text).chat == chat_ref(7, false));
  CHECK_EQ(multipart(text).method, "logOut"s);
}

SCENARIO("a content type is what it names, wherever it does") {
  CHECK(body(R"({"chat_id":7})", "text/application/json5").chat == chat_ref(7, false));
  CHECK(body("chat_id=7", "x; APPLICATION/x-www-form-urlencoded").chat == chat_ref(7, false));
  CHECK(body(part("chat_id", "7") + "--XX--", "multipart/form-data; a=b; xboundary =XX").chat
        == chat_ref(7, false));
}

SCENARIO("compressed bodies are opened") {
  auto plain = R"({"text":")" + std::string(1000, 'x') + R"(","chat_id":7})";
  CHECK(body(deflated(plain, 31), json_type, "gzip").chat == chat_ref(7, false));
  CHECK(body(deflated(plain, 31), json_type, "GZIP").chat == chat_ref(7, false));
  CHECK(body(deflated(plain, 15), json_type, "deflate").chat == chat_ref(7, false));
  CHECK(body(deflated("chat_id=7", 31), form_type, "gzip").chat == chat_ref(7, false));
  CHECK(!body(plain, json_type, "gzip").chat);
  CHECK(!body(deflated(plain, 31), json_type, "br").chat);
  CHECK(!body("", json_type, "gzip").chat);
}

SCENARIO("a compressed body is opened only so far") {
  auto bomb = R"({"chat_id":7,"text":")" + std::string(50'000'000, ' ') + R"(","timeout":9})";
  auto got = body(deflated(bomb, 31), json_type, "gzip");
  CHECK(got.chat == chat_ref(7, false));
  CHECK_EQ(got.poll_timeout, 0);
}

SCENARIO("no bytes break the readers") {
  // Pieces of what the readers look for, so that random texts get deep into them.
  constexpr std::string_view words[] = {"chat_id",
                                        "\"chat_id\":",
                                        "{",
                                        "}",
                                        "[",
                                        "]",
                                        ",",
                                        ":",
                                        "\"",
                                        "\\u00",
                                        "\\",
                                        "=",
                                        "&",
                                        "%",
                                        "%4",
                                        "+",
                                        "--XX",
                                        "\r\n",
                                        "\r\n\r\n",
                                        "--",
                                        ";",
                                        "name=",
                                        "name=\"",
                                        "form-data",
                                        " ",
                                        "Content-Disposition:",
                                        "chat_id=7",
                                        "{\"chat_id\":7",
                                        "-",
                                        "7",
                                        "99999999999999999999",
                                        "1e999",
                                        "true",
                                        "null",
                                        "@",
                                        "\xff"};
  constexpr std::string_view types[] = {form_type,
                                        json_type,
                                        multipart_type,
                                        "multipart/form-data; boundary=\"",
                                        "multipart/form-data; boundary=",
                                        ";;;",
                                        ""};
  std::mt19937 random{20261122};
  auto pick = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>{0, n - 1}(random);
  };
  std::size_t chats = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (auto n = pick(40); n > 0; --n) {
      if (pick(4) == 0)
        text.push_back(static_cast<char>(pick(256)));
      else
        text.append(words[pick(std::size(words))]);
    }
    call_params out;
    read_body(text, types[pick(std::size(types))], pick(8) == 0 ? "gzip" : "", out);
    read_form(text, out);
    CHECK_LE(percent_decode(text, true).size(), text.size());
    if (out.chat)
      ++chats;
    // Whatever was found is a chat's number or a name's hash, and marked accordingly.
    bool number = out.chat.key < std::int64_t{1} << 52 && out.chat.key > -(std::int64_t{1} << 52);
    CHECK_EQ(out.chat.group, out.chat.key != 0 && (!number || out.chat.key < 0));
    CHECK_LE(out.method.size(), 64u);
  }
  CHECK_GT(chats, 100u);
  for (int round = 0; round < 2'000; ++round) {
    auto packed = deflated(R"({"chat_id":7,"text":"abcabcabc"})", 31);
    for (auto n = 1 + pick(4); n > 0; --n)
      packed[pick(packed.size())] = static_cast<char>(pick(256));
    auto got = body(std::string_view{packed}.substr(0, pick(packed.size()) + 1), json_type, "gzip");
    CHECK_LE(got.method.size(), 64u);
  }
}

SCENARIO("a parameter's name may be encoded too") {
  call_params out;
  read_form("chat%5Fid=42&m%65thod=logOut", out);
  CHECK_EQ(out.chat.key, 42);
  CHECK_EQ(out.method, "logOut");
}

SCENARIO("all parameters of a body are given, whatever its kind") {
  std::string seen;
  auto note = [&seen](std::string_view name, std::string_view value) {
    seen.append(name).append("=").append(value).append(";");
  };
  each_in_form("offset=5&allowed_updates=%5B%22message%22%5D&a+b=c+d", note);
  CHECK_EQ(seen, R"(offset=5;allowed_updates=["message"];a b=c d;)");
  seen.clear();
  each_in_body(R"({"offset":-1,"list":["a"],"url":"https://x","drop":true,"none":null})",
               "application/json; charset=utf-8", "", note);
  CHECK_EQ(seen, R"(offset=-1;list=["a"];url=https://x;drop=true;none=;)");
  seen.clear();
  each_in_body("--b\r\ncontent-disposition:form-data;name=url\r\n\r\nhttps://x\r\n"
               "--b\r\nContent-Disposition: form-data; name=\"limit\"\r\n\r\n7\r\n--b--\r\n",
               "multipart/form-data; boundary=b", "", note);
  CHECK_EQ(seen, "url=https://x;limit=7;");
}

} // namespace troupe::params_suite
