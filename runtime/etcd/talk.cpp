#include "runtime/etcd/talk.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <type_traits>

namespace troupe::etcd {
namespace {

namespace http = boost::beast::http;
constexpr asio::use_awaitable_t<net::io_executor> awaited_talk{};

/// Answers, and lines of a stream, beyond that are refused: etcd's requests end at 1.5 MB, ranges
/// of many keys may be longer.
constexpr std::size_t largest_answer = std::size_t{64} * 1024 * 1024;
constexpr std::uint32_t largest_head = 64 * 1024;

/// Takes whole lines off the front of `text`.
bool take_lines(std::string& text, const line_taker& each) {
  std::size_t begin = 0;
  bool more = true;
  for (auto end = text.find('\n'); more && end != std::string::npos; end = text.find('\n', begin)) {
    auto line = std::string_view{text}.substr(begin, end - begin);
    begin = end + 1;
    more = line.empty() || each(line);
  }
  text.erase(0, begin);
  return more;
}

/// Why no answer came, or not all of it. A member refuses our certificate by an alert, which is
/// lost if it also resets the connection.
std::string why(error_code ec, bool tls, const answer& how) {
  if (ec.category() == asio::error::get_ssl_category())
    return "TLS: " + ec.message();
  if (how.status != 0)
    return "the connection ended within the answer";
  return tls ? "TLS: the connection ended before an answer, as when a certificate is refused"
             : "the connection ended before an answer";
}

template <class Stream>
step<void> talk_on(Stream& stream, const std::string& request, const line_taker& each,
                   answer& how) {
  constexpr bool tls = std::is_same_v<Stream, net::tls_stream>;
  error_code ec;
  co_await asio::async_write(stream, asio::buffer(request), asio::redirect_error(awaited_talk, ec));
  if (ec) {
    how.reason = why(ec, tls, how);
    co_return;
  }
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.header_limit(largest_head);
  parser.body_limit(boost::none);
  co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(awaited_talk, ec));
  if (ec) {
    how.reason = why(ec, tls, how);
    co_return;
  }
  how.status = parser.get().result_int();
  auto& body = parser.get().body();
  bool streams = each && how.status == 200;
  bool more = true;
  while (more && !parser.is_done()) {
    co_await http::async_read_some(stream, buffer, parser, asio::redirect_error(awaited_talk, ec));
    if (ec || body.size() > largest_answer) {
      how.reason = ec ? why(ec, tls, how) : "the answer is too long";
      co_return;
    }
    if (streams)
      more = take_lines(body, each);
  }
  how.whole = parser.is_done();
  how.reusable = how.whole && parser.get().keep_alive() && buffer.size() == 0;
  how.body = std::move(body);
}

} // namespace

std::string request_text(const std::string& host, std::string_view path, std::string_view body) {
  std::string out;
  out.reserve(256 + body.size());
  out.append("POST ").append(path).append(" HTTP/1.1\r\nHost: ").append(host);
  out.append("\r\nUser-Agent: Troupe/" TROUPE_VERSION "\r\nContent-Type: application/json");
  // A member that knows no leader says so at once instead of keeping us waiting.
  out.append("\r\nGrpc-Metadata-hasleader: true\r\nContent-Length: ");
  out.append(std::to_string(body.size())).append("\r\n\r\n").append(body);
  return out;
}

step<void> talk(net::client_connection& on, const std::string& request, const line_taker& each,
                answer& how) {
  if (on.tls())
    co_await talk_on(on.secure(), request, each, how);
  else
    co_await talk_on(on.plain(), request, each, how);
}

} // namespace troupe::etcd
