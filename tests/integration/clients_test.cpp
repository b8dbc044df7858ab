#define CAF_SUITE integration_clients
#include "tests/integration/node_part.hpp"

#include "runtime/registry/directory.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::clients_suite {

using namespace troupe::integration;
using sandbox::fault_kind;

namespace {

std::string get_me(const node_part& node, std::string_view fields = {}) {
  return "GET " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\n" + std::string{fields} + "\r\n";
}

enum class leaving : std::uint8_t { close, reset };

void leave(client& who, leaving how) {
  if (how == leaving::close)
    who.close();
  else
    who.reset();
}

void leaves_the_bots_queue(leaving how, bool gateway_tls = false) {
  part_options options;
  options.pool.max_per_bot = 1;
  options.gateway_tls = gateway_tls;
  node_part node{options};
  node.fail(fault_kind::hang, "getMe", 1);
  auto first = node.connect();
  first.send(get_me(node));
  CHECK(until([&] { return node.pool().leased == 1; }));
  auto second = node.connect();
  CHECK_EQ(second.get(node.path("close")).status, 200); // Or TLS tickets, unread, make it a reset.
  second.send(get_me(node));
  CHECK(until([&] { return node.bot_state().queued == 1; }));
  leave(second, how);
  CHECK(until([&] { return node.bot_state().queued == 0; }, 5s));
  node.mend();
  CHECK_EQ(first.receive().status, 200); // At its second attempt: what hung was reset.
  CHECK_EQ(first.get(node.path("getMe")).status, 200);
  CHECK(until([&] { return node.at_rest(); }));
  CHECK_EQ(node.seen("getMe"), 3u); // Never the one whose client left.
}

void leaves_the_budgets_queue(leaving how) {
  part_options options;
  options.budgets.bot_rps = 1;
  node_part node{options};
  auto first = node.connect();
  CHECK_EQ(first.send(get_me(node)), true);
  CHECK_EQ(first.receive().status, 200);
  auto second = node.connect();
  second.send(get_me(node));
  CHECK(until([&] { return node.governor().waiting == 1; }));
  leave(second, how);
  CHECK(until([&] { return node.governor().waiting == 0; }, 800ms));
  auto third = first.get(node.path("getMe"));
  CHECK_EQ(third.status, 200);
  CHECK_LT(third.waited(), 1.0); // The second's permit was not spent, or it would be two.
  CHECK_EQ(node.governor().granted, 2u);
  CHECK_EQ(node.seen("getMe"), 2u);
  CHECK(until([&] { return node.at_rest(); }));
}

} // namespace

SCENARIO("a client that closes gives up its place in its bot's queue") {
  leaves_the_bots_queue(leaving::close);
}

SCENARIO("a client that resets gives up its place in its bot's queue") {
  leaves_the_bots_queue(leaving::reset);
}

SCENARIO("a TLS client that resets gives up its place in its bot's queue") {
  leaves_the_bots_queue(leaving::reset, true);
}

SCENARIO("a TLS client that closes gives up its place in its bot's queue") {
  leaves_the_bots_queue(leaving::close, true);
}

SCENARIO("a client that closes gives up its place in the budget") {
  leaves_the_budgets_queue(leaving::close);
}

SCENARIO("a client that resets gives up its place in the budget") {
  leaves_the_budgets_queue(leaving::reset);
}

SCENARIO("a client that leaves during its exchange gives its session back") {
  for (auto how : {leaving::close, leaving::reset}) {
    node_part node;
    node.fail(fault_kind::hang, "getMe", 1);
    auto http = node.connect();
    http.send(get_me(node));
    CHECK(until([&] { return node.pool().leased == 1; }));
    leave(http, how);
    CHECK(until([&] { return node.at_rest(); }, 5s));
    CHECK_EQ(node.lines().count("lease.reclaimed"), 0u); // Given back, not taken.
  }
}

SCENARIO("a client that only stops sending still gets its answer") {
  for (bool tls : {false, true}) {
    for (bool queued : {false, true}) {
      part_options options;
      options.pool.max_per_bot = 1;
      options.gateway_tls = tls;
      node_part node{options};
      node.fail(fault_kind::latency, "getMe", 0, {.latency = 300ms});
      auto before = node.connect();
      if (queued) {
        before.send(get_me(node));
        CHECK(until([&] { return node.pool().leased == 1; }));
      }
      auto http = node.connect();
      http.send(get_me(node) + get_me(node));
      http.half_close();
      CHECK_EQ(http.receive().status, 200);
      CHECK_EQ(http.receive().status, 200); // What was pipelined is served too.
      CHECK(http.ended());
      CHECK(until([&] { return node.at_rest(); }));
    }
  }
}

SCENARIO("a head that never ends is given up") {
  part_options options;
  options.gateway.header_timeout = 200ms;
  node_part node{options};
  auto http = node.connect();
  auto begun = std::chrono::steady_clock::now();
  http.send("GET " + node.path("getMe") + " HTTP/1.1\r\n");
  reply got;
  int bytes = 0;
  do { // A byte now and then does not help.
    http.send(++bytes % 2 ? "X" : "Y");
    got = http.receive(20ms);
  } while (got.late && bytes < 500);
  CHECK(got.is_api_error(408));
  CHECK(http.ended());
  CHECK_LT(std::chrono::steady_clock::now() - begun, 3s);
  auto body = node.connect();
  body.send("POST " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
  CHECK(body.receive(3s).is_api_error(408));
  CHECK_EQ(node.seen("getMe"), 0u);
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("a client that says nothing is let go") {
  part_options options;
  options.gateway.idle_timeout = 200ms;
  options.gateway.header_timeout = 200ms;
  for (bool tls : {false, true}) {
    options.gateway_tls = tls;
    node_part node{options};
    client silent{node.port()}; // Not even a handshake.
    CHECK(silent.connect());
    CHECK(silent.ended(3s));
    auto http = node.connect();
    CHECK_EQ(http.get(node.path("getMe")).status, 200);
    CHECK(http.ended(3s));
  }
}

SCENARIO("an oversized head is refused before it is all there") {
  part_options options;
  options.gateway.max_head = 4096;
  node_part node{options};
  auto whole = node.connect();
  whole.send(get_me(node, "X-Long: " + std::string(5000, 'x') + "\r\n"));
  CHECK(whole.receive().is_api_error(431));
  CHECK(whole.ended());
  auto endless = node.connect();
  endless.send("GET /" + std::string(6000, 'x'));
  CHECK(endless.receive().is_api_error(431));
  auto fits = node.connect();
  fits.send(get_me(node, "X-Long: " + std::string(3500, 'x') + "\r\n"));
  CHECK_EQ(fits.receive().status, 200);
  CHECK_EQ(node.seen("getMe"), 1u);
}

SCENARIO("what is no Bot API request is refused") {
  node_part node;
  auto garbage = node.connect();
  garbage.send("\x16\x03\x01 hello\r\n\r\n");
  CHECK(garbage.receive().is_api_error(400));
  CHECK(garbage.ended());
  auto http = node.connect();
  CHECK(http.get("/").is_api_error(404));
  CHECK(http.get("/metrics").is_api_error(404));
  CHECK(http.get(node.path("getMe"), "X-Troupe-Deadline: soon\r\n").is_api_error(400));
  for (auto verb : {"DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"}) { // As the server does.
    auto odd = node.connect();
    odd.send(verb + (" " + node.path("getMe")) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(odd.receive().is_api_error(501));
    CHECK(odd.ended());
  }
  for (auto [target, status] : {std::pair{node.path("getMe"), 501}, {"/metrics", 404}}) {
    auto head = node.connect();
    head.send("HEAD " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
    auto got = head.receive(5s, true);
    CHECK_EQ(got.status, status);
    CHECK_EQ(got.headers.contains("content-length"), true);
    CHECK(head.receive(5s).head.empty()); // No body follows.
  }
  auto broken = node.connect();
  broken.send("POST " + node.path("getMe")
              + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                "\r\nxyz\r\n");
  CHECK(broken.receive().is_api_error(400));
  CHECK_EQ(node.seen("getMe"), 0u);
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("what stands between a body's chunks and behind them is bounded, held or streamed") {
  node_part node;
  const auto begin = "POST " + node.path("sendMessage")
                     + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n";
  const std::string much(1024 * 1024, 'x');
  for (auto* head : {"2;", "0\r\nTrailer: "}) {
    auto held = node.connect();
    held.send(begin + head + much);
    CHECK(held.receive(5s).is_api_error(400));
    auto streamed = node.connect();
    streamed.send(begin + "20000\r\n" + much.substr(0, 0x20000) + "\r\n" + head + much);
    CHECK(streamed.ended(5s));
  }
  CHECK_EQ(node.seen("sendMessage"), 0u);
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("an unknown token is refused here") {
  node_part node;
  auto http = node.connect();
  auto letters = std::string(35, 'A');
  CHECK(http.get("/bot123456:" + letters + "/getMe").is_api_error(401));
  CHECK(http.get("/bot" + std::to_string(node.bot()) + ":" + letters + "/getMe").is_api_error(401));
  CHECK(http.get("/botnonsense/getMe").is_api_error(401));
  CHECK(http.get("/bot/getMe").is_api_error(401));
  CHECK(http.get("/file/bot123456:" + letters + "/x").is_api_error(401));
  CHECK_EQ(node.seen("getMe"), 0u);
  CHECK_EQ(http.get(node.path("getMe")).status, 200);
}

SCENARIO("a client of a quarantined bot is told when the bot's rest ends") {
  part_options options;
  options.quarantine = 7s;
  node_part node{options};
  auto http = node.connect();
  for (int i = 0; i < 3; ++i) {
    node.kill_bot();
    CHECK(until([&] { return node.lines().count("child.restarted") > static_cast<unsigned>(i); }));
  }
  node.kill_bot();
  CHECK(until([&] { return node.lines().count("child.quarantined") == 1; }));
  auto got = http.get(node.path("getMe"));
  CHECK(got.is_api_error(503));
  CHECK_GE(got.retry_after(), 1);
  CHECK_LE(got.retry_after(), 7);
}

SCENARIO("a token nobody registered is adopted once the upstream has accepted it") {
  part_options options;
  options.gateway.adopt = true;
  node_part node{options};
  auto http = node.connect();
  auto letters = std::string(35, 'A');
  GIVEN("tokens that the upstream rejects") {
    CHECK(http.get("/bot123456:" + letters + "/getMe").is_api_error(401));
    CHECK(
      http.get("/bot" + std::to_string(node.bot()) + ":" + letters + "/getMe").is_api_error(401));
    CHECK(until([&] { return node.names().unproven() == 0; }));
    CHECK_EQ(node.names().size(), 1u);
    CHECK(node.bot_state().phase == bot_phase::active);
    CHECK_EQ(http.get(node.path("getMe")).status, 200);
  }
  GIVEN("one that it accepts") {
    auto token = node.make_stranger();
    auto id = std::stoll(token);
    CHECK_EQ(http.get("/bot" + token + "/getMe").text("result/id"), std::to_string(id));
    CHECK(until([&] {
      auto entry = node.names().find(id);
      return entry && entry->proven && entry->actor;
    }));
    CHECK_EQ(node.names().unproven(), 0u);
    CHECK_EQ(node.names().size(), 2u);
    CHECK_EQ(http.get("/bot" + token + "/getMe").status, 200);
  }
  CHECK(until([&] { return node.at_rest(); }));
}

} // namespace troupe::clients_suite
