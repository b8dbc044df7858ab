#define CAF_SUITE integration_endings
#include "tests/integration/node_part.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <memory>

namespace troupe::endings_suite {

using namespace troupe::integration;
using sandbox::fault_kind;

namespace {

std::string get_me(const node_part& node) {
  return "GET " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

} // namespace

SCENARIO("a drain waits for a request whose body is still coming, and serves it") {
  GIVEN("a client in the middle of its request") {
    node_part node;
    auto body = "{\"chat_id\":" + std::to_string(node.chat()) + ",\"text\":\"hi\"}";
    auto http = node.connect();
    http.send("POST " + node.path("sendMessage")
              + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
              + std::to_string(body.size()) + "\r\n\r\n" + body.substr(0, 9));
    CHECK(until([&] { return node.calls() == 1; }));
    WHEN("the node drains, and the rest comes") {
      node.drain();
      CHECK_EQ(node.calls(), 1u); // Answered after the drain was heard.
      http.send(body.substr(9));
      THEN("it gets its answer") {
        CHECK_EQ(http.receive(5s).text("result/text"), "hi");
        CHECK(until([&] { return node.calls() == 0; }));
        CHECK(http.ended());
      }
    }
  }
}

SCENARIO("a drain ends a long poll whose body came late at once") {
  node_part node;
  node.fail(fault_kind::hang, "getUpdates");
  auto http = node.connect();
  std::string body = "timeout=50";
  http.send("POST " + node.path("getUpdates")
            + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
              "Content-Length: 10\r\n\r\n"
            + body.substr(0, 4));
  CHECK(until([&] { return node.calls() == 1; }));
  node.drain();
  CHECK_EQ(node.calls(), 1u);
  http.send(body.substr(4));
  auto got = http.receive(5s);
  CHECK_EQ(got.status, 200);
  CHECK_EQ(got.body, R"({"ok":true,"result":[]})");
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("an exception in the middle of an exchange gives the session back") {
  for (bool tls : {false, true}) {
    part_options options;
    options.upstream_tls = tls;
    options.gateway.demo_faults = true;
    node_part node{options};
    auto http = node.connect();
    auto got = http.get(node.path("getMe"), "X-Troupe-Crash: connection\r\n");
    CHECK_EQ(got.status, 0);
    CHECK(!got.late);
    CHECK(until([&] { return node.at_rest(); }, 5s));
    CHECK_EQ(node.lines().count("connection.failed"), 1u);
    CHECK_EQ(node.lines().count("lease.reclaimed"), 0u); // Given back, not taken.
    CHECK_EQ(node.health().upstream.failures, 0u);
    CHECK_EQ(http.get(node.path("getMe")).status, 200);
  }
}

SCENARIO("connections that wait for a grant end with their lane") {
  auto held = std::make_shared<int>(0); // By the gateways, hence by every connection.
  {
    part_options options;
    options.pool.max_per_bot = 1;
    options.meter = [held](std::uint16_t, std::string_view, double, double) {};
    node_part node{options};
    options.meter = nullptr;
    node.fail(fault_kind::hang, "getMe");
    std::vector<client> clients;
    for (std::size_t i = 0; i < 8; ++i) { // Over both lanes, as the kernel likes.
      clients.push_back(node.connect());
      clients.back().send(get_me(node));
    }
    CHECK(until([&] { return node.bot_state().queued == 7; }));
    CHECK_GT(held.use_count(), 1);
    node.stop_lanes();
  }
  CHECK_EQ(held.use_count(), 1);
}

} // namespace troupe::endings_suite
