#define CAF_SUITE http_stream
#include "runtime/net/http_server.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>

#include <caf/test/bdd_dsl.hpp>

#include <atomic>
#include <future>

namespace troupe::http_stream_suite {

using namespace std::literals;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

using timer_type
  = asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, net::http_executor>;

/// Counts to three, or waits for ever.
struct server {
  explicit server(bool endless) : http{{}, [this, endless](const net::http_request&, net::http_response& to) {
        to.content_type = "text/event-stream";
        to.stream = [this, endless, n = std::make_shared<int>(0)](std::string& out) {
          return endless && *n == 1 ? wait() : count(n, out);
        };
        return net::http_pending{};
      }} {
    http.start();
  }

  static net::http_task<bool> count(std::shared_ptr<int> n, std::string& out) {
    out += "piece " + std::to_string(++*n);
    co_return *n < 3;
  }
  net::http_task<bool> wait() {
    struct mark {
      std::promise<void>& gone;
      ~mark() { gone.set_value(); }
    } at_the_end{gone};
    auto io = co_await asio::this_coro::executor;
    timer_type timer{io, 1h};
    co_await timer.async_wait(net::use_http_task);
    co_return true;
  }

  std::promise<void> gone; ///< The endless stream has ended.
  net::http_server http;
};

struct client {
  explicit client(std::uint16_t port) {
    socket.connect({asio::ip::address_v4::loopback(), port});
    asio::write(socket, asio::buffer("GET / HTTP/1.1\r\nHost: x\r\n\r\n"sv));
  }
  std::string all() {
    std::string text;
    boost::system::error_code end;
    asio::read(socket, asio::dynamic_buffer(text), end);
    return text;
  }
  asio::io_context io;
  tcp::socket socket{io};
};

} // namespace

SCENARIO("a response may be made piece by piece") {
  server s{false};
  client c{s.http.port()};
  auto text = c.all();
  CHECK(text.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(text.find("Transfer-Encoding: chunked\r\n") != text.npos);
  CHECK(text.find("Content-Length") == text.npos);
  CHECK(text.ends_with("\r\n\r\n7\r\npiece 1\r\n7\r\npiece 2\r\n7\r\npiece 3\r\n0\r\n\r\n"));
}

SCENARIO("a stream ends when its client leaves") {
  server s{true};
  auto c = std::make_unique<client>(s.http.port());
  std::string text;
  asio::read(c->socket, asio::dynamic_buffer(text), [&](boost::system::error_code, std::size_t) -> std::size_t {
    return text.find("piece 1\r\n") == text.npos ? 1 : 0;
  });
  c.reset();
  CHECK(s.gone.get_future().wait_for(10s) == std::future_status::ready);
}

SCENARIO("a stream ends when the server stops") {
  server s{true};
  client c{s.http.port()};
  std::string text;
  asio::read(c.socket, asio::dynamic_buffer(text), [&](boost::system::error_code, std::size_t) -> std::size_t {
    return text.find("piece 1\r\n") == text.npos ? 1 : 0;
  });
  s.http.stop(20s);
  CHECK(s.gone.get_future().wait_for(0s) == std::future_status::ready);
}

} // namespace troupe::http_stream_suite
