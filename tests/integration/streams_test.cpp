#define CAF_SUITE integration_streams
#include "tests/integration/node_part.hpp"
#include "tests/integration/recorder.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::streams_suite {

using namespace troupe::integration;

namespace {

part_options with_upstream(const recorder& server) {
  part_options options;
  options.api_root = server.url();
  return options;
}

std::string with_length(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string in_chunks(std::string_view status, const std::string& body) {
  std::string out = "HTTP/1.1 " + std::string{status} + "\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (std::size_t at = 0; at < body.size(); at += 5000) {
    auto part = body.substr(at, 5000);
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", part.size());
    out += size + part + "\r\n";
  }
  return out + "0\r\n\r\n";
}

std::string letters(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    out[i] = static_cast<char>('a' + i * i % 26);
  return out;
}

/// What a client gets of an answer that comes at 400 bytes in a second, with a grace of 400 ms.
void dribbles(std::size_t size, bool begun) {
  recorder server{with_length(letters(size)), false, {60, 150ms}};
  auto options = with_upstream(server);
  options.gateway.request_timeout = 400ms;
  options.health.failure_threshold = 1;
  node_part node{options};
  auto http = node.connect();
  auto got = http.get(node.path("sendMessage"));
  if (begun) {
    CHECK(!got.whole);
    CHECK_EQ(got.status, 200);
    CHECK_LT(got.body.size(), 1000u);
  } else {
    CHECK(got.is_api_error(504));
  }
  CHECK(until([&] { return node.at_rest(); }));
  CHECK(until([&] { return node.health().upstream.failures == 1; }));
  CHECK_EQ(node.pool().idle, 0u);
  CHECK_EQ(node.lines().count("call.lost"), 0u);
}

} // namespace

SCENARIO("a short answer that dribbles is an error; the session comes back, and it counts as a failure") {
  dribbles(4'000, false);
}

SCENARIO("a long answer that dribbles is cut; the session comes back, and it counts as a failure") {
  dribbles(40'000, true);
}

SCENARIO("an answer that moves goes on for longer than every timeout") {
  GIVEN("an upstream that takes two seconds to send 80 KB") {
    recorder server{with_length(letters(80'000)), false, {2'000, 50ms}};
    auto options = with_upstream(server);
    options.gateway.request_timeout = 400ms;
    options.bot.lease_timeout = 800ms;
    node_part node{options};
    WHEN("a client makes a call that could be repeated") {
      auto http = node.connect();
      auto got = http.get(node.path("getMe"));
      THEN("it gets all of it, at the first attempt") {
        CHECK(got.whole);
        CHECK_EQ(got.body.size(), 80'000u);
        CHECK_EQ(got.attempts(), 1);
        CHECK_EQ(node.lines().count("call.lost"), 0u);
        CHECK(until([&] { return node.at_rest(); }));
      }
    }
  }
}

SCENARIO("a refusal in chunks that is too long to be kept back is passed on as it is") {
  auto body = letters(300'000);
  for (auto status : {"500 Internal Server Error", "429 Too Many Requests"}) {
    recorder server{in_chunks(status, body)};
    node_part node{with_upstream(server)};
    for (auto version : {"1.1", "1.0"}) {
      auto http = node.connect();
      http.send("GET " + node.path("getMe") + " HTTP/" + version + "\r\nHost: x\r\n\r\n");
      auto got = http.receive();
      CHECK_EQ(got.status, std::stoi(status));
      CHECK(got.whole);
      CHECK(got.body == body);
      CHECK_EQ(got.attempts(), 1);
      CHECK(until([&] { return node.at_rest(); }));
    }
    CHECK_EQ(server.requests(), 2u);
  }
}

SCENARIO("a refusal in chunks that can be kept back is tried again") {
  auto body = letters(60'000);
  recorder server{in_chunks("500 Internal Server Error", body)};
  node_part node{with_upstream(server)};
  auto http = node.connect();
  auto got = http.get(node.path("getMe"));
  CHECK_EQ(got.status, 500);
  CHECK(got.body == body);
  CHECK_EQ(got.attempts(), 4);
  CHECK_EQ(server.requests(), 4u);
  CHECK(until([&] { return node.at_rest(); }));
}

} // namespace troupe::streams_suite
