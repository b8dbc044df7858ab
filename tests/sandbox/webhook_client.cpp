#include "tests/sandbox/webhook_client.hpp"

#include "runtime/net/awaited.hpp"
#include "runtime/telegram/errors.hpp"

#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace troupe::sandbox {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using error_code = boost::system::error_code;
using steady = std::chrono::steady_clock;

constexpr std::chrono::seconds patience{60};
constexpr std::size_t largest_answer = 4 * 1024 * 1024;
constexpr std::size_t read_size = 4 * 1024;

std::string words_of(const boost::system::error_code& ec) {
  if (ec == asio::error::connection_refused)
    return "Connection refused";
  if (ec == asio::error::timed_out)
    return "Connection timed out";
  if (ec.category() == asio::error::get_ssl_category())
    return "SSL error {" + ec.message() + "}";
  if (ec.category() == asio::error::get_netdb_category())
    return "Failed to resolve host: " + ec.message();
  return "Connection closed: " + ec.message();
}

} // namespace

std::optional<webhook_target> parse_webhook_url(std::string_view url) {
  webhook_target result;
  result.url = url;
  if (url.starts_with("https://"))
    result.secure = true;
  else if (!url.starts_with("http://"))
    return std::nullopt;
  url.remove_prefix(result.secure ? 8 : 7);
  auto authority = url.substr(0, url.find_first_of("/?#"));
  result.path = url.substr(authority.size(), url.find('#') - authority.size());
  if (!result.path.starts_with('/'))
    result.path.insert(0, "/");
  if (authority.find('@') != std::string_view::npos)
    return std::nullopt;
  auto bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos)
    return std::nullopt;
  auto colon = authority.find(':', bracket);
  auto host = authority.substr(0, colon);
  if (bracket > 0 && host.size() >= 2)
    host = host.substr(1, host.size() - 2);
  result.host = host;
  result.port = colon == std::string_view::npos ? (result.secure ? "443" : "80")
                                                : std::string{authority.substr(colon + 1)};
  auto bad_port = result.port.empty() || result.port.size() > 5
                  || result.port.find_first_not_of("0123456789") != std::string::npos;
  auto bad_text = [](char c) { return c <= ' ' || c == 0x7f; };
  for (auto* text : {&result.host, &result.path})
    for (char c : *text)
      if (bad_text(c))
        return std::nullopt;
  if (result.host.empty() || bad_port)
    return std::nullopt;
  return result;
}

// TLS lies over the socket, if there is any.
struct webhook_connections::connection : std::enable_shared_from_this<connection> {
  explicit connection(asio::io_context& io) : socket(io.get_executor()), timer(io.get_executor()) {}

  /// What is under way has to end by now + `patience`, or the connection does.
  void hurry() {
    deadline = steady::now() + patience;
    if (!watched)
      watch();
  }
  void rest() { deadline = steady::time_point::max(); }

  // The timer is not moved with each exchange: it looks at the deadline when it fires.
  void watch() {
    watched = true;
    timer.expires_at(deadline);
    timer.async_wait([weak = weak_from_this()](error_code) {
      auto self = weak.lock();
      if (!self)
        return;
      self->watched = false;
      if (self->deadline <= steady::now()) {
        self->late = true;
        error_code ignored;
        self->socket.close(ignored);
      } else if (self->deadline != steady::time_point::max()) {
        self->watch();
      }
    });
  }

  net::task<error_code> send(std::string_view head, std::string_view body) {
    net::io_result sent;
    if (encrypted)
      sent = co_await net::written{*encrypted, head, body};
    else
      sent = co_await net::written{socket, head, body};
    co_return sent.ec;
  }

  /// Reads what there is into the buffer.
  net::task<error_code> receive() {
    auto space = buffer.prepare(read_size);
    net::io_result got;
    if (encrypted)
      got = co_await net::read_some(*encrypted, space);
    else
      got = co_await net::read_some(socket, space);
    buffer.commit(got.n);
    co_return got.ec;
  }

  net::tcp_socket socket;
  std::unique_ptr<asio::ssl::stream<net::tcp_socket&>> encrypted;
  boost::beast::flat_buffer buffer;
  std::string peer;
  net::steady_timer timer;
  steady::time_point deadline = steady::time_point::max();
  bool watched = false;
  bool late = false;
};

webhook_connections::webhook_connections(asio::io_context& io, const webhook_target& target)
  : io_(io), target_(target), tls_(asio::ssl::context::tls_client) {
  if (target_.certificate.empty())
    return;
  error_code ec;
  tls_.add_certificate_authority(asio::buffer(target_.certificate), ec);
  tls_.set_verify_mode(asio::ssl::verify_peer, ec);
  tls_.set_verify_callback(asio::ssl::host_name_verification{target_.host}, ec);
}

webhook_connections::~webhook_connections() = default;

void webhook_connections::close() {
  closed_ = true;
  idle_.clear();
}

net::task<error_code> webhook_connections::connect(connection& x) {
  using resolver_type = asio::ip::basic_resolver<asio::ip::tcp, net::io_executor>;
  const auto& host = target_.fixed_ip.empty() ? target_.host : target_.fixed_ip;
  resolver_type resolver{io_.get_executor()};
  resolver_type::results_type found;
  auto resolved = co_await net::awaited{[&](auto handler) {
    auto then = [&found, next = std::move(handler)](error_code ec, auto results) mutable {
      found = std::move(results);
      next(ec);
    };
    resolver.async_resolve(host, target_.port, std::move(then));
  }};
  if (resolved.ec)
    co_return resolved.ec;
  x.hurry();
  net::io_result done{asio::error::host_not_found, 0};
  error_code ec;
  for (auto& entry : found) {
    x.socket.close(ec);
    auto endpoint = entry.endpoint();
    done = co_await net::awaited{
      [&](auto handler) { x.socket.async_connect(endpoint, std::move(handler)); }};
    if (!done.ec || x.late)
      break;
  }
  if (done.ec)
    co_return done.ec;
  x.peer = x.socket.remote_endpoint(ec).address().to_string();
  x.socket.set_option(asio::ip::tcp::no_delay(true), ec);
  if (!target_.secure)
    co_return error_code{};
  x.encrypted = std::make_unique<asio::ssl::stream<net::tcp_socket&>>(x.socket, tls_);
  auto name = target_.host; // What SSL_set_tlsext_host_name does, without its C cast.
  SSL_ctrl(x.encrypted->native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
           name.data());
  auto client = asio::ssl::stream_base::client;
  done = co_await net::awaited{
    [&](auto handler) { x.encrypted->async_handshake(client, std::move(handler)); }};
  co_return done.ec;
}

std::string webhook_connections::head_of(std::size_t length) const {
  std::string head = "POST " + target_.path + " HTTP/1.1\r\nHost: " + target_.host;
  if (target_.port != "443" && target_.port != "80")
    head.append(":").append(target_.port);
  head += "\r\nContent-Type: application/json\r\nAccept-Encoding: gzip, deflate";
  if (!target_.secret.empty())
    head.append("\r\nX-Telegram-Bot-Api-Secret-Token: ").append(target_.secret);
  return head.append("\r\nContent-Length: ").append(std::to_string(length)).append("\r\n\r\n");
}

net::task<error_code> webhook_connections::exchange(connection& x, std::string_view json,
                                                    webhook_answer& answer) {
  x.hurry();
  auto head = head_of(json.size());
  auto ec = co_await x.send(head, json);
  if (ec)
    co_return ec;
  http::response_parser<http::string_body> parser;
  parser.body_limit(largest_answer);
  parser.eager(true);
  while (!parser.is_done()) {
    ec = http::error::need_more;
    if (x.buffer.size() > 0)
      x.buffer.consume(parser.put(x.buffer.data(), ec));
    if (ec == http::error::need_more) {
      ec = co_await x.receive();
      if (ec == asio::error::eof && parser.got_some()) {
        ec = {};
        parser.put_eof(ec);
      }
    }
    if (ec)
      co_return ec;
  }
  x.rest();
  auto& response = parser.get();
  answer.peer = x.peer;
  answer.status = static_cast<int>(response.result_int());
  answer.content_type = response[http::field::content_type];
  if (auto wait = telegram::retry_after_of_header(response[http::field::retry_after]))
    answer.retry_after = *wait;
  if (!answer.success())
    answer.error = "Wrong response from the webhook: " + std::to_string(answer.status) + " "
                   + std::string{response.reason()};
  answer.body = std::move(response.body());
  if (!response.keep_alive())
    x.socket.close(ec);
  co_return error_code{};
}

net::task<webhook_answer> webhook_connections::post(std::string json) {
  for (;;) {
    webhook_answer answer;
    error_code ec;
    std::shared_ptr<connection> x;
    auto reused = !idle_.empty();
    if (reused) {
      x = std::move(idle_.back());
      idle_.pop_back();
    } else {
      x = std::make_shared<connection>(io_);
      ec = co_await connect(*x);
    }
    if (!ec)
      ec = co_await exchange(*x, json, answer);
    if (!ec) {
      if (!closed_ && x->socket.is_open())
        idle_.push_back(std::move(x));
      co_return answer;
    }
    if (!reused) { // A kept connection may have been closed meanwhile: that is no failure yet.
      answer.error = words_of(x->late ? error_code{asio::error::timed_out} : ec);
      co_return answer;
    }
  }
}

} // namespace troupe::sandbox
