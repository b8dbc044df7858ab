#include "runtime/relay/talk.hpp"

#include "runtime/relay/retry_after.hpp"
#include "runtime/relay/signature.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <array>

namespace troupe::relay {
namespace {

namespace http = boost::beast::http;
constexpr asio::use_awaitable_t<net::io_executor> awaited_talk{};

/// Longer answers are left out.
constexpr std::size_t largest_answer = std::size_t{256} * 1024;
constexpr std::uint32_t largest_head = 64 * 1024;

/// What is not parsed yet: heads, and between chunks their extensions and what trails the last one,
/// which the parser sets no limit to.
constexpr std::size_t most_buffered = 2 * std::size_t{largest_head};

/// Interim answers before the real one (RFC 9110, 15.2): a few, not for ever.
constexpr int most_interim = 8;

std::int64_t wall_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
           std::chrono::system_clock::now().time_since_epoch())
    .count();
}

using parser_type = http::response_parser<http::string_body>;
using buffer_type = boost::beast::flat_buffer;

/// Reads what belongs to the answer; false: it did not come whole. A long one is left out, and its
/// connection is not used again.
template <class Stream>
asio::awaitable<bool, net::io_executor> read_body(Stream& stream, buffer_type& buffer,
                                                  parser_type& parser, talked& how) {
  auto length = parser.content_length();
  bool fits = !length || *length <= largest_answer;
  while (fits && !parser.is_done()) {
    error_code ec;
    co_await http::async_read_some(stream, buffer, parser, asio::redirect_error(awaited_talk, ec));
    if (ec == asio::ssl::error::stream_truncated && parser.need_eof()) {
      // As many servers end what has no length. The status counts; the rest may be cut short.
      parser.get().body().clear();
      how.reusable = false;
      co_return true;
    }
    if (ec && ec != http::error::buffer_overflow)
      co_return false;
    fits = !ec && parser.get().body().size() <= largest_answer;
  }
  if (!fits)
    parser.get().body().clear();
  how.reusable = fits && parser.get().keep_alive() && buffer.size() == 0;
  co_return true;
}

void note_answer(parser_type& parser, exchange& x) {
  auto& got = parser.get();
  auto& result = x.result;
  result.how = relay_end::answered;
  result.status = static_cast<std::uint16_t>(got.result_int());
  if (auto named = got.find(http::field::retry_after); named != got.end()) {
    auto text = named->value();
    if (auto wait = read_retry_after({text.data(), text.size()}, wall_seconds()))
      result.retry_after = *wait;
  }
  if (result.status / 100 != 2)
    return;
  auto type = got[http::field::content_type];
  result.content_type.assign(type.data(), std::min<std::size_t>(type.size(), 512));
  result.body = std::move(got.body());
}

template <class Stream>
asio::awaitable<void, net::io_executor> talk_on(Stream& stream, exchange& x, talked& how) {
  x.result = relay_result{};
  x.result.how = relay_end::broken;
  auto head = head_of(x.what, wall_seconds());
  const auto& body = x.what.body.str();
  std::array<asio::const_buffer, 2> bytes{asio::buffer(head), asio::buffer(body)};
  error_code ec;
  co_await asio::async_write(stream, bytes, asio::redirect_error(awaited_talk, ec));
  if (ec) {
    how.untouched = true;
    x.result.reason = "the connection broke while the update was sent";
    co_return;
  }
  buffer_type buffer{most_buffered};
  for (int interim = 0; interim < most_interim; ++interim) {
    parser_type parser;
    parser.header_limit(largest_head);
    parser.body_limit(boost::none);
    co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(awaited_talk, ec));
    if (ec) {
      how.untouched = !parser.got_some() && interim == 0;
      x.result.reason = ec == http::error::end_of_stream || ec == asio::error::eof
                            || ec == asio::error::connection_reset
                          ? "the connection ended before an answer"
                          : "no valid answer came";
      co_return;
    }
    if (parser.get().result_int() / 100 == 1)
      continue;
    bool whole = co_await read_body(stream, buffer, parser, how);
    if (whole || parser.get().result_int() / 100 != 2)
      note_answer(parser, x);
    else
      x.result.reason = "the connection ended within the answer";
    co_return;
  }
  x.result.reason = "no valid answer came";
}

/// What stands in a line of its own must not begin another one.
bool fits_in_line(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
}

} // namespace

std::string head_of(const post& what, std::int64_t wall_seconds) {
  const auto& body = what.body.str();
  std::string head;
  head.reserve(512);
  head.append("POST ").append(what.to.path).append(" HTTP/1.1\r\nHost: ");
  head.append(what.to.where.host_header);
  head.append("\r\nUser-Agent: Troupe/" TROUPE_VERSION "\r\nContent-Type: application/json");
  head.append("\r\nContent-Length: ").append(std::to_string(body.size()));
  if (!what.secret_token.empty() && fits_in_line(what.secret_token))
    head.append("\r\nX-Telegram-Bot-Api-Secret-Token: ").append(what.secret_token);
  if (!what.signing_key.empty())
    head.append("\r\nX-Troupe-Signature: ").append(signature(what.signing_key, wall_seconds, body));
  head.append("\r\nX-Troupe-Attempt: ").append(std::to_string(what.attempt));
  head.append("\r\nX-Troupe-Bot: ").append(std::to_string(what.bot));
  return head.append("\r\n\r\n");
}

asio::awaitable<void, net::io_executor> talk(connection& on, exchange& x, talked& how) {
  if (on.tls())
    co_await talk_on(on.secure(), x, how);
  else
    co_await talk_on(on.plain(), x, how);
}

} // namespace troupe::relay
