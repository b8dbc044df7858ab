#include "runtime/net/http_server_parser.hpp"

#include "runtime/telegram/same_word.hpp"

#include <boost/beast/http/status.hpp>

#include <zlib.h>

#include <algorithm>
#include <array>

namespace troupe::net {

namespace {

namespace http = boost::beast::http;

constexpr std::size_t kept_capacity = 256 * 1024;  // A large body's memory is given back.
constexpr std::size_t reserve_limit = 1024 * 1024; // A promised length is not yet a sent one.

} // namespace

void http_message::clear() {
  head.clear();
  headers.clear();
  offsets.clear();
  if (body.capacity() > kept_capacity)
    std::string{}.swap(body);
  body.clear();
  expects_continue = encoded = false;
  method = target = {};
}

void http_message::complete() {
  std::string_view all{head};
  method = all.substr(0, method_size);
  target = all.substr(method_size, target_size);
  for (std::size_t i = 0; i < headers.size(); ++i) {
    auto name_size = headers[i].name.size();
    headers[i].value = all.substr(offsets[i] + name_size, headers[i].value.size());
    headers[i].name = all.substr(offsets[i], name_size);
  }
}

void http_request_parser::on_request_impl(http::verb, string_view method, string_view target, int,
                                          error_code&) {
  message_.method_size = method.size();
  message_.target_size = target.size();
  message_.head.append(method).append(target);
}

void http_request_parser::on_field_impl(http::field name, string_view name_string,
                                        string_view value, error_code&) {
  if (is_header_done()) // A trailer: nothing here wants any (RFC 9110, 6.5.1), and views are made.
    return;
  if (name == http::field::expect && telegram::same_word(value, "100-continue"))
    message_.expects_continue = true;
  else if (name == http::field::content_encoding && !telegram::same_word(value, "identity"))
    message_.encoded = true;
  message_.offsets.push_back(message_.head.size());
  message_.headers.push_back({name_string, value}); // Only the sizes are used until `complete`.
  message_.head.append(name_string).append(value);
}

void http_request_parser::on_header_impl(error_code&) {
  message_.complete();
}

void http_request_parser::on_body_init_impl(const boost::optional<std::uint64_t>& length,
                                            error_code&) {
  if (length)
    message_.body.reserve(
      static_cast<std::size_t>(std::min<std::uint64_t>(*length, reserve_limit)));
}

std::size_t http_request_parser::on_body_impl(string_view body, error_code&) {
  message_.body.append(body);
  return body.size();
}

std::size_t http_request_parser::on_chunk_body_impl(std::uint64_t, string_view body, error_code&) {
  message_.body.append(body);
  return body.size();
}

bool http_inflate(std::string_view input, std::size_t limit, std::string& output) {
  // 15 + 32: zlib or gzip, told from the first bytes; -15: raw deflate, as some clients send it.
  for (int window : {15 + 32, -15}) {
    output.clear();
    z_stream stream{};
    if (inflateInit2(&stream, window) != Z_OK)
      return false;
    std::array<char, 16 * 1024> piece;
    std::string source{input};
    stream.next_in = reinterpret_cast<Bytef*>(source.data());
    stream.avail_in = static_cast<uInt>(source.size());
    int state = Z_OK;
    while (state == Z_OK && output.size() <= limit) {
      stream.next_out = reinterpret_cast<Bytef*>(piece.data());
      stream.avail_out = static_cast<uInt>(piece.size());
      state = inflate(&stream, Z_NO_FLUSH);
      output.append(piece.data(), piece.size() - stream.avail_out);
    }
    inflateEnd(&stream);
    if (state == Z_STREAM_END && output.size() <= limit)
      return true;
    if (state != Z_DATA_ERROR)
      return false;
  }
  return false;
}

std::string_view http_request::header(std::string_view name) const noexcept {
  for (auto& x : headers)
    if (telegram::same_word(x.name, name))
      return x.value;
  return {};
}

std::string_view http_request::path() const noexcept {
  return target.substr(0, target.find_first_of("?#"));
}

std::string_view http_request::query() const noexcept {
  auto end = path().size();
  return end < target.size() && target[end] == '?' ? target.substr(end + 1) : std::string_view{};
}

std::string_view http_reason(int status) noexcept {
  if (status == 431)
    return "Request Header Fields Too Large";
  auto reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)));
  return {reason.data(), reason.size()};
}

} // namespace troupe::net
