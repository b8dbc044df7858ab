#define CAF_SUITE integration_limits
#include "tests/integration/node_part.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <chrono>
#include <vector>

namespace troupe::limits_suite {

using namespace troupe::integration;
using namespace std::literals;

SCENARIO("a client beyond the limit of connections is told so") {
  GIVEN("two gateways that take eight connections together, all in use") {
    part_options options;
    options.gateway.max_connections = 8;
    node_part node{options};
    std::vector<client> kept;
    for (std::size_t i = 0; i < 8; ++i) { // Which lane gets one is the kernel's choice.
      kept.push_back(node.connect());
      CHECK_EQ(kept.back().get(node.path("getMe")).status, 200);
    }
    WHEN("one more comes") {
      auto http = node.connect();
      auto got = http.get(node.path("getMe"));
      THEN("it is told why it is sent away") {
        CHECK(got.is_api_error(503));
        CHECK_EQ(got.text("description"), "Service Unavailable: too many connections");
        CHECK(http.ended(2s));
      }
    }
    WHEN("the others leave") {
      kept.clear();
      THEN("new ones are served, and nothing is held") {
        CHECK(until([&node] { return node.connect().get(node.path("getMe")).status == 200; }));
        CHECK(until([&node] { return node.at_rest(); }));
      }
    }
  }
}

SCENARIO("an upload that stops, or dribbles, gives its session back") {
  GIVEN("a node whose exchanges may take a second") {
    part_options options;
    options.gateway.request_timeout = 1s;
    options.gateway.replay_limit = 1024;
    node_part node{options};
    auto begin = [&node](client& http) {
      CHECK(http.send("POST " + node.path("sendDocument")
                      + " HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=XX\r\n"
                        "Content-Length: 1000000\r\n\r\n"
                      + std::string(4096, 'x')));
      CHECK(until([&node] { return node.pool().leased == 1; }));
    };
    WHEN("the client sends nothing more") {
      auto http = node.connect();
      begin(http);
      THEN("it is told that this took too long, and that says nothing about the upstream") {
        CHECK_EQ(http.receive(5s).status, 408);
        CHECK(http.ended(2s));
        CHECK(until([&node] { return node.at_rest(); }));
        CHECK_EQ(node.health().upstream.failures, 0u);
      }
    }
    WHEN("the client sends a byte now and then") {
      auto http = node.connect();
      begin(http);
      auto start = std::chrono::steady_clock::now();
      bool ended = false;
      while (!ended && std::chrono::steady_clock::now() - start < 15s) {
        http.send("x");
        ended = http.ended(100ms);
      }
      THEN("it is cut off all the same: 4 KiB earn eight seconds") {
        CHECK(ended);
        CHECK(until([&node] { return node.at_rest(); }));
      }
    }
  }
}

SCENARIO("a body that is held must come within the request's time") {
  GIVEN("a node whose requests may take a second") {
    part_options options;
    options.gateway.request_timeout = 1s;
    node_part node{options};
    WHEN("a client sends its short body a byte at a time") {
      auto http = node.connect();
      http.send("POST " + node.path("getMe")
                + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  "Content-Length: 1000\r\n\r\n");
      auto start = std::chrono::steady_clock::now();
      auto got = http.receive(50ms);
      while (got.late && std::chrono::steady_clock::now() - start < 10s) {
        http.send("x");
        got = http.receive(50ms);
      }
      THEN("it gets 408, and never held a session") {
        CHECK_EQ(got.status, 408);
        CHECK(node.at_rest());
        CHECK_EQ(node.pool().leases_total, 0u);
      }
    }
  }
}

SCENARIO("a long poll gets the time it asked for") {
  GIVEN("an upstream that never answers getUpdates, and polls of a second at most") {
    part_options options;
    options.gateway.poll_timeout = 1s;
    node_part node{options};
    node.fail(sandbox::fault_kind::hang, "getUpdates");
    WHEN("a client polls for 50 seconds") {
      auto http = node.connect();
      auto start = std::chrono::steady_clock::now();
      auto got = http.get(node.path("getUpdates?timeout=50"));
      THEN("the configured bound holds") {
        CHECK_EQ(got.status, 504);
        CHECK(std::chrono::steady_clock::now() - start < 5s);
        node.mend();
        CHECK(until([&node] { return node.at_rest(); }));
      }
    }
    WHEN("it polls for longer than Telegram would let it") {
      auto http = node.connect();
      auto before = node.health().upstream.failures;
      auto got = http.get(node.path("getUpdates?timeout=60"));
      THEN("it gets what Telegram would say: nothing happened") {
        CHECK_EQ(got.status, 200);
        CHECK_EQ(got.body, R"({"ok":true,"result":[]})");
        CHECK_EQ(http.get(node.path("getMe")).status, 200); // On the same connection.
        CHECK(until([&node] { return node.at_rest(); }));
        CHECK_EQ(node.health().upstream.failures, before);
      }
    }
  }
}

SCENARIO("who will not wait at all gets what is free at once, from a bot nobody knew yet as well") {
  part_options options;
  options.gateway.adopt = true;
  options.budgets.bot_rps = 3;
  node_part node{options};
  auto path = "/bot" + node.make_stranger() + "/getMe";
  auto http = node.connect();
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i)
    CHECK_EQ(http.get(path, "X-Troupe-Deadline: 0s\r\n").status, 200);
  auto refused = http.get(path, "X-Troupe-Deadline: 0s\r\n");
  if (std::chrono::steady_clock::now() - begin < 1s) { // Else the window moved on meanwhile.
    CHECK(refused.is_api_error(429));
    CHECK_EQ(refused.retry_after(), 1);
  }
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("a TLS client that leaves while its call waits is noticed") {
  GIVEN("a gateway that speaks TLS, and a bot whose budget is used up") {
    part_options options;
    options.gateway_tls = true;
    options.budgets.bot_rps = 1;
    options.gateway.default_deadline = 60s;
    node_part node{options};
    auto first = node.connect();
    CHECK_EQ(first.get(node.path("getMe")).status, 200);
    WHEN("many clients ask and close their connections, as TLS has it") {
      auto before = node.seen("getMe");
      for (int i = 0; i < 20; ++i) {
        auto http = node.connect();
        CHECK_EQ(http.get(node.path("close")).status, 200);
        http.send("GET " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(until([&node] { return node.governor().waiting > 0; }));
        http.bye();
      }
      THEN("their calls are dropped, and their budget is not spent") {
        CHECK(until([&node] { return node.governor().waiting == 0; }, 3s));
        CHECK(until([&node] { return node.at_rest(); }));
        CHECK(node.seen("getMe") - before < 6u);
      }
    }
  }
}

} // namespace troupe::limits_suite
