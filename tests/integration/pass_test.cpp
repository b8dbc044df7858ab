#define CAF_SUITE integration_pass
#include "tests/integration/node_part.hpp"
#include "tests/integration/recorder.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::pass_suite {

using namespace troupe::integration;

namespace {

// A sanitizer keeps freed memory back and shadows the rest.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_instrumented = true;
#else
constexpr bool is_instrumented = false;
#endif

constexpr auto ok_answer =
  "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 12\r\n\r\n{\"ok\": true}";

std::string chunk(std::string_view bytes) {
  char size[24];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + std::string{bytes} + "\r\n";
}

std::string part(std::string_view fields, std::string_view content) {
  return "--XX\r\nContent-Disposition: form-data; " + std::string{fields} + "\r\n\r\n"
         + std::string{content} + "\r\n";
}

std::string document(const node_part& node, std::string_view content) {
  return part("name=\"chat_id\"", std::to_string(node.chat()))
         + part("name=\"document\"; filename=\"a.bin\"", content) + "--XX--\r\n";
}

std::string noise(std::size_t size) {
  std::string out(size, '\0');
  std::uint32_t x = 1;
  for (auto& c : out)
    c = static_cast<char>((x = x * 1664525u + 1013904223u) >> 24);
  return out;
}

void passes_calls(bool tls) {
  part_options options;
  options.upstream_tls = tls;
  node_part node{options};
  auto http = node.connect();
  auto me = http.get(node.path("getMe"));
  CHECK_EQ(me.status, 200);
  CHECK_EQ(me.text("result/id"), std::to_string(node.bot()));
  CHECK_EQ(me.attempts(), 1);
  CHECK_GE(me.waited(), 0.0);
  auto chat = std::to_string(node.chat());
  auto sent = http.post(node.path("sendMessage"), "{\"chat_id\":" + chat + ",\"text\":\"hi\"}");
  CHECK_EQ(sent.text("result/text"), "hi");
  auto form = http.post(node.path("SENDmessage"), "chat_id=" + chat + "&text=h%C3%A9",
                        "application/x-www-form-urlencoded");
  CHECK_EQ(form.text("result/text"), "h\xC3\xA9");
  auto query = http.get(node.path("sendMessage") + "?text=q&chat_id=" + chat);
  CHECK_EQ(query.text("result/text"), "q");
  CHECK_EQ(http.get("/bot" + node.token() + "/test/getMe").status, 200);
  auto colon = node.path("getMe");
  colon.replace(colon.find(':'), 1, "%3A");
  CHECK_EQ(http.get(colon).body, me.body);
  auto unknown = http.get(node.path("noSuchMethod"));
  CHECK(unknown.is_api_error(404));
  CHECK_EQ(http.get(node.path("sendMessage")).is_api_error(400), true);
  CHECK_EQ(node.seen("getMe"), 3u);
  CHECK_EQ(node.seen("sendMessage"), 4u);
  CHECK(until([&] { return node.at_rest(); }));
  CHECK_EQ(node.pool().opened_total >= 1, true);
}

void uploads_and_downloads(bool tls) {
  part_options options;
  options.upstream_tls = tls;
  node_part node{options};
  auto http = node.connect();
  auto content = noise(700'000); // Larger than what is held for a retry.
  auto sent = http.post(node.path("sendDocument"), document(node, content),
                        "multipart/form-data; boundary=XX");
  CHECK_EQ(sent.status, 200);
  auto file = http.get(node.path("getFile") + "?file_id=" + sent.text("result/document/file_id"));
  auto path = file.text("result/file_path");
  CHECK(!path.empty());
  auto got = http.get("/file/bot" + node.token() + "/" + path);
  CHECK_EQ(got.status, 200);
  CHECK_EQ(got.body.size(), content.size());
  CHECK(got.body == content);
  CHECK_EQ(http.get("/file/bot" + node.token() + "/no/such").status, 404);
  CHECK(until([&] { return node.at_rest(); }));
}

void heads_of_files(bool tls) {
  part_options options;
  options.upstream_tls = tls;
  node_part node{options};
  auto http = node.connect();
  auto content = noise(700'000);
  auto sent = http.post(node.path("sendDocument"), document(node, content),
                        "multipart/form-data; boundary=XX");
  auto file = http.get(node.path("getFile") + "?file_id=" + sent.text("result/document/file_id"));
  auto folder = "/file/bot" + node.token() + "/";
  auto opened = node.pool().opened_total;
  for (auto [path, status, length] :
       {std::tuple{file.text("result/file_path"), 200, content.size()},
        {"no/such", 404, std::size_t{0}}}) {
    http.send("HEAD " + folder + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    auto got = http.receive(5s, true);
    CHECK_EQ(got.status, status);
    if (length > 0)
      CHECK_EQ(got.headers["content-length"], std::to_string(length));
    CHECK_EQ(got.attempts(), 1);
    CHECK_EQ(http.get(node.path("getMe")).status, 200); // Nothing stands between the two answers.
  }
  CHECK_EQ(node.pool().opened_total, opened); // The session goes on, too.
  CHECK(until([&] { return node.at_rest(); }));
}

void takes_chunks(bool tls) {
  part_options options;
  options.upstream_tls = tls;
  node_part node{options};
  auto http = node.connect();
  auto head = "POST " + node.path("sendMessage")
              + " HTTP/1.1\r\nHost: x\r\n"
                "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
  auto chat = std::to_string(node.chat());
  http.send(head + chunk("{\"chat_id\":") + chunk(chat) + chunk(",\"text\":\"hi\"}") + "0\r\n\r\n");
  auto brief = http.receive();
  CHECK_EQ(brief.text("result/text"), "hi");
  // A byte at a time is the same request.
  for (char c : head + chunk("{\"chat_id\":" + chat + ",\"text\":\"ho\"}") + "0\r\n\r\n")
    http.send({&c, 1});
  CHECK_EQ(http.receive().text("result/text"), "ho");
  auto content = noise(300'000);
  auto body = document(node, content);
  http.send("POST " + node.path("sendDocument")
            + " HTTP/1.1\r\nHost: x\r\nContent-Type: "
              "multipart/form-data; boundary=XX\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (std::size_t at = 0; at < body.size(); at += 5000)
    http.send(chunk(std::string_view{body}.substr(at, 5000)));
  http.send("0\r\n\r\n");
  auto sent = http.receive();
  CHECK_EQ(sent.status, 200);
  CHECK_EQ(sent.text("result/document/file_size"), std::to_string(content.size()));
  CHECK(until([&] { return node.at_rest(); }));
}

} // namespace

SCENARIO("calls pass, over HTTP") {
  passes_calls(false);
}

SCENARIO("calls pass, over HTTPS") {
  passes_calls(true);
}

SCENARIO("files go up and come down unchanged, over HTTP") {
  uploads_and_downloads(false);
}

SCENARIO("files go up and come down unchanged, over HTTPS") {
  uploads_and_downloads(true);
}

SCENARIO("HEAD tells of a file what GET would, over HTTP") {
  heads_of_files(false);
}

SCENARIO("HEAD tells of a file what GET would, over HTTPS") {
  heads_of_files(true);
}

SCENARIO("an answer without a body is whole, whatever length it names") {
  for (auto [verb, line] : {std::pair{"HEAD", "200 OK"},
                            {"HEAD", "500 Broken"},
                            {"GET", "304 Not Modified"},
                            {"GET", "204 No Content"}}) {
    for (auto length : {"Content-Length: 12", "Transfer-Encoding: chunked", "X-None: 1"}) {
      recorder server{"HTTP/1.1 " + std::string{line} + "\r\n" + length + "\r\n\r\n"};
      part_options options;
      options.api_root = server.url();
      options.bot.retries = 0;
      node_part node{options};
      auto http = node.connect();
      for (int i = 0; i < 2; ++i) {
        http.send(verb + (" /file/bot" + node.token()) + "/x HTTP/1.1\r\nHost: x\r\n\r\n");
        auto got = http.receive(15s, true);
        CHECK_EQ(std::to_string(got.status), std::string{line}.substr(0, 3));
        CHECK(got.head.find(length) != std::string::npos);
      }
      CHECK_EQ(node.pool().opened_total, 1u);
      CHECK(until([&] { return node.at_rest(); }));
    }
  }
}

SCENARIO("chunked bodies pass, over HTTP") {
  takes_chunks(false);
}

SCENARIO("chunked bodies pass, over HTTPS") {
  takes_chunks(true);
}

SCENARIO("a request goes out, and its answer comes back, byte for byte") {
  recorder server{ok_answer};
  part_options options;
  options.api_root = server.url() + "/tg";
  node_part node{options};
  auto http = node.connect();
  http.send("POST " + node.path("sendMessage")
            + "?a=%20 HTTP/1.1\r\nHost: troupe:8081\r\n"
              "user-agent: odd/1\r\nConnection: keep-alive\r\nX-Troupe-Deadline: 5s\r\n"
              "content-type: application/json\r\nContent-Length: 18\r\n\r\n{ \"chat_id\" :\t7 } ");
  auto got = http.receive();
  auto host = server.url().substr(7);
  CHECK_EQ(server.bytes(), "POST /tg" + node.path("sendMessage")
                             + "?a=%20 HTTP/1.1\r\nHost: " + host
                             + "\r\nuser-agent: odd/1\r\ncontent-type: application/json\r\n"
                               "Content-Length: 18\r\n\r\n{ \"chat_id\" :\t7 } ");
  CHECK_EQ(got.body, "{\"ok\": true}");
  CHECK_EQ(got.head.substr(0, 52), "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 12\r\n");
  CHECK_EQ(got.attempts(), 1);
}

SCENARIO(
  "a chunked request goes out with the sizes of its chunks, and nothing besides its content") {
  // The Bot API's server reads a trailer as the begin of the next request, which would be another
  // bot's, and refuses a size with a longer extension (td, HttpChunkedByteFlow).
  for (bool streamed : {false, true}) {
    recorder server{ok_answer};
    part_options options;
    options.api_root = server.url();
    if (streamed)
      options.gateway.replay_limit = 4;
    node_part node{options};
    for (std::size_t step : {std::size_t{1}, std::size_t{1000}}) {
      auto http = node.connect();
      auto text = "POST " + node.path("getMe")
                  + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "0005;extension=\"long\"\r\n{\"a\":\r\nA\r\n123456789}\r\n"
                    "000;x=y\r\nX-Sum: 1\r\nGET: /botX/close\r\n\r\n";
      for (std::size_t at = 0; at < text.size(); at += step)
        http.send(std::string_view{text}.substr(at, step));
      CHECK_EQ(http.receive().status, 200);
      CHECK_EQ(http.get(node.path("getMe")).status, 200); // Nor is anything of it left here.
    }
    auto seen = server.bytes();
    auto body = std::string{"\r\n\r\n5\r\n{\"a\":\r\na\r\n123456789}\r\n0\r\n\r\nGET /bot"};
    auto first = seen.find(body);
    CHECK(first != std::string::npos);
    CHECK(seen.find(body, first + 1) != std::string::npos);
    CHECK(seen.find("X-Sum") == std::string::npos);
    CHECK(until([&] { return node.at_rest(); }));
  }
}

SCENARIO("a target that names this server is one that only names the path") {
  recorder server{ok_answer};
  part_options options;
  options.api_root = server.url();
  node_part node{options};
  for (auto origin : {"http://127.0.0.1:8081", "HTTPS://api.telegram.org", "http://u@[::1]:80"}) {
    auto http = node.connect();
    CHECK_EQ(http.get(origin + node.path("getMe") + "?a=http://b/").status, 200);
    CHECK(server.bytes().ends_with("GET " + node.path("getMe") + "?a=http://b/ HTTP/1.1\r\nHost: "
                                   + server.url().substr(7) + "\r\n\r\n"));
    CHECK(http.get(std::string{origin} + "?a=b").is_api_error(404));
    CHECK(node.connect().get(origin).is_api_error(404));
  }
  CHECK(node.connect().get("ftp://x" + node.path("getMe")).is_api_error(404));
  CHECK_EQ(server.requests(), 3u);
}

SCENARIO("answers of every framing reach clients of both versions") {
  struct framing {
    const char* answer;
    bool closes;
  };
  constexpr framing framings[] = {
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
     false},
    {"HTTP/1.1 200 OK\r\n\r\nabcde", true},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", false},
  };
  for (const auto& x : framings) {
    recorder server{x.answer, x.closes};
    part_options options;
    options.api_root = server.url();
    node_part node{options};
    for (auto version : {"1.1", "1.0"}) {
      auto http = node.connect();
      http.send("GET " + node.path("getMe") + " HTTP/" + version + "\r\nHost: x\r\n\r\n");
      auto got = http.receive();
      CHECK_EQ(got.status, 200);
      CHECK_EQ(got.body, "abcde");
      CHECK(got.whole);
      if (version == std::string{"1.0"})
        CHECK(http.ended());
    }
    CHECK(until([&] { return node.at_rest(); }));
  }
}

SCENARIO("an old client that asks for it keeps its connection while answers name their length") {
  const std::string with_length{ok_answer};
  const std::string in_chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "5\r\nabcde\r\n0\r\n\r\n";
  const std::string refusal = "HTTP/1.1 500 Broken\r\nContent-Length: 5\r\n\r\nabcde";
  for (const auto& text : {with_length, refusal, in_chunks}) {
    recorder server{text};
    part_options options;
    options.api_root = server.url();
    options.bot.retries = 0;
    node_part node{options};
    auto http = node.connect();
    const bool stays = text != in_chunks;
    for (auto method : {"close", "getMe", "getMe"}) { // The first is Troupe's own.
      http.send("GET " + node.path(method)
                + " HTTP/1.0\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\n");
      auto got = http.receive();
      CHECK(got.whole);
      const bool kept = stays || method == std::string{"close"};
      CHECK_EQ(got.headers["connection"], kept ? "keep-alive" : "close");
      if (!kept)
        break;
    }
    CHECK_EQ(http.ended(stays ? 100ms : 5s), !stays);
  }
}

SCENARIO("empty lines before a request are no request") {
  part_options options;
  options.gateway.header_timeout = 300ms;
  options.gateway.idle_timeout = 1500ms;
  node_part node{options};
  auto http = node.connect();
  auto request = "GET " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n";
  http.send("\r\n" + request + "\r\n\n" + request + "\r\n");
  CHECK_EQ(http.receive().status, 200);
  CHECK_EQ(http.receive().status, 200);
  auto began = std::chrono::steady_clock::now();
  CHECK(http.receive(700ms).late); // Nor is the rest of one waited for.
  http.send("\r\n");
  auto last = http.receive(5s);
  CHECK_EQ(last.status, 0);
  CHECK(!last.late);
  CHECK_LT(std::chrono::steady_clock::now() - began, 2s); // But it keeps no connection.
  CHECK_EQ(node.seen("getMe"), 2u);
}

SCENARIO("a body that is longer than any upstream takes is not waited for") {
  node_part node;
  for (auto length : {"4294967295", "9223372036854775808", "18446744073709551615"}) {
    auto http = node.connect();
    http.send("POST " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + length
              + "\r\n\r\nabc");
    CHECK(http.receive(2s).is_api_error(413));
    CHECK(http.ended());
  }
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("a connection carries many calls, also all at once") {
  node_part node;
  auto http = node.connect();
  for (int i = 0; i < 20; ++i)
    CHECK_EQ(http.get(node.path("getMe")).status, 200);
  std::string many;
  auto chat = std::to_string(node.chat());
  for (int i = 0; i < 20; ++i) {
    auto body = "{\"chat_id\":" + chat + ",\"text\":\"" + std::to_string(i) + "\"}";
    many += "POST " + node.path("sendMessage")
            + " HTTP/1.1\r\nHost: x\r\nContent-Type: "
              "application/json\r\nContent-Length: "
            + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  http.send(many);
  for (int i = 0; i < 20; ++i) // In order, each its own.
    CHECK_EQ(http.receive().text("result/text"), std::to_string(i));
  CHECK_EQ(node.seen("sendMessage"), 20u);
}

SCENARIO("the two ways of naming a body's length cannot be played against each other") {
  recorder server{ok_answer};
  part_options options;
  options.api_root = server.url();
  node_part node{options};
  auto inner = "GET /botSMUGGLED/getMe HTTP/1.1\r\nHost: x\r\n\r\n";
  auto length = std::to_string(std::string{inner}.size());
  auto http = node.connect();
  auto named = http.post(node.path("getMe"), inner, "text/plain", "Connection: content-length\r\n");
  CHECK_EQ(named.status, 200);
  CHECK(server.bytes().find("Content-Length: " + length) != std::string::npos);
  auto coding = node.connect();
  coding.send("POST " + node.path("getMe")
              + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n"
                "\r\n0\r\n\r\n");
  CHECK(coding.receive().is_api_error(400));
  CHECK(coding.ended());
  CHECK_EQ(server.requests(), 1u);
}

SCENARIO("an upload of 30 MB streams through in little memory") {
  recorder server{ok_answer};
  part_options options;
  options.api_root = server.url();
  node_part node{options};
  auto http = node.connect();
  constexpr std::size_t size = 30'000'000;
  const std::string piece(50'000, 'x');
  auto before = resident();
  std::size_t most = before;
  http.send("POST " + node.path("sendDocument")
            + " HTTP/1.1\r\nHost: x\r\nContent-Type: "
              "multipart/form-data; boundary=XX\r\nContent-Length: "
            + std::to_string(size) + "\r\n\r\n");
  bool sent = true;
  for (std::size_t at = 0; at < size && sent; at += piece.size()) {
    sent = http.send(piece);
    most = std::max(most, resident());
  }
  CHECK(sent);
  auto got = http.receive();
  CHECK_EQ(got.body, "{\"ok\": true}");
  CHECK_GE(server.total(), size);
  if (is_instrumented)
    CAF_MESSAGE("grew by " << most - before << " bytes; a sanitizer's own memory has no such bound");
  else
    CHECK_LT(most - before, 8'000'000u);
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("a client that waits for permission to send its body gets it") {
  node_part node;
  auto http = node.connect();
  auto body = "{\"chat_id\":" + std::to_string(node.chat()) + ",\"text\":\"hi\"}";
  http.send("POST " + node.path("sendMessage")
            + " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
              "Content-Type: application/json\r\nContent-Length: "
            + std::to_string(body.size()) + "\r\n\r\n");
  auto early = http.receive(100ms);
  CHECK(early.late);
  CHECK_EQ(early.interim, 1);
  http.send(body);
  CHECK_EQ(http.receive().text("result/text"), "hi");
}

SCENARIO("the gateway speaks TLS") {
  part_options options;
  options.gateway_tls = true;
  options.upstream_tls = true;
  node_part node{options};
  auto http = node.connect();
  CHECK(http.connect());
  auto request = "GET " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n";
  http.send(request + request + request);
  for (int i = 0; i < 3; ++i)
    CHECK_EQ(http.receive().text("result/id"), std::to_string(node.bot()));
  auto content = noise(200'000);
  CHECK_EQ(
    http
      .post(node.path("sendDocument"), document(node, content), "multipart/form-data; boundary=XX")
      .text("result/document/file_size"),
    std::to_string(content.size()));
  client plain{node.port()};
  plain.send(request);
  CHECK_EQ(plain.receive().status, 0);
  CHECK_EQ(http.get(node.path("getMe")).status, 200);
}

} // namespace troupe::pass_suite
