#include "runtime/api/ctl_fetch.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include <charconv>
#include <stdexcept>

namespace troupe::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr std::uint64_t body_limit = 256ull * 1024 * 1024;

struct place {
  std::string host;
  std::string port;
  bool secure = false;
};

place parse(std::string_view url) {
  auto secure = url.starts_with("https://");
  std::string_view scheme = secure ? "https://" : "http://";
  auto rest = url;
  if (rest.starts_with(scheme))
    rest.remove_prefix(scheme.size());
  if (rest.ends_with('/'))
    rest.remove_suffix(1);
  // The port follows the last colon that is outside the brackets of an IPv6 address.
  auto colon = rest.rfind(':');
  if (auto bracket = rest.rfind(']'); bracket != std::string_view::npos && colon < bracket)
    colon = std::string_view::npos;
  place to{std::string{rest.substr(0, colon)}, secure ? "443" : "80", secure};
  if (colon != std::string_view::npos)
    to.port = rest.substr(colon + 1);
  if (to.host.starts_with('[') && to.host.ends_with(']'))
    to.host = to.host.substr(1, to.host.size() - 2);
  auto digits = to.port.find_first_not_of("0123456789") == std::string::npos && !to.port.empty();
  if (!url.starts_with(scheme) || to.host.empty() || !digits
      || rest.find_first_of("/?# @") != std::string_view::npos)
    throw std::runtime_error{"\"" + std::string{url}
                             + "\" is not the address of a node; allowed is http://HOST[:PORT] "
                               "or https://HOST[:PORT]"};
  return to;
}

http::request<http::string_body> head_of(const fetch_request& what, const std::string& host) {
  http::request<http::string_body> request{http::string_to_verb(what.method), what.path, 11};
  request.set(http::field::host, host);
  request.set(http::field::user_agent, "troupectl/" TROUPE_VERSION);
  request.set(http::field::connection, "close");
  if (!what.key.empty())
    request.set(http::field::authorization, "Bearer " + what.key);
  if (!what.idempotency_key.empty())
    request.set("Idempotency-Key", what.idempotency_key);
  if (!what.body.empty()) {
    request.set(http::field::content_type, "application/json");
    request.body() = what.body;
  }
  request.prepare_payload();
  return request;
}

/// Sends the request on an open stream and reads the answer.
template <class Stream>
asio::awaitable<fetched> talk(Stream& stream, const place& where, const fetch_request& what) {
  auto request = head_of(what, where.host);
  co_await http::async_write(stream, request, asio::use_awaitable);
  http::response_parser<http::string_body> parser;
  parser.body_limit(body_limit);
  beast::flat_buffer buffer;
  co_await http::async_read_header(stream, buffer, parser, asio::use_awaitable);
  if (what.each && parser.get().result_int() == 200) {
    parser.body_limit(boost::none);
    beast::get_lowest_layer(stream).expires_never();
    while (!parser.is_done()) {
      co_await http::async_read_some(stream, buffer, parser, asio::use_awaitable);
      auto piece = std::exchange(parser.get().body(), {});
      what.each(piece);
    }
  } else {
    co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
  }
  fetched result;
  result.status = parser.get().result_int();
  result.body = std::move(parser.get().body());
  auto wait = parser.get()[http::field::retry_after];
  unsigned seconds = 0;
  std::from_chars(wait.data(), wait.data() + wait.size(), seconds);
  result.retry_after = std::chrono::seconds{seconds};
  co_return result;
}

asio::ssl::context trust(const std::string& ca_file) {
  asio::ssl::context context{asio::ssl::context::tls_client};
  context.set_verify_mode(asio::ssl::verify_peer);
  if (ca_file.empty())
    context.set_default_verify_paths();
  else
    context.load_verify_file(ca_file);
  return context;
}

void expect_name(beast::ssl_stream<beast::tcp_stream>& stream, const std::string& host) {
  stream.set_verify_callback(asio::ssl::host_name_verification{host});
  boost::system::error_code numeric;
  asio::ip::make_address(host, numeric);
  if (numeric) // Only names are sent: RFC 6066, section 3.
    // What the macro SSL_set_tlsext_host_name stands for, without its cast.
    SSL_ctrl(stream.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(host.c_str()));
}

/// What it is given stays valid until it ends.
asio::awaitable<fetched> exchange(asio::io_context& io, const place& where,
                                  const fetch_request& what, std::chrono::milliseconds patience) {
  asio::ip::tcp::resolver resolver{io};
  auto found = co_await resolver.async_resolve(where.host, where.port, asio::use_awaitable);
  if (!where.secure) {
    beast::tcp_stream stream{io};
    stream.expires_after(patience);
    co_await stream.async_connect(found, asio::use_awaitable);
    auto answer = co_await talk(stream, where, what);
    co_return answer;
  }
  auto trusted = trust(what.ca_file);
  beast::ssl_stream<beast::tcp_stream> stream{io, trusted};
  expect_name(stream, where.host);
  beast::get_lowest_layer(stream).expires_after(patience);
  co_await beast::get_lowest_layer(stream).async_connect(found, asio::use_awaitable);
  co_await stream.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
  auto answer = co_await talk(stream, where, what);
  co_return answer;
}

std::string explain(const boost::system::error_code& why) {
  if (why == beast::error::timeout)
    return "no answer in time";
  if (why == asio::error::connection_refused)
    return "nobody listens there; is trouped running?";
  if (why.category() == asio::error::get_ssl_category())
    return "TLS: " + why.message() + " (is its certificate trusted? see --ca-file)";
  if (why.category() == http::make_error_code(http::error::end_of_stream).category())
    return "the answer is not HTTP";
  return why.message();
}

} // namespace

fetched fetch(std::string_view url, const fetch_request& what,
              std::chrono::milliseconds patience) {
  auto where = parse(url);
  asio::io_context io{1};
  fetched answer;
  std::exception_ptr failure;
  asio::co_spawn(io, exchange(io, where, what, patience),
                 [&](std::exception_ptr failed, fetched got) {
                   failure = failed;
                   answer = std::move(got);
                 });
  io.run();
  try {
    if (failure)
      std::rethrow_exception(failure);
  } catch (const boost::system::system_error& why) {
    throw std::runtime_error{"cannot reach " + std::string{url} + ": " + explain(why.code())};
  }
  return answer;
}

bool is_loopback(std::string_view url) {
  auto where = parse(url);
  if (where.host == "localhost")
    return true;
  boost::system::error_code wrong;
  auto address = asio::ip::make_address(where.host, wrong);
  return !wrong && address.is_loopback();
}

} // namespace troupe::api
