#include "tests/sandbox/webhook_client.hpp"

#include "runtime/telegram/errors.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

namespace troupe::sandbox {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::chrono::seconds patience{60};
constexpr std::size_t largest_answer = 4 * 1024 * 1024;

std::string words_of(const boost::system::error_code& ec) {
  if (ec == asio::error::connection_refused)
    return "Connection refused";
  if (ec == beast::error::timeout || ec == asio::error::timed_out)
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

// Plain and TLS connections differ in the stream alone; TLS ones are rare enough for a pointer.
struct webhook_connections::connection {
  explicit connection(asio::io_context& io, asio::ssl::context& tls, bool secure)
    : plain(secure ? nullptr : std::make_unique<beast::tcp_stream>(io)),
      encrypted(secure ? std::make_unique<beast::ssl_stream<beast::tcp_stream>>(io, tls)
                       : nullptr) {}

  beast::tcp_stream& lowest() { return plain ? *plain : encrypted->next_layer(); }

  std::unique_ptr<beast::tcp_stream> plain;
  std::unique_ptr<beast::ssl_stream<beast::tcp_stream>> encrypted;
  beast::flat_buffer buffer;
  std::string peer;
};

webhook_connections::webhook_connections(asio::io_context& io, const webhook_target& target)
  : io_(io), target_(target), tls_(asio::ssl::context::tls_client) {
  if (target.certificate.empty())
    return;
  boost::system::error_code ec;
  tls_.add_certificate_authority(asio::buffer(target.certificate), ec);
  tls_.set_verify_mode(asio::ssl::verify_peer, ec);
  tls_.set_verify_callback(asio::ssl::host_name_verification{target.host}, ec);
}

webhook_connections::~webhook_connections() = default;

void webhook_connections::close() {
  closed_ = true;
  idle_.clear();
}

asio::awaitable<std::unique_ptr<webhook_connections::connection>> webhook_connections::connect() {
  auto result = std::make_unique<connection>(io_, tls_, target_.secure);
  auto& host = target_.fixed_ip.empty() ? target_.host : target_.fixed_ip;
  asio::ip::tcp::resolver resolver{io_};
  auto addresses = co_await resolver.async_resolve(host, target_.port, asio::use_awaitable);
  result->lowest().expires_after(patience);
  co_await result->lowest().async_connect(addresses, asio::use_awaitable);
  boost::system::error_code ec;
  result->peer = result->lowest().socket().remote_endpoint(ec).address().to_string();
  result->lowest().socket().set_option(asio::ip::tcp::no_delay(true), ec);
  if (result->encrypted) {
    auto name = target_.host; // What SSL_set_tlsext_host_name does, without its C cast.
    SSL_ctrl(result->encrypted->native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME,
             TLSEXT_NAMETYPE_host_name, name.data());
    co_await result->encrypted->async_handshake(asio::ssl::stream_base::client,
                                                asio::use_awaitable);
  }
  co_return result;
}

asio::awaitable<webhook_answer> webhook_connections::exchange(connection& x,
                                                              const std::string& json) {
  http::request<http::string_body> request{http::verb::post, target_.path, 11};
  request.set(http::field::host, target_.port == "443" || target_.port == "80"
                                   ? target_.host
                                   : target_.host + ":" + target_.port);
  request.set(http::field::content_type, "application/json");
  request.set(http::field::accept_encoding, "gzip, deflate");
  if (!target_.secret.empty())
    request.set("X-Telegram-Bot-Api-Secret-Token", target_.secret);
  request.body() = json;
  request.prepare_payload();
  http::response_parser<http::string_body> parser;
  parser.body_limit(largest_answer);
  x.lowest().expires_after(patience);
  if (x.plain) {
    co_await http::async_write(*x.plain, request, asio::use_awaitable);
    co_await http::async_read(*x.plain, x.buffer, parser, asio::use_awaitable);
  } else {
    co_await http::async_write(*x.encrypted, request, asio::use_awaitable);
    co_await http::async_read(*x.encrypted, x.buffer, parser, asio::use_awaitable);
  }
  x.lowest().expires_never();
  auto& response = parser.get();
  webhook_answer answer;
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
    x.lowest().close();
  co_return answer;
}

asio::awaitable<webhook_answer> webhook_connections::post(std::string json) {
  webhook_answer answer;
  for (;;) {
    std::unique_ptr<connection> x;
    auto reused = !idle_.empty();
    try {
      if (reused) {
        x = std::move(idle_.back());
        idle_.pop_back();
      } else {
        x = co_await connect();
      }
      answer = co_await exchange(*x, json);
      if (!closed_ && x->lowest().socket().is_open())
        idle_.push_back(std::move(x));
      co_return answer;
    } catch (const boost::system::system_error& e) {
      answer.error = words_of(e.code());
    }
    if (!reused) // A kept connection may have been closed meanwhile: that is no failure yet.
      co_return answer;
  }
}

} // namespace troupe::sandbox
