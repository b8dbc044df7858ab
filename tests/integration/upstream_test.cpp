#define CAF_SUITE integration_upstream
#include "tests/integration/node_part.hpp"
#include "tests/sandbox/world.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::upstream_suite {

using namespace troupe::integration;
using sandbox::fault_kind;

namespace {

reply say(node_part& node, client& http, std::string_view fields = {}) {
  auto body = "{\"chat_id\":" + std::to_string(node.chat()) + ",\"text\":\"hi\"}";
  return http.post(node.path("sendMessage"), body, "application/json", fields);
}

/// Reads are repeated, sends are not; what the upstream said last is what the client gets.
void retries(bool tls) {
  part_options options;
  options.upstream_tls = tls;
  node_part node{options};
  auto http = node.connect();
  for (auto kind : {fault_kind::status, fault_kind::reset_before, fault_kind::reset_after}) {
    auto reads = node.seen("getMe");
    node.fail(kind, "getMe", 2);
    auto read = http.get(node.path("getMe"));
    CHECK_EQ(read.status, 200);
    CHECK_EQ(read.attempts(), 3);
    CHECK_EQ(node.seen("getMe"), reads + 3);
    auto sends = node.seen("sendMessage");
    node.fail(kind, "sendMessage", 1);
    auto sent = say(node, http);
    CHECK(sent.is_api_error(kind == fault_kind::status ? 500 : 502));
    CHECK_EQ(sent.attempts(), 1);
    CHECK_EQ(node.seen("sendMessage"), sends + 1);
    CHECK_EQ(say(node, http).status, 200);
  }
  CHECK(until([&] { return node.at_rest(); }));
}

void gives_up(bool tls) {
  part_options options;
  options.upstream_tls = tls;
  node_part node{options};
  auto http = node.connect();
  node.fail(fault_kind::status, "getMe", 0, {.error_code = 503});
  auto status = http.get(node.path("getMe"));
  CHECK(status.is_api_error(503));
  CHECK_EQ(status.text("description"), "Service Unavailable");
  CHECK_EQ(status.attempts(), 4);
  CHECK_EQ(node.seen("getMe"), 4u);
  node.mend();
  node.fail(fault_kind::reset_before, "getMe");
  auto reset = http.get(node.path("getMe"));
  CHECK(reset.is_api_error(502));
  CHECK_EQ(reset.attempts(), 4);
  CHECK_EQ(node.seen("getMe"), 8u);
  node.mend();
  node.fail(fault_kind::status, "sendMessage", 1);
  auto asked = say(node, http, "X-Troupe-Retry: always\r\n");
  CHECK_EQ(asked.status, 200);
  CHECK_EQ(asked.attempts(), 2);
  CHECK(until([&] { return node.at_rest(); }));
}

void times_out(bool tls) {
  part_options options;
  options.upstream_tls = tls;
  options.gateway.request_timeout = 250ms;
  node_part node{options};
  auto http = node.connect();
  node.fail(fault_kind::hang, "getMe", 1);
  auto read = http.get(node.path("getMe"));
  CHECK_EQ(read.status, 200);
  CHECK_EQ(read.attempts(), 2);
  node.fail(fault_kind::hang, "sendMessage", 1);
  auto sent = say(node, http);
  CHECK(sent.is_api_error(504));
  CHECK_EQ(sent.attempts(), 1);
  node.fail(fault_kind::hang, "getMe");
  auto hung = http.get(node.path("getMe"), "X-Troupe-Deadline: 400ms\r\n");
  CHECK(hung.is_api_error(504));
  CHECK_LE(hung.attempts(), 2);
  CHECK(until([&] { return node.at_rest(); }));
}

void half_answers(bool tls) {
  part_options options;
  options.upstream_tls = tls;
  node_part node{options};
  auto http = node.connect();
  node.fail(fault_kind::half_answer, "sendMessage", 1);
  auto got = say(node, http);
  CHECK(!got.late);
  CHECK(got.is_api_error(502)); // It may have happened, and is not done again.
  CHECK_EQ(got.attempts(), 1);
  CHECK_EQ(node.seen("sendMessage"), 1u);
  node.fail(fault_kind::half_answer, "getMe", 1);
  auto read = http.get(node.path("getMe"));
  CHECK_EQ(read.status, 200);
  CHECK(read.whole);
  CHECK_EQ(read.attempts(), 2);
  CHECK_EQ(say(node, http).status, 200);
  CHECK(until([&] { return node.at_rest(); }));
}

} // namespace

SCENARIO("reads are repeated, sends are not, over HTTP") {
  retries(false);
}

SCENARIO("reads are repeated, sends are not, over HTTPS") {
  retries(true);
}

SCENARIO("after four attempts the last answer stands, over HTTP") {
  gives_up(false);
}

SCENARIO("after four attempts the last answer stands, over HTTPS") {
  gives_up(true);
}

SCENARIO("an upstream that does not answer is given up in time, over HTTP") {
  times_out(false);
}

SCENARIO("an upstream that does not answer is given up in time, over HTTPS") {
  times_out(true);
}

SCENARIO("half an answer is none: a read is repeated, a send an error, over HTTP") {
  half_answers(false);
}

SCENARIO("half an answer is none: a read is repeated, a send an error, over HTTPS") {
  half_answers(true);
}

SCENARIO("a slow upstream is waited for") {
  node_part node;
  auto http = node.connect();
  node.fail(fault_kind::latency, "", 0, {.latency = 150ms});
  auto begun = std::chrono::steady_clock::now();
  CHECK_EQ(http.get(node.path("getMe")).attempts(), 1);
  CHECK_EQ(say(node, http).status, 200);
  CHECK_GE(std::chrono::steady_clock::now() - begun, 300ms);
}

SCENARIO("a handshake that fails sent nothing: even a send is repeated") {
  part_options options;
  options.upstream_tls = true;
  node_part node{options};
  auto http = node.connect();
  node.fail(fault_kind::tls, "", 2);
  auto got = say(node, http);
  CHECK_EQ(got.status, 200);
  CHECK_EQ(got.attempts(), 3);
  CHECK_EQ(node.seen("sendMessage"), 1u);
}

SCENARIO("an upstream that nobody serves is a 502") {
  part_options options;
  options.api_root = "http://127.0.0.1:1";
  node_part node{options};
  auto http = node.connect();
  auto got = say(node, http);
  CHECK(got.is_api_error(502));
  CHECK_EQ(got.attempts(), 4);
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("an upstream whose certificate nobody vouches for gets no token") {
  part_options trusted;
  trusted.upstream_tls = true;
  node_part other{trusted};
  part_options options;
  options.upstream_tls = true; // With an authority of its own.
  options.api_root = "https://127.0.0.1:" + std::to_string(other.upstream_port());
  node_part node{options};
  auto http = node.connect();
  CHECK(http.get(node.path("getMe")).is_api_error(502));
  CHECK_EQ(other.upstream().stats.report(), "{}");
}

SCENARIO("a 429 holds the call until its time has come") {
  node_part node;
  auto http = node.connect();
  node.fail(fault_kind::flood, "sendMessage", 1, {.retry_after = std::chrono::seconds{1}});
  auto begun = std::chrono::steady_clock::now();
  auto got = say(node, http);
  CHECK_EQ(got.status, 200);
  CHECK_EQ(got.attempts(), 2);
  CHECK_GE(std::chrono::steady_clock::now() - begun, 1s);
  CHECK_GE(got.waited(), 0.9);
  CHECK_EQ(node.seen("sendMessage"), 2u);
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("a 429 beyond the caller's deadline is passed on, and held for the next") {
  node_part node;
  auto http = node.connect();
  node.fail(fault_kind::flood, "sendMessage", 1, {.retry_after = std::chrono::seconds{3}});
  auto first = say(node, http, "X-Troupe-Deadline: 500ms\r\n");
  CHECK(first.is_api_error(429));
  CHECK_EQ(first.retry_after(), 3);
  CHECK_EQ(first.headers["retry-after"], "3");
  CHECK_EQ(first.attempts(), 1);
  CHECK(until([&] { return node.governor().holds == 1; }));
  auto second = say(node, http, "X-Troupe-Deadline: 500ms\r\n");
  CHECK(second.is_api_error(429));
  CHECK_GE(second.retry_after(), 2);
  CHECK_EQ(node.seen("sendMessage"), 1u); // It did not reach the upstream.
  CHECK_EQ(http.get(node.path("getMe"), "X-Troupe-Deadline: 500ms\r\n").status, 200);
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("a bot's budget paces its calls and refuses what comes too late") {
  part_options options;
  options.budgets.bot_rps = 2;
  node_part node{options};
  auto http = node.connect();
  auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i)
    CHECK_EQ(http.get(node.path("getMe")).status, 200);
  CHECK_GE(std::chrono::steady_clock::now() - begun, 2s); // 2 at 0 s, 2 at 1 s, 1 at 2 s.
  http.get(node.path("getMe"));
  auto refused = http.get(node.path("getMe"), "X-Troupe-Deadline: 50ms\r\n");
  CHECK(refused.is_api_error(429));
  CHECK_EQ(refused.retry_after(), 1);
  CHECK_EQ(refused.attempts(), 0); // It was not made.
  CHECK_EQ(node.seen("getMe"), 6u);
}

SCENARIO("a bot's breaker opens after its failures and refuses at once") {
  part_options options;
  options.health.failure_threshold = 5;
  node_part node{options};
  auto http = node.connect();
  node.fail(fault_kind::status, "sendMessage");
  for (int i = 0; i < 5; ++i)
    CHECK(say(node, http).is_api_error(500));
  CHECK(until([&] { return node.bot_state().breaker == breaker_state::open; }));
  auto refused = http.get(node.path("getMe"));
  CHECK(refused.is_api_error(503));
  CHECK_GE(refused.retry_after(), 1);
  CHECK_EQ(node.seen("getMe"), 0u);
  CHECK_EQ(node.seen("sendMessage"), 5u);
  CHECK(until([&] { return node.at_rest(); }));
}

} // namespace troupe::upstream_suite
