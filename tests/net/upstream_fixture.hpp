#pragma once
#include "runtime/net/upstream.hpp"
#include "tests/net/throwaway_ca.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

namespace troupe::net::test {

using error_code = boost::system::error_code;
using steady = std::chrono::steady_clock;

/// One io_context that the test itself runs, until something is so.
struct loop {
  template <class Condition>
  [[nodiscard]] bool until(Condition&& done,
                           std::chrono::milliseconds limit = std::chrono::seconds{10}) {
    for (auto end = steady::now() + limit; !done();) {
      if (steady::now() > end)
        return false;
      io.restart();
      io.run_one_for(std::chrono::milliseconds{10});
    }
    return true;
  }

  asio::io_context io{1};
};

/// A server on 127.0.0.1 that accepts, shakes hands if it has an identity, and answers "pong" to
/// each "ping". Connections can be closed or written to from the test.
class tiny_server {
public:
  struct connection {
    explicit connection(tcp_socket s) : plain(std::move(s)) {}
    tcp_socket& socket() { return secure ? secure->next_layer() : plain; }
    tcp_socket plain;
    std::optional<tls_stream> secure;
    bool shaken = false;
    std::string in = std::string(4, ' ');
  };

  explicit tiny_server(asio::io_context& io) : acceptor_(io) {
    acceptor_.open(asio::ip::tcp::v4());
    acceptor_.bind({asio::ip::address_v4::loopback(), 0});
    acceptor_.listen();
    accept();
  }

  void use(const throwaway_ca::identity& identity, int max_version = 0) {
    tls_.emplace(asio::ssl::context::tls_server);
    tls_->use_certificate_chain(asio::buffer(identity.certificate));
    tls_->use_private_key(asio::buffer(identity.key), asio::ssl::context::pem);
    static constexpr unsigned char id[] = "test";
    SSL_CTX_set_session_id_context(tls_->native_handle(), id, 4);
    if (max_version != 0)
      SSL_CTX_set_max_proto_version(tls_->native_handle(), max_version);
  }

  /// Accepts but never says anything.
  void fall_silent() { silent_ = true; }

  [[nodiscard]] std::string port() const {
    return std::to_string(acceptor_.local_endpoint().port());
  }

  void close(connection& x) {
    error_code ignored;
    x.socket().close(ignored);
  }

  std::list<connection> connections;

private:
  void accept() {
    acceptor_.async_accept([this](error_code ec, tcp_socket socket) {
      if (ec)
        return;
      auto& x = connections.emplace_back(std::move(socket));
      if (!silent_)
        greet(x);
      accept();
    });
  }

  void greet(connection& x) {
    if (!tls_) {
      x.shaken = true;
      return serve(x, x.plain);
    }
    x.secure.emplace(std::move(x.plain), *tls_);
    x.secure->async_handshake(tls_stream::server, [this, &x](error_code ec) {
      if (ec)
        return;
      x.shaken = true;
      serve(x, *x.secure);
    });
  }

  template <class Stream>
  void serve(connection& x, Stream& stream) {
    asio::async_read(stream, asio::buffer(x.in), [this, &x, &stream](error_code ec, std::size_t) {
      if (ec)
        return;
      asio::async_write(stream, asio::buffer("pong", 4),
                        [this, &x, &stream](error_code failed, std::size_t) {
                          if (!failed)
                            serve(x, stream);
                        });
    });
  }

  tcp_acceptor acceptor_;
  std::optional<asio::ssl::context> tls_;
  bool silent_ = false;
};

/// A lane's connections against a tiny server; names are resolved by the test.
struct upstream_fixture : loop {
  ~upstream_fixture() {
    error_code ignored;
    for (auto& x : server.connections)
      x.socket().close(ignored);
  }

  void start(target where, std::string ca_file = {}) {
    where.port = where.port.empty() ? server.port() : where.port;
    upstream_options options;
    options.where = std::move(where);
    options.ca_file = std::move(ca_file);
    start(options);
  }

  void start(const upstream_options& options) {
    dns = std::make_shared<dns_cache>(
      dns_options{}, [this](const std::string&, io_executor, const dns_cache::answer& answer) {
        answer({}, addresses);
      });
    sessions = std::make_unique<upstream_sessions>(io.get_executor(), options, dns);
  }

  static target plain(std::string host = "127.0.0.1") {
    return {.tls = false, .host = std::move(host), .port = {}, .prefix = {}, .host_header = {}};
  }

  static target secure(std::string host) {
    return {.tls = true, .host = std::move(host), .port = {}, .prefix = {}, .host_header = {}};
  }

  struct attempt {
    upstream_session* session = nullptr;
    error_code ec;
    bool done = false;
  };

  /// Begins to acquire; the result comes while the loop runs.
  std::shared_ptr<attempt> begin(std::uint64_t id,
                                 std::chrono::milliseconds patience = std::chrono::seconds{5}) {
    auto result = std::make_shared<attempt>();
    asio::co_spawn(io.get_executor(), sessions->acquire(id, steady::now() + patience, result->ec),
                   [result](const std::exception_ptr&, upstream_session* session) {
                     result->session = session;
                     result->done = true;
                   });
    return result;
  }

  attempt get(std::uint64_t id, std::chrono::milliseconds patience = std::chrono::seconds{5}) {
    auto result = begin(id, patience);
    if (!until([&] { return result->done; }))
      result->ec = asio::error::would_block;
    return *result;
  }

  /// One exchange; true if "pong" came.
  bool ping(upstream_session& session) {
    return session.tls() ? ping_on(session.secure()) : ping_on(session.plain());
  }

  template <class Stream>
  bool ping_on(Stream& stream) {
    auto in = std::make_shared<std::string>(4, ' ');
    auto done = std::make_shared<bool>(false);
    asio::async_write(stream, asio::buffer("ping", 4), [](error_code, std::size_t) {});
    asio::async_read(stream, asio::buffer(*in),
                     [in, done](error_code, std::size_t) { *done = true; });
    return until([&] { return *done; }) && *in == "pong";
  }

  tiny_server server{io};
  std::shared_ptr<dns_cache> dns;
  dns_cache::address_list addresses{asio::ip::address_v4::loopback()};
  std::unique_ptr<upstream_sessions> sessions;
};

} // namespace troupe::net::test
