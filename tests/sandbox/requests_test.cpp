#define CAF_SUITE sandbox_requests
#include "tests/sandbox/client.hpp"

#include "runtime/telegram/methods.hpp"
#include "tests/sandbox/world.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <zlib.h>

#include <set>

namespace troupe::requests_suite {

using namespace troupe::sandbox;
using namespace troupe::sandbox::testing;
using namespace std::literals;

namespace {

struct fixture : scene {
  fixture() : scene(quick()) {}

  std::string last_text() {
    auto list = control("GET", "chats/" + std::to_string(user) + "/messages?from=bot");
    auto& messages = list.at("messages").get_array();
    return messages.empty() ? "" : std::string{messages.back().at("text").get_string()};
  }
};

std::string gzipped(std::string_view text, int window) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
  std::string source{text};
  std::string out(deflateBound(&stream, source.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(source.data());
  stream.avail_in = static_cast<uInt>(source.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("getMe knows the bot, in any spelling of the request") {
  auto me = call("getMe");
  CHECK_EQ(me.status, 200);
  CHECK_EQ(me.result().at("id").to_number<std::int64_t>(), bot);
  CHECK(me.result().at("is_bot").get_bool());
  auto encoded = token;
  encoded.replace(encoded.find(':'), 1, "%3A");
  for (auto& target : {"/bot" + token + "/GETME", "/bot" + token + "/test/getMe",
                       "/bot" + encoded + "/getme?x=1", "/bot" + token + "/?method=getMe"})
    CHECK_EQ(http.get(target).body, me.body);
}

SCENARIO("wrong tokens, methods and bodies get the Bot API's errors") {
  auto stranger = http.get("/bot1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/getMe");
  CHECK_EQ(stranger.status, 401);
  CHECK_EQ(stranger.body, R"({"ok":false,"error_code":401,"description":"Unauthorized"})");
  CHECK_EQ(http.get("/bot/getMe").status, 401);
  CHECK_EQ(http.get("/bot").status, 401);
  CHECK_EQ(call("noSuchMethod").status, 404);
  CHECK_EQ(http.get("/bot" + token).status, 404);
  CHECK_EQ(call("sendMessage", "{broken").description(),
           "Bad Request: can't parse request JSON object");
  CHECK_EQ(call("sendMessage", "[1]").status, 400);
  CHECK_EQ(http.get("/elsewhere").status, 404);
  CHECK_EQ(http.get("/").status, 200);
}

SCENARIO("other verbs than the official server's are not implemented") {
  for (auto path : {"/bot" + token + "/getMe", "/file/bot" + token + "/x"s, "/elsewhere"s}) {
    for (auto verb : {"PUT", "DELETE", "PATCH", "OPTIONS"}) {
      auto answer = http.request(verb, path, {});
      CHECK_EQ(answer.status, 501);
      CHECK_EQ(answer.body, "");
      CHECK_EQ(answer.headers["content-length"], "0");
      CHECK(http.ended());
    }
  }
  CHECK_EQ(http.request("HEAD", "/bot" + token + "/getMe", {}).status, 501);
  CHECK_EQ(http.request("HEAD", "/file/bot" + token + "/x", {}).status,
           404); // As before a file server.
  CHECK_EQ(http.request("PUT", "/sandbox/bots", {}).status, 405);
}

SCENARIO("parameters come from query, form, JSON and multipart, and mixed") {
  auto chat = std::to_string(user);
  CHECK_EQ(http.get(path("sendMessage") + "?chat_id=" + chat + "&text=a+b%21").status, 200);
  CHECK_EQ(last_text(), "a b!");
  CHECK_EQ(http
             .post(path("sendMessage"), "chat_id=" + chat + "&text=%C3%A9t%C3%A9",
                   "application/x-www-form-urlencoded")
             .status,
           200);
  CHECK_EQ(last_text(), "été");
  CHECK_EQ(call("sendMessage", R"({"chat_id":")" + chat + R"(","text":"as a string"})").status,
           200);
  CHECK_EQ(last_text(), "as a string");
  CHECK_EQ(http.post(path("sendMessage") + "?chat_id=" + chat, R"({"text":"mixed"})").status, 200);
  CHECK_EQ(last_text(), "mixed");
  CHECK_EQ(http.request("POST", path("sendMessage") + "?text=empty&chat_id=" + chat, {}).status,
           200);
  CHECK_EQ(last_text(), "empty");
  auto multipart = "--b\r\ncontent-disposition:form-data;name=text\r\n\r\nin parts\r\n--b\r\n"
                   "Content-Disposition: form-data; name=\"chat_id\"\r\n\r\n"
                   + chat + "\r\n--b--\r\n";
  CHECK_EQ(http.post(path("sendMessage"), multipart, "multipart/form-data; boundary=b").status,
           200);
  CHECK_EQ(last_text(), "in parts");
  CHECK_EQ(
    http.post(path("sendMessage"), "--b\r\nbroken", "multipart/form-data; boundary=b").status, 400);
}

SCENARIO("requests are read as the official server reads them") {
  auto chat = std::to_string(user);
  auto sent = [this](std::string_view target, std::string_view body = "{}") {
    return http.post(path("sendMessage") + std::string{target}, std::string{body}).status == 200;
  };
  // Of several parameters of a name the first counts, the query's before the body's.
  CHECK(sent("?chat_id=" + chat + "&chat_id=1&text=a&text=b", R"({"text":"c"})"));
  CHECK_EQ(last_text(), "a");
  CHECK(sent("", R"({"text":"d","text":"e","chat_id":)" + chat + "}"));
  CHECK_EQ(last_text(), "d");
  CHECK(!sent("?chat_id=1", R"({"text":"f","chat_id":)" + chat + "}"));
  CHECK(sent("", R"({"t\u0065xt":"\u0067","a":01,"chat_id":)" + chat + ",}"));
  CHECK_EQ(last_text(), "g");
  // A chat's number ends where its digits do.
  CHECK(sent("?text=h&chat_id=" + chat + "x"));
  CHECK(!sent("?text=i&chat_id=x" + chat));
  // A path is decoded before it is taken apart, and a method's name goes to its end.
  CHECK_EQ(http.get(path("%67etM%65")).status, 200);
  CHECK_EQ(http.get(path("getMe") + "/").status, 404);
  // A fragment ends the path, and a question mark within it begins no query.
  CHECK_EQ(http.get(path("getMe") + "#x?y").status, 200);
  CHECK_EQ(http.get(path("sendMessage") + "#?text=a&chat_id=" + chat).status, 400);
  // Parameters that are no files have 1 MiB together.
  auto most = std::string(1024 * 1024, 'x');
  auto too_many = [this](const reply& answer) {
    return answer.status == 413
           && answer.description() == "Request Entity Too Large: too many parameters";
  };
  CHECK(too_many(http.post(path("sendMessage"), R"({"text":")" + most + R"("})")));
  CHECK(too_many(http.post(path("sendMessage") + "?a=b", "text=" + most.substr(0, most.size() - 6),
                           "application/x-www-form-urlencoded")));
  CHECK(!too_many(http.post(path("sendMessage"), "text=" + most.substr(0, most.size() - 5),
                            "application/x-www-form-urlencoded")));
  auto part = [](std::string_view fields, const std::string& content) {
    return "--b\r\nContent-Disposition: form-data; " + std::string{fields} + "\r\n\r\n" + content
           + "\r\n";
  };
  CHECK(
    too_many(http.post(path("sendMessage"), part("name=a", most) + part("name=c", "d") + "--b--",
                       "multipart/form-data; boundary=b")));
  CHECK_EQ(http
             .post(path("sendDocument"),
                   part("name=document; filename=x", most) + part("name=chat_id", chat) + "--b--",
                   "multipart/form-data; boundary=b")
             .status,
           200);
  auto wide = std::string(71, 'b');
  CHECK_EQ(http.post(path("getMe"), "--" + wide + "--", "multipart/form-data; boundary=" + wide)
             .description(),
           "Bad Request: boundary too big or empty");
}

SCENARIO("bodies may be compressed, chunked, announced and pipelined") {
  auto body = to_chat(R"("text":"packed")");
  for (int window : {15 + 16, 15, -15}) { // gzip, zlib, raw deflate.
    auto packed = gzipped(body, window);
    auto answer = http.request("POST", path("sendMessage"), packed,
                               "Content-Type: application/json\r\nContent-Encoding: gzip\r\n");
    CHECK_EQ(answer.status, 200);
  }
  CHECK_EQ(last_text(), "packed");
  auto damaged = http.request("POST", path("sendMessage"), "no gzip",
                              "Content-Type: application/json\r\nContent-Encoding: gzip\r\n");
  CHECK_EQ(damaged.status, 400);
  std::string chunks;
  for (char c : to_chat(R"("text":"tiny chunks")"))
    chunks += "1\r\n"s + c + "\r\n";
  http.send("POST " + path("sendMessage")
            + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
              "Transfer-Encoding: chunked\r\n\r\n"
            + chunks + "0\r\n\r\n");
  CHECK_EQ(http.receive().status, 200);
  CHECK_EQ(last_text(), "tiny chunks");
  auto announced = to_chat(R"("text":"announced")");
  http.send("POST " + path("sendMessage")
            + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
              "Expect: 100-continue\r\nContent-Length: "
            + std::to_string(announced.size()) + "\r\n\r\n");
  CHECK_EQ(http.receive().status, 100);
  http.send(announced);
  CHECK_EQ(http.receive().status, 200);
  auto get = "GET " + path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n";
  http.send(get + get + "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" + get);
  std::vector<int> statuses;
  for (int i = 0; i < 4; ++i)
    statuses.push_back(http.receive().status);
  CHECK_EQ(statuses, (std::vector<int>{200, 200, 404, 200}));
}

SCENARIO("a text of 4096 characters fits into a query") {
  std::string text;
  for (int i = 0; i < 4096; ++i)
    text += "%D0%96"; // Two bytes each, six on the wire.
  auto target = path("sendMessage") + "?chat_id=" + std::to_string(user) + "&text=" + text;
  CHECK_EQ(http.get(target).status, 200);
  CHECK_EQ(http.get(target + "%D0%96").description(), "Bad Request: message is too long");
}

SCENARIO("every method of the table answers with its result type or a clear error") {
  const std::set<std::string_view> ends_the_bot{"logOut"};
  std::size_t bad = 0;
  for (auto& method : telegram::methods().subspan(1)) {
    if (ends_the_bot.contains(method.name))
      continue;
    auto answer = call(method.name, to_chat(R"("text":"x","user_id":)" + std::to_string(user)));
    auto parsed = answer.json();
    auto good = parsed.is_object() && parsed.at("ok").get_bool() == (answer.status == 200)
                && (answer.status == 200 || answer.status == 400);
    if (good && answer.status == 200) {
      auto result = answer.result();
      auto type = method.result;
      good = type == "True"                 ? result.is_bool()
             : type == "Integer"            ? result.is_int64()
             : type == "String"             ? result.is_string()
             : type.starts_with("Array")    ? result.is_array()
             : type.starts_with("Message|") ? result.is_object() || result.is_bool()
                                            : result.is_object();
    }
    if (!good) {
      ++bad;
      CAF_MESSAGE("wrong: " << std::string{method.name} << " " << answer.body);
    }
  }
  CHECK_EQ(bad, 0u);
}

SCENARIO("close and logOut end what they should") {
  CHECK_EQ(call("close").body, R"({"ok":true,"result":true})");
  CHECK_EQ(call("getMe").status, 200);
  CHECK_EQ(call("logOut").status, 200);
  CHECK_EQ(call("getMe").description(), "Logged out");
  control("POST", "clock", R"({"advance":"11m"})");
  CHECK_EQ(call("getMe").status, 200);
}

SCENARIO("statistics count requests by method and outcome") {
  call("getMe");
  call("getMe");
  call("sendMessage", "{}");
  auto stats = control("GET", "stats");
  CHECK_EQ(stats.at("methods").at("getMe").at("requests").to_number<int>(), 2);
  CHECK_EQ(stats.at("methods").at("sendMessage").at("outcomes").at("400").to_number<int>(), 1);
  CHECK_EQ(stats.at("connections").at("open").to_number<int>(), 1);
  control("POST", "reset");
  CHECK_EQ(call("getMe").status, 401);
}

SCENARIO("which bot's requests arrived when is remembered, as many as were asked for") {
  auto opts = quick();
  opts.keep_arrivals = 3;
  scene watched{opts};
  auto arrivals = [&](int from) {
    return watched.control("GET", "arrivals?from=" + std::to_string(from));
  };
  watched.call("getMe");
  watched.call("getUpdates"); // Long polls are in no window.
  watched.call("sendMessage", "{}");
  auto seen = arrivals(0);
  CHECK_EQ(seen.at("next").to_number<int>(), 2);
  auto& both = seen.at("arrivals").as_array();
  REQUIRE_EQ(both.size(), 2u);
  CHECK_EQ(both[0].at(0).to_number<std::int64_t>(), watched.bot);
  CHECK_LE(both[0].at(1).to_number<std::int64_t>(), both[1].at(1).to_number<std::int64_t>());
  for (int i = 0; i < 3; ++i)
    watched.call("getMe");
  CHECK(arrivals(1).as_object().contains("lost"));
  CHECK(!arrivals(2).as_object().contains("lost"));
  CHECK_EQ(arrivals(4).at("arrivals").as_array().size(), 1u);
  CHECK_EQ(arrivals(9).at("arrivals").as_array().size(), 0u);
}

SCENARIO("the control API explains what is wrong with a request") {
  CHECK_EQ(http.post("/sandbox/users", "{}").body, R"({"error":"first_name is missing"})");
  CHECK_EQ(http.post("/sandbox/users", "nonsense").status, 400);
  CHECK_EQ(http.get("/sandbox/nothing").status, 404);
  CHECK_EQ(http.get("/sandbox/users").status, 405);
  CHECK_EQ(http.post("/sandbox/chats", R"({"type":"private","bot":5,"users":[]})").status, 404);
  CHECK_EQ(http.post("/sandbox/bots", R"({"token":"short"})").status, 400);
}

SCENARIO("a member that the control API does not know is named, and nothing is made") {
  auto bots = control("GET", "bots").at("bots").as_array().size();
  auto here = "chats/" + std::to_string(user) + "/messages";
  for (auto [path, body, name] :
       {std::tuple{"bots"s, R"({"usrname":"a_bot"})"s, "usrname"},
        {"users", R"({"first_name":"Ada","last":"L"})", "last"},
        {"chats", R"({"type":"group","bot":1,"user":[1]})", "user"},
        {here, R"({"user":1,"message":"hi"})", "message"},
        {here, R"({"document":{"file_name":"a","size":1},"user":)" + std::to_string(user) + "}",
         "size"},
        {"faults", R"({"kind":"hang","methods":null})", "methods"},
        {"load", R"({"bots":1,"rate":5})", "rate"},
        {"reset", R"({"hard":true})", "hard"}}) {
    auto answer = http.post("/sandbox/" + path, body);
    CHECK_EQ(answer.status, 400);
    CHECK_EQ(answer.body.find(R"({"error":"no such member: )" + std::string{name} + ';'), 0u);
  }
  CHECK_EQ(http.post("/sandbox/users", R"({"name":"Ada"})").body,
           R"({"error":"no such member: name; there are first_name, username"})");
  CHECK_EQ(http.post("/sandbox/reset", R"({"a":1})").body,
           R"({"error":"no such member: a; there is none"})");
  auto one_user = R"({"type":"group","bot":)" + std::to_string(bot) + R"(,"users":5})";
  CHECK_EQ(http.post("/sandbox/chats", one_user).body,
           R"({"error":"users must be a list of ids"})");
  CHECK_EQ(control("GET", "bots").at("bots").as_array().size(), bots);
}

END_FIXTURE_SCOPE()

SCENARIO("with accept-any-token a bot and its chats come to be at first use") {
  auto opts = quick();
  opts.accept_any_token = true;
  scene s{opts};
  auto token = "777:" + std::string(35, 'x');
  auto sent = s.http.post("/bot" + token + "/sendMessage", R"({"chat_id":42,"text":"hi"})");
  CHECK_EQ(sent.status, 200);
  CHECK_EQ(sent.result().at("chat").at("id").to_number<int>(), 42);
  auto group = s.http.post("/bot" + token + "/sendMessage", R"({"chat_id":-43,"text":"hi"})");
  CHECK_EQ(group.result().at("chat").at("type"), "group");
  CHECK_EQ(s.http.get("/botnonsense/getMe").status, 401);
  CHECK_EQ(
    s.http.post("/bot" + token + "/sendMessage", R"({"chat_id":99999999999999999,"text":"hi"})")
      .description(),
    "Bad Request: chat not found");
}

} // namespace troupe::requests_suite
