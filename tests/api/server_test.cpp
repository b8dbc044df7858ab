#define CAF_SUITE api.server
#include "runtime/api/routes.hpp"
#include "runtime/api/server.hpp"
#include "tests/api/fakes.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace troupe::server_suite {

using namespace std::literals;

namespace http = boost::beast::http;
using tcp = boost::asio::ip::tcp;

namespace {

struct fixture : fakes::node {
  net::http_server listener{config(), api::make_handler(ports())};
  boost::asio::io_context io;

  fixture() { listener.start(); }

  static net::http_server_config config() {
    net::http_server_config one;
    one.threads = 1;
    api::configure(one);
    return one;
  }

  tcp::socket connect() {
    tcp::socket socket{io};
    socket.connect({boost::asio::ip::address_v4::loopback(), listener.port()});
    return socket;
  }

  http::response<http::string_body> ask(http::verb method, std::string_view target) {
    auto socket = connect();
    http::request<http::empty_body> req{method, target, 11};
    req.set(http::field::host, "localhost");
    req.set("X-Request-Id", "mine");
    http::write(socket, req);
    http::response_parser<http::string_body> parser;
    parser.skip(method == http::verb::head);
    boost::beast::flat_buffer buffer;
    http::read(socket, buffer, parser);
    return parser.release();
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("the routes are served over HTTP") {
  for (auto target : {"/", "/metrics", "/healthz", "/readyz", "/v1/health", "/v1/supervision",
                      "/v1/sessions?limit=5", "/v1/budgets"}) {
    auto answer = ask(http::verb::get, target);
    CHECK_EQ(answer.result_int(), 200u);
    CHECK(!answer.body().empty());
    CHECK_EQ(answer["X-Request-Id"], "mine");
    CHECK_EQ(answer["Cache-Control"], "no-store");
  }
  CHECK_EQ(ask(http::verb::get, "/nothing").result_int(), 404u);
  CHECK_EQ(ask(http::verb::post, "/healthz").result_int(), 405u);
  auto head = ask(http::verb::head, "/healthz");
  CHECK_EQ(head.result_int(), 200u);
  CHECK(head.body().empty());
}

SCENARIO("what never reaches a route is a problem document, too") {
  struct one {
    std::string sent;
    unsigned status;
    const char* code;
  };
  auto large = std::to_string(api::largest_body + 1);
  const std::string chunked = "POST /v1/bots HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string endless(512 * 1024, 'x');
  const one all[] = {{"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400, "malformed_http"},
                     {chunked + "2;" + endless, 413, "body_too_large"},
                     {chunked + "0\r\nTrailer: " + endless, 413, "body_too_large"},
                     {"POST /v1/bots HTTP/1.1\r\nContent-Length: " + large + "\r\n\r\n", 413,
                      "body_too_large"}};
  for (auto& one : all) {
    auto socket = connect();
    boost::asio::write(socket, boost::asio::buffer(one.sent));
    http::response_parser<http::string_body> parser;
    boost::beast::flat_buffer buffer;
    http::read(socket, buffer, parser);
    CHECK_EQ(parser.get().result_int(), one.status);
    CHECK_EQ(parser.get()["Content-Type"], "application/problem+json");
    auto body = boost::json::parse(parser.get().body()).as_object();
    CHECK_EQ(body.at("code").as_string(), one.code);
    CHECK_EQ(body.at("request_id").as_string(), parser.get()["X-Request-Id"]);
  }
  net::http_response answer;
  config().refuse(431, answer);
  CHECK(answer.body.find("\"code\":\"head_too_large\"") != std::string::npos);
}

SCENARIO("a client that goes away during a question harms nobody") {
  said->silent = true;
  for (int i = 0; i < 20; ++i) {
    auto socket = connect();
    http::request<http::empty_body> req{http::verb::get, "/v1/sessions", 11};
    http::write(socket, req);
    socket.close();
  }
  said->silent = false;
  CHECK_EQ(ask(http::verb::get, "/v1/sessions").result_int(), 200u);
}

SCENARIO("the listener may stop while a question is under way") {
  said->silent = true;
  auto socket = connect();
  http::request<http::empty_body> req{http::verb::get, "/v1/sessions", 11};
  http::write(socket, req);
  auto deadline = std::chrono::steady_clock::now() + 10s;
  while (listener.counts().requests == 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  CHECK_EQ(listener.counts().requests, 1u);
  listener.stop();
  // The question is answered after all, when nobody is left to hear it.
  caf::anon_send_exit(pool, caf::exit_reason::kill); // Answers the question after all.
}

END_FIXTURE_SCOPE()

} // namespace troupe::server_suite
