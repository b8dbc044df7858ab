#define CAF_SUITE integration_unread
#include "tests/integration/node_part.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::unread_suite {

using namespace troupe::integration;
using sandbox::fault_kind;

/// Clients whose end stands behind bytes that the gateway reads only after the call's grant.
namespace {

std::string get_me(const node_part& node) {
  return "GET " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

std::string begun_post(const node_part& node, std::size_t length, std::size_t sent) {
  return "POST " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
         + "Content-Length: " + std::to_string(length) + "\r\n\r\n" + std::string(sent, 'x');
}

/// A node that reads a KiB of a body before the grant, and whose bot waits for its only session.
struct busy_node {
  explicit busy_node(bool tls = false) : node(options(tls)), first(node.connect()) {
    node.fail(fault_kind::hang, "getMe", 1);
    first.send(get_me(node));
    CHECK(until([&] { return node.pool().leased == 1; }));
  }

  static part_options options(bool tls) {
    part_options result;
    result.pool.max_per_bot = 1;
    result.gateway.replay_limit = 1024;
    result.gateway_tls = tls;
    return result;
  }

  client waiting(const std::string& bytes) {
    auto http = node.connect();
    CHECK_EQ(http.get(node.path("close")).status, 200); // Reads what TLS says at first, too.
    http.send(bytes);
    CHECK(until([&] { return node.bot_state().queued == 1; }));
    return http;
  }

  /// The call is dropped, and never reaches the upstream.
  void drops_it() {
    CHECK(until([&] { return node.bot_state().queued == 0; }, 5s));
    node.mend();
    CHECK_EQ(first.receive().status, 200); // At its second attempt: what hung was reset.
    CHECK(until([&] { return node.at_rest(); }));
    CHECK_EQ(node.seen("getMe"), 2u);
  }

  node_part node;
  client first;
};

constexpr std::size_t large = 24'000; // More than is read at once, less than a socket holds.

} // namespace

SCENARIO("a client that closes behind requests nobody has read gives up its place") {
  for (bool tls : {false, true}) {
    busy_node busy{tls};
    std::string more;
    while (more.size() < large)
      more += get_me(busy.node);
    auto http = busy.waiting(get_me(busy.node) + more);
    http.close();
    busy.drops_it();
  }
}

SCENARIO("a client that closes behind a whole body nobody has read gives up its place") {
  for (bool tls : {false, true}) {
    busy_node busy{tls};
    auto http = busy.waiting(begun_post(busy.node, large, large));
    http.close();
    busy.drops_it();
  }
}

SCENARIO("a client that stops in the middle of its body will never complete it") {
  busy_node busy;
  auto http = busy.waiting(begun_post(busy.node, 2 * large, large));
  http.half_close();
  busy.drops_it();
}

SCENARIO("a client that stops behind its whole body still gets its answer") {
  for (bool tls : {false, true}) {
    busy_node busy{tls};
    auto http = busy.waiting(begun_post(busy.node, large, large));
    http.half_close();
    CHECK(until([&] { return http.receive(50ms).interim == 1; })); // It was asked, once.
    CHECK_EQ(http.receive(200ms).interim, 0);
    busy.node.mend();
    CHECK_EQ(busy.first.receive().status, 200);
    auto got = http.receive();
    CHECK_EQ(got.status, 200);
    CHECK_EQ(got.text("result/id"), std::to_string(busy.node.bot()));
    CHECK(http.ended());
    CHECK(until([&] { return busy.node.at_rest(); }));
  }
}

} // namespace troupe::unread_suite
