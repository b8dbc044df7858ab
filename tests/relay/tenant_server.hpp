#pragma once
#include "runtime/relay/lanes_port.hpp"
#include "tests/net/throwaway_ca.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace troupe::relay::test {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using error_code = boost::system::error_code;
using request = http::request<http::string_body>;

/// A tenant's server on 127.0.0.1 that sends what the test says, byte for byte.
class tenant_server {
public:
  /// What follows a request. No bytes and no end: it hangs.
  struct answer {
    std::string bytes;
    bool close = false;
  };

  explicit tenant_server(asio::io_context& io) : acceptor_(io) {
    acceptor_.open(asio::ip::tcp::v4());
    acceptor_.bind({asio::ip::address_v4::loopback(), 0});
    acceptor_.listen();
    asio::co_spawn(acceptor_.get_executor(), accept(), asio::detached);
  }

  void use(const net::test::throwaway_ca::identity& identity) {
    tls_.emplace(asio::ssl::context::tls_server);
    tls_->use_certificate_chain(asio::buffer(identity.certificate));
    tls_->use_private_key(asio::buffer(identity.key), asio::ssl::context::pem);
  }

  [[nodiscard]] std::string port() const {
    return std::to_string(acceptor_.local_endpoint().port());
  }

  static std::string ok(const std::string& body = {}, const std::string& more = {}) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more
           + "\r\n" + body;
  }
  static std::string status(int code, const std::string& more = {}) {
    return "HTTP/1.1 " + std::to_string(code) + " Some\r\nContent-Length: 0\r\n" + more + "\r\n";
  }

  /// Closes what is kept open.
  void close_all() {
    for (auto& x : sockets_)
      if (auto held = x.lock()) {
        error_code ignored;
        held->close(ignored);
      }
    sockets_.clear();
  }

  std::function<answer(const request&)> answers = [](const request&) { return answer{ok()}; };
  std::vector<request> requests;
  std::size_t accepted = 0;

private:
  using socket = net::tcp_socket;
  using step = asio::awaitable<void, net::io_executor>;
  static constexpr asio::use_awaitable_t<net::io_executor> awaited{};

  step accept() {
    for (;;) {
      error_code ec;
      auto made = std::make_shared<socket>(acceptor_.get_executor());
      co_await acceptor_.async_accept(*made, asio::redirect_error(awaited, ec));
      if (ec)
        co_return;
      ++accepted;
      sockets_.push_back(made);
      asio::co_spawn(acceptor_.get_executor(), serve(made), asio::detached);
    }
  }

  step serve(std::shared_ptr<socket> on) {
    if (!tls_) {
      co_await talk(*on);
      co_return;
    }
    asio::ssl::stream<socket&> secure{*on, *tls_};
    error_code ec;
    co_await secure.async_handshake(asio::ssl::stream_base::server,
                                    asio::redirect_error(awaited, ec));
    if (!ec)
      co_await talk(secure);
  }

  template <class Stream>
  step talk(Stream& stream) {
    boost::beast::flat_buffer buffer;
    for (;;) {
      request got;
      error_code ec;
      co_await http::async_read(stream, buffer, got, asio::redirect_error(awaited, ec));
      if (ec)
        co_return;
      requests.push_back(got);
      auto said = answers(got);
      co_await asio::async_write(stream, asio::buffer(said.bytes),
                                 asio::redirect_error(awaited, ec));
      if (ec || said.close)
        co_return;
    }
  }

  net::tcp_acceptor acceptor_;
  std::optional<asio::ssl::context> tls_;
  std::vector<std::weak_ptr<socket>> sockets_;
};

} // namespace troupe::relay::test
