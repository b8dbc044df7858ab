#define CAF_SUITE integration_deaths
#include "tests/integration/node_part.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::deaths_suite {

using namespace troupe::integration;
using sandbox::fault_kind;

namespace {

constexpr unsigned threads = 8;
constexpr unsigned calls_each = 25;

/// What became of many calls.
struct tally {
  std::atomic<unsigned> good{0};    ///< 200
  std::atomic<unsigned> refused{0}; ///< An error in the Bot API's shape.
  std::atomic<unsigned> odd{0};     ///< Any other answer.
  std::atomic<unsigned> ended{0};   ///< The connection ended instead.
  std::atomic<unsigned> late{0};    ///< Neither: this must not happen.

  unsigned done() const { return good + refused + odd + ended + late; }
};

void make_calls(node_part& node, tally& sum) {
  auto http = node.connect();
  for (unsigned i = 0; i < calls_each; ++i) {
    auto got = http.get(node.path("getMe"));
    ++(got.late || (got.status != 0 && !got.whole) ? sum.late
       : got.status == 0                           ? sum.ended
       : got.status == 200                         ? sum.good
       : got.is_api_error(got.status)              ? sum.refused
                                                   : sum.odd);
  }
}

/// Runs the load; `at_forty` runs when forty calls have come through.
void under_load(node_part& node, tally& sum, const std::function<void()>& at_forty) {
  std::vector<std::thread> clients;
  for (unsigned i = 0; i < threads; ++i)
    clients.emplace_back([&] { make_calls(node, sum); });
  bool going = until([&] { return sum.done() >= 40; });
  at_forty();
  for (auto& x : clients)
    x.join();
  CHECK(going);
}

part_options loaded(bool tls) {
  part_options options;
  options.upstream_tls = tls;
  options.upstream.latency.mean = 10ms; // So that calls are under way at any moment.
  return options;
}

/// What a victim's death may cost, at most: `refused` answers, `ended` connections.
struct losses {
  unsigned refused = 0;
  unsigned ended = 0;
};

void survives(service which, bool tls, const losses& most) {
  node_part node{loaded(tls)};
  tally sum;
  under_load(node, sum, [&] {
    node.kill(which);
    CHECK(until([&] { return node.replaced(which); }));
  });
  CAF_MESSAGE(service_names[static_cast<std::size_t>(which)]
              << " killed: " << sum.good << " good, " << sum.refused << " refused, " << sum.ended
              << " ended");
  CHECK_EQ(sum.late, 0u);
  CHECK_EQ(sum.odd, 0u);
  CHECK_EQ(sum.done(), threads * calls_each);
  CHECK_LE(sum.refused, most.refused);
  CHECK_LE(sum.ended, most.ended);
  CHECK(until([&] { return node.at_rest(); }));
  CAF_MESSAGE(node.load());
  CHECK_EQ(node.pool().leased, 0u);
  CHECK_EQ(node.governor().waiting, 0u);
  CHECK_EQ(node.lines().count("child.restarted"), 1u);
  auto http = node.connect();
  CHECK_EQ(http.get(node.path("getMe")).status, 200);
}

void reclaims(bool upstream_tls, bool gateway_tls) {
  part_options options;
  options.upstream_tls = upstream_tls;
  options.gateway_tls = gateway_tls;
  node_part node{options};
  node.fail(fault_kind::hang, "sendMessage");
  auto http = node.connect();
  http.send("GET " + node.path("sendMessage") + "?text=a&chat_id=" + std::to_string(node.chat())
            + " HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(until([&] { return node.pool().leased == 1; }));
  node.kill_bot();
  auto got = http.receive(5s);
  CHECK(got.is_api_error(502));
  CHECK_EQ(got.retry_after(), 1);
  CHECK(until([&] { return node.at_rest(); }));
  auto lines = node.lines().lines("lease.reclaimed");
  CHECK_EQ(lines.size(), 1u);
  auto secret = node.token().substr(node.token().find(':') + 1);
  for (const auto& line : node.lines().lines())
    CHECK(line.find(secret) == std::string::npos);
  node.mend();
  CHECK_EQ(http.get(node.path("getMe")).status, 200);
  CHECK_EQ(node.pool().reclaimed_total, 1u);
}

} // namespace

SCENARIO("a read that runs when the pool dies is made again") {
  node_part node;
  fault_terms slow;
  slow.latency = 400ms;
  node.fail(fault_kind::latency, "getMe", 1, slow);
  auto http = node.connect();
  http.connect();
  http.send("GET " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(until([&] { return node.pool().leased == 1; }));
  node.kill(service::pool);
  auto got = http.receive();
  CHECK_EQ(got.status, 200);
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("a read that runs when its bot is killed is made again, once") {
  node_part node;
  fault_terms slow;
  slow.latency = 400ms;
  node.fail(fault_kind::latency, "getMe", 2, slow);
  auto http = node.connect();
  http.send("GET " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(until([&] { return node.pool().leased == 1; }));
  node.kill_bot();
  auto got = http.receive();
  CHECK_EQ(got.status, 200);
  CHECK_EQ(got.attempts(), 2);
  CHECK_EQ(node.seen("getMe"), 2u);
  CHECK(until([&] { return node.at_rest(); }));
  // Whose second bot dies, too, is told.
  node.fail(fault_kind::hang, "getMe");
  http.send("GET " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n");
  for (std::uint64_t killed : {1, 2}) {
    CHECK(until([&] {
      auto pool = node.pool();
      return pool.leased == 1 && pool.reclaimed_total == killed;
    }));
    node.kill_bot();
  }
  CHECK(http.receive(5s).is_api_error(502));
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("a bot killed during its call loses nothing: the client is told, the session comes back") {
  reclaims(false, false);
}

SCENARIO("a bot killed during its call loses nothing, over HTTPS") {
  reclaims(true, false);
}

SCENARIO("a bot killed during its call loses nothing, with TLS on both sides") {
  reclaims(true, true);
}

SCENARIO("a bot killed while its calls wait loses none of them") {
  part_options options;
  options.pool.max_per_bot = 1;
  node_part node{options};
  node.fail(fault_kind::hang, "getMe", 1);
  auto first = node.connect();
  first.send("GET " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(until([&] { return node.pool().leased == 1; }));
  std::vector<client> others;
  for (int i = 0; i < 5; ++i) {
    others.push_back(node.connect());
    others.back().send("GET " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  CHECK(until([&] { return node.bot_state().queued == 5; }));
  node.kill_bot();
  for (auto& x : others) // The successor serves them.
    CHECK_EQ(x.receive(5s).status, 200);
  CHECK_EQ(first.receive(5s).status, 200); // It is a read: that one, too.
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("bots killed again and again under load lose nothing") {
  node_part node{loaded(false)};
  tally sum;
  under_load(node, sum, [&] {
    for (unsigned n = 1; n <= 3; ++n) { // A fourth would quarantine it.
      node.kill_bot();
      CHECK(until([&] { return node.lines().count("child.restarted") >= n; }));
      auto before = sum.done();
      until([&] { return sum.done() > before + 10; }, 2s);
    }
  });
  CHECK_EQ(sum.late, 0u);
  CHECK_EQ(sum.odd, 0u);
  CHECK_EQ(sum.ended, 0u);
  CHECK_LE(sum.refused, 3 * threads); // Those whose exchange was under way; the others wait on.
  CHECK_EQ(sum.done(), threads * calls_each);
  CHECK(until([&] { return node.at_rest(); }));
  auto http = node.connect();
  CHECK_EQ(http.get(node.path("getMe")).status, 200);
}

// The exchanges under way break with the pool, and reads are made again.
SCENARIO("a session pool killed under load is not noticed by clients that read") {
  survives(service::pool, false, {});
}

SCENARIO("a session pool killed under load is not noticed by clients that read, over HTTPS") {
  survives(service::pool, true, {});
}

SCENARIO("a rate governor killed under load is not noticed by clients") {
  survives(service::governor, false, {});
}

SCENARIO("a rate governor killed under load is not noticed by clients, over HTTPS") {
  survives(service::governor, true, {});
}

SCENARIO("health killed under load is not noticed by clients") {
  survives(service::health, false, {});
}

// Each client has one connection, and may have been accepted by the dying listener once more.
SCENARIO("a gateway killed under load ends its connections and loses no session") {
  survives(service::gateway, false, {.ended = 2 * threads});
}

SCENARIO("a gateway killed under load ends its connections, over HTTPS") {
  survives(service::gateway, true, {.ended = 2 * threads});
}

SCENARIO("a gateway killed while its calls wait takes no bot's place with it") {
  part_options options;
  options.pool.max_per_bot = 1;
  node_part node{options};
  node.fail(fault_kind::hang, "getMe");
  std::vector<client> clients;
  for (unsigned i = 0; i < 12; ++i) { // Over both lanes, as the kernel likes.
    clients.push_back(node.connect());
    clients.back().send("GET " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  CHECK(until([&] { return node.pool().leased == 1 && node.bot_state().queued == 11; }));
  node.kill(service::gateway);
  CHECK(until([&] { return node.replaced(service::gateway); }));
  node.mend();
  for (auto& x : clients) {
    auto got = x.receive(5s);
    CHECK(!got.late);
    CHECK(got.status == 200 || got.status == 0);
  }
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("a call that ends before anything of it was written spends no budget") {
  namespace asio = boost::asio;
  asio::io_context io;
  // It accepts, and says nothing: the handshakes last.
  asio::ip::tcp::acceptor silent{io, {asio::ip::make_address("127.0.0.1"), 0}};
  part_options options;
  options.api_root = "https://127.0.0.1:" + std::to_string(silent.local_endpoint().port());
  options.pool.max_per_bot = 12;
  options.budgets.group_rpm = 20;
  options.bot.retries = 0;
  node_part node{options};
  std::vector<client> clients;
  for (unsigned i = 0; i < 12; ++i) { // Over both lanes, as the kernel likes.
    clients.push_back(node.connect());
    clients.back().send("GET " + node.path("sendMessage")
                        + "?chat_id=-5&text=x HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  CHECK(until([&] { return node.pool().leased == 12; }));
  auto used = [&] {
    for (const auto& x : node.governor().budgets)
      if (x.scope == "group")
        return x.used;
    return std::uint64_t{0};
  };
  CHECK_EQ(used(), 12u);
  node.kill(service::gateway);
  // Once one of the dead gateway's connections has ended, all of them have.
  auto one_ended = [&] {
    return std::any_of(clients.begin(), clients.end(), [](auto& x) { return x.ended(5ms); });
  };
  CHECK(until(one_ended));
  silent.close(); // Now the handshakes fail.
  unsigned failed = 0;
  for (auto& x : clients)
    failed += x.receive(5s).status == 502 ? 1 : 0;
  CHECK(until([&] { return node.at_rest(); }));
  CHECK_LT(failed, 12u);
  CHECK_EQ(used(), failed); // These were attempts of the upstream's.
}

} // namespace troupe::deaths_suite
