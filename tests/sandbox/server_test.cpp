#define CAF_SUITE sandbox_server
#include "runtime/net/http_server.hpp"

#include "tests/sandbox/client.hpp"
#include "tests/sandbox/options.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <boost/asio/basic_waitable_timer.hpp>

#include <atomic>
#include <stdexcept>

namespace troupe::server_suite {

using namespace troupe::sandbox::testing;
using namespace std::literals;

namespace {

using timer_type =
  boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                    boost::asio::wait_traits<std::chrono::steady_clock>,
                                    net::http_executor>;

/// A server whose paths do what their names say.
struct fixture {
  fixture() : fixture(net::http_server_config{}) {}

  explicit fixture(net::http_server_config config)
    : server(std::move(config),
             [this](const net::http_request& r, net::http_response& out) { return serve(r, out); }),
      http(started()) {}

  std::string started() {
    server.start();
    return "http://127.0.0.1:" + std::to_string(server.port());
  }

  net::http_pending serve(const net::http_request& r, net::http_response& out) {
    if (r.path() == "/throw")
      throw std::runtime_error("secret");
    if (r.path() == "/wait")
      return wait(out);
    out.content_type = "text/plain";
    out.body =
      std::string{r.method} + " " + std::string{r.body} + " " + std::string{r.header("x-a")};
    return std::nullopt;
  }

  net::http_task<void> wait(net::http_response& out) {
    auto executor = co_await boost::asio::this_coro::executor;
    timer_type timer{executor, wait_time};
    ++waiting;
    struct leave {
      std::atomic<int>& count;
      ~leave() { --count; }
    } guard{waiting};
    co_await timer.async_wait(net::use_http_task);
    out.body = "waited";
  }

  std::atomic<int> waiting{0};
  std::chrono::milliseconds wait_time{50};
  net::http_server server;
  client http;
};

net::http_server_config hasty() {
  net::http_server_config result;
  result.head_timeout = result.body_timeout = result.idle_timeout = 200ms;
  result.head_limit = 4096;
  result.body_limit = 1000;
  return result;
}

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("requests are answered on one connection") {
  CHECK_EQ(http.request("PUT", "/x", "body", "X-A: b\r\n").body, "PUT body b");
  auto head = http.request("HEAD", "/x", {});
  CHECK_EQ(head.status, 200);
  CHECK_EQ(head.headers["content-length"], "6");
  CHECK_EQ(http.get("/wait").body, "waited");
  CHECK_EQ(server.counts().opened, 1u);
  CHECK_EQ(server.counts().requests, 3u);
  CHECK_EQ(http.request("GET", "/x", {}, "Connection: close\r\n").headers["connection"], "close");
  http.send("GET /x HTTP/1.0\r\n\r\n");
  CHECK_EQ(http.receive().headers["connection"], "close");
}

SCENARIO("what a handler throws is an error without its words") {
  auto answer = http.get("/throw");
  CHECK_EQ(answer.status, 500);
  CHECK_EQ(answer.body.find("secret"), std::string::npos);
}

SCENARIO("pipelined answers keep their order, also behind one that waits") {
  http.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK_EQ(http.receive().body, "waited");
  CHECK_EQ(http.receive().body, "GET  ");
}

SCENARIO("a handler whose client has gone is cancelled") {
  wait_time = 1h;
  http.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(until([this] { return waiting == 1; }));
  http.close();
  CHECK(until([this] { return waiting == 0; }));
  http.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\nGET /x"); // With bytes that nobody reads yet.
  CHECK(until([this] { return waiting == 1; }));
  http.close();
  CHECK(until([this] { return waiting == 0; }));
  CHECK(until([this] { return server.counts().open == 0; }));
}

SCENARIO("a stop lets requests finish for a while") {
  wait_time = 100ms;
  http.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(until([this] { return waiting == 1; }));
  server.stop(10s);
  auto answer = http.receive();
  CHECK_EQ(answer.body, "waited");
  CHECK_EQ(answer.headers["connection"], "close");
  CHECK_EQ(waiting.load(), 0);
}

SCENARIO("a stop without grace ends what waits") {
  wait_time = 1h;
  http.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(until([this] { return waiting == 1; }));
  server.stop();
  CHECK_EQ(waiting.load(), 0);
  CHECK(http.ended());
}

SCENARIO("malformed requests are refused and their connection closed") {
  for (auto bad : {"nonsense\r\n\r\n", "GET / HTTP/1.1\r\nbad header\r\n\r\n",
                   "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                   "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    http.send(bad);
    CHECK_EQ(http.receive().status, 400);
    CHECK(http.ended());
    http.close();
  }
  CHECK_EQ(http.get("/x").status, 200);
}

END_FIXTURE_SCOPE()

SCENARIO("slow and oversized requests end their connection") {
  fixture f{hasty()};
  f.http.send("GET /slow");
  CHECK(f.http.ended());
  f.http.close();
  f.http.send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nslow");
  CHECK(f.http.ended());
  f.http.close();
  CHECK_EQ(f.http.get("/x").status, 200);
  CHECK(f.http.ended()); // Idle for too long.
  f.http.close();
  CHECK_EQ(f.http.request("GET", "/" + std::string(5000, 'x'), {}).status, 431);
  CHECK_EQ(f.http.post("/", std::string(2000, 'x')).status, 413);
  CHECK_EQ(f.http.get("/x").status, 200);
}

SCENARIO("a port that is taken is said so") {
  fixture f;
  net::http_server_config config;
  config.port = f.server.port();
  net::http_server second{
    config, [](const net::http_request&, net::http_response&) { return net::http_pending{}; }};
  CHECK_THROWS_AS(second.start(), std::runtime_error);
  config.port = 0;
  config.tls_cert = "/nonexistent";
  config.tls_key = "/nonexistent";
  net::http_server third{config, {}};
  CHECK_THROWS_AS(third.start(), std::runtime_error);
}

SCENARIO("inflation is bounded") {
  std::string out;
  CHECK(!net::http_inflate("garbage", 100, out));
  CHECK(!net::http_inflate("", 100, out));
}

SCENARIO("the command line is read strictly") {
  using sandbox::options;
  auto parse = [](std::vector<const char*> words) {
    words.insert(words.begin(), "troupe-sandbox");
    return sandbox::parse_command_line(static_cast<int>(words.size()), words.data());
  };
  auto opts = std::get<options>(parse({"--port=0", "--limits=none", "--latency=50ms±20ms",
                                       "--global-rps", "25", "--accept-any-token"}));
  CHECK_EQ(opts.port, 0);
  CHECK(!opts.enforce_limits);
  CHECK_EQ(opts.latency.mean, 50ms);
  CHECK_EQ(opts.latency.spread, 20ms);
  CHECK_EQ(opts.global_rps, 25u);
  CHECK(opts.accept_any_token);
  CHECK(std::get<std::string>(parse({"--help"})).find("--limits") != std::string::npos);
  for (auto bad : {"--nonsense", "--port=x", "--port=70000", "--limits=some", "--latency=fast",
                   "--tls-cert=only", "--port", "port=1", "--threads=0"})
    CHECK_THROWS_AS(parse({bad}), std::invalid_argument);
}

SCENARIO("durations are read and drawn") {
  using sandbox::parse_delay;
  using sandbox::parse_duration;
  CHECK_EQ(parse_duration("1.5s"), 1500ms);
  CHECK_EQ(parse_duration("7"), 7ms);
  CHECK_EQ(parse_duration("2m"), 120s);
  CHECK(!parse_duration("2x"));
  CHECK(!parse_duration("-1s"));
  CHECK(!parse_duration(""));
  CHECK(!parse_delay("1s±"));
  auto x = parse_delay("10ms+-10ms").value();
  bool good = true;
  for (int i = 0; i < 1000; ++i)
    good = good && x.draw() >= 0ms && x.draw() <= 20ms;
  CHECK(good);
}

} // namespace troupe::server_suite
