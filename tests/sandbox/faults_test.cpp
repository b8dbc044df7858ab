#define CAF_SUITE sandbox_faults
#include "tests/sandbox/client.hpp"

#include "tests/sandbox/world.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::faults_suite {

using namespace troupe::sandbox;
using namespace troupe::sandbox::testing;
using namespace std::literals;

namespace {

struct fixture : scene {
  fixture() : scene(quick()) {}

  void fault(std::string_view body) { control("POST", "faults", body); }
  std::size_t sent() {
    auto list = control("GET", "chats/" + std::to_string(user) + "/messages?from=bot");
    return list.at("messages").get_array().size();
  }
  reply send() { return call("sendMessage", to_chat(R"("text":"x")")); }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a status fault answers with its code as often as it should") {
  fault(R"({"method":"sendmessage","kind":"status","error_code":502,"count":2})");
  CHECK_EQ(call("getMe").status, 200);
  CHECK_EQ(send().status, 502);
  CHECK_EQ(send().json().at("error_code").to_number<int>(), 502);
  CHECK_EQ(sent(), 0u);
  CHECK_EQ(send().status, 200);
  CHECK_EQ(control("GET", "faults").at("faults").get_array().size(), 0u);
}

SCENARIO("a fault hits its bot and its chat only") {
  fault(R"({"bot":)" + std::to_string(bot + 1) + R"(,"kind":"status"})");
  CHECK_EQ(call("getMe").status, 200);
  control("DELETE", "faults");
  fault(R"({"chat":)" + std::to_string(user) + R"(,"kind":"status","error_code":500})");
  CHECK_EQ(call("getMe").status, 200);
  CHECK_EQ(send().status, 500);
}

SCENARIO("a reset before does nothing, a reset after does it") {
  fault(R"({"kind":"reset_before","count":1})");
  CHECK_EQ(send().status, 0);
  CHECK_EQ(sent(), 0u);
  fault(R"({"kind":"reset_after","count":1})");
  CHECK_EQ(send().status, 0);
  CHECK_EQ(sent(), 1u);
  CHECK_EQ(send().status, 200);
  auto outcomes = control("GET", "stats").at("methods").at("sendMessage").at("outcomes");
  CHECK_EQ(outcomes.at("unanswered").to_number<int>(), 2);
}

SCENARIO("half an answer promises more than it holds") {
  fault(R"({"kind":"half_answer","count":1})");
  auto half = send();
  CHECK_EQ(half.status, 200);
  CHECK(!half.whole);
  CHECK_EQ(half.body.size(), std::stoul(half.headers["content-length"]) / 2);
  CHECK_EQ(sent(), 1u);
}

SCENARIO("a hang lasts until the client leaves or the fault is cleared") {
  fault(R"({"kind":"hang"})");
  auto hanging = [this] {
    client x{sandbox.url()};
    x.send("GET " + path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return x;
  };
  auto open = [this] {
    return control("GET", "stats").at("connections").at("open").to_number<int>();
  };
  auto leaving = hanging();
  auto staying = hanging();
  CHECK(until([&] { return open() == 3; }));
  CHECK(!staying.ended(100ms));
  leaving.close();
  CHECK(until([&] { return open() == 2; }));
  control("DELETE", "faults");
  CHECK(staying.ended());
}

SCENARIO("latency delays the answer, not the deed") {
  fault(R"({"kind":"latency","latency":"150ms"})");
  auto begin = std::chrono::steady_clock::now();
  CHECK_EQ(call("getMe").status, 200);
  CHECK_GE(std::chrono::steady_clock::now() - begin, 150ms);
}

SCENARIO("a flood is a 429 that counts down and ends") {
  fault(R"({"kind":"flood","retry_after":30})");
  auto first = send();
  CHECK_EQ(first.status, 429);
  CHECK_EQ(first.headers["retry-after"], "30");
  CHECK_EQ(first.json().at("parameters").at("retry_after").to_number<int>(), 30);
  control("POST", "clock", R"({"advance":"20s"})");
  CHECK_LE(send().json().at("parameters").at("retry_after").to_number<int>(), 10);
  control("POST", "clock", R"({"advance":"11s"})");
  CHECK_EQ(send().status, 200);
  fault(R"({"kind":"flood","retry_after":30,"count":1})");
  CHECK_EQ(send().status, 429);
  CHECK_EQ(send().status, 200);
}

SCENARIO("a ratio hits some requests and spares others") {
  fault(R"({"kind":"status","ratio":0.5})");
  int hits = 0;
  for (int i = 0; i < 400; ++i)
    hits += call("getMe").status == 500;
  CHECK(hits > 100 && hits < 300);
}

SCENARIO("faults that make no sense are refused with a sentence") {
  for (auto bad :
       {R"({})", R"({"kind":"nonsense"})", R"({"kind":"status","error_code":200})",
        R"({"kind":"latency"})", R"({"kind":"status","ratio":2})", R"({"kind":"status","x":1})",
        R"({"kind":"status","method":"fly"})", R"({"kind":"tls","bot":1})"}) {
    auto answer = http.post("/sandbox/faults", bad);
    CHECK_EQ(answer.status, 400);
    CHECK(answer.json().at("error").get_string().size() > 10);
  }
}

END_FIXTURE_SCOPE()

SCENARIO("HTTPS is served, and its handshake can be made to fail") {
  certificate mine;
  auto opts = quick();
  opts.tls_cert = mine.cert;
  opts.tls_key = mine.key;
  scene s{opts};
  CHECK_EQ(s.call("getMe").status, 200);
  CHECK(s.sandbox.url().starts_with("https://"));
  s.control("POST", "faults", R"({"kind":"tls","count":1})");
  client unlucky{s.sandbox.url()};
  CHECK_THROWS_AS(unlucky.get("/"), boost::system::system_error);
  client lucky{s.sandbox.url()};
  CHECK_EQ(lucky.get("/").status, 200);
  CHECK_EQ(s.call("getMe").status, 200);
}

SCENARIO("with --latency every answer takes its time") {
  auto opts = quick();
  opts.latency = {100ms, 20ms};
  scene s{opts};
  auto begin = std::chrono::steady_clock::now();
  CHECK_EQ(s.call("getMe").status, 200);
  auto took = std::chrono::steady_clock::now() - begin;
  CHECK(took >= 80ms && took < 5s);
}

} // namespace troupe::faults_suite
