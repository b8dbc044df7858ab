#pragma once
#include "runtime/net/http_server.hpp"

#include <boost/beast/http/basic_parser.hpp>

#include <string>
#include <vector>

namespace troupe::net {

/// What one request is parsed into. Kept per connection: its buffers are used again.
struct http_message {
  std::string head; ///< Everything the views point into.
  std::vector<http_header> headers;
  std::vector<std::size_t> offsets; ///< While parsing: `head` may move.
  std::string body;
  std::string_view method;
  std::string_view target;
  std::size_t method_size = 0;
  std::size_t target_size = 0;
  bool expects_continue = false;
  bool encoded = false; ///< A Content-Encoding other than identity.

  void clear();
  /// Makes the views, when the head is complete.
  void complete();
};

/// Beast's parser, filling an http_message without an allocation per field.
class http_request_parser : public boost::beast::http::basic_parser<true> {
public:
  explicit http_request_parser(http_message& message) : message_(message) {}

private:
  using string_view = boost::beast::string_view;
  using error_code = boost::beast::error_code;

  void on_request_impl(boost::beast::http::verb, string_view method, string_view target, int,
                       error_code& ec) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(boost::beast::http::field name, string_view name_string, string_view value,
                     error_code& ec) override;
  void on_header_impl(error_code& ec) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code& ec) override;
  std::size_t on_body_impl(string_view body, error_code& ec) override;
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code& ec) override;
  void on_finish_impl(error_code&) override {}

  http_message& message_;
};

} // namespace troupe::net
