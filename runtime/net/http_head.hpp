#pragma once
#include <boost/beast/http/basic_parser.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Heads that are checked by Beast's parser and rewritten while they are parsed, so that a proxy
/// passes bodies on byte for byte and keeps no field map.
namespace troupe::net {

namespace http = boost::beast::http;

/// Bytes a head may have (request lines up to about 64 KB occur: telegram-notes.md).
inline constexpr std::uint32_t default_head_limit = 96 * 1024;

/// No body has as many bytes: the Bot API's server takes fewer (td, HttpReader).
inline constexpr std::uint64_t endless_body = 0xFFFF'FFFF;

/// Whether a field belongs to one connection and is not passed on (RFC 9110, 7.6.1).
[[nodiscard]] bool is_hop_by_hop(http::field name, std::string_view text) noexcept;

/// The longer texts of a request's head.
struct head_texts {
  std::string target;
  std::string content_type;
  std::string forward; ///< Request line and fields for the upstream, blank line included.
};

/// Parses a request; what is to be sent on stands in `forward` once the header is done.
class request_head : public http::basic_parser<true>, public head_texts {
public:
  /// @param upstream_host value of the Host field sent on
  /// @param prefix put before the target's path
  request_head(std::string_view upstream_host, std::string_view prefix, std::uint32_t limit);

  /// Exchanges texts, so that the next head on a connection can use this one's memory; what comes
  /// in is cleared.
  void swap_texts(head_texts& other) noexcept;

  /// Has the request sent on with another bot token than the target's. @param token as the target
  /// has it, decoded @returns false when the target does not hold it
  bool replace_token(std::string_view token, std::string_view by);

  /// Has the request sent on with `name` as its path's method, which it had as a parameter: there
  /// the upstream cannot find another one first. The path must have none.
  void name_method(std::string_view name);

  std::string method;
  int version = 11; ///< 10 or 11.
  std::string content_encoding;
  std::string body; ///< A chunked body's content, as far as `keep_body` bytes.
  std::size_t keep_body = 0;
  /// A chunked body to be sent on, since whoever sends it cleared this: the same chunks, without
  /// extensions and trailers, on whose ends not every reader agrees.
  std::string chunks;
  std::optional<std::chrono::milliseconds> deadline; ///< X-Troupe-Deadline.
  bool bad_deadline = false;
  bool expects_continue = false;
  bool retry_asked = false; ///< X-Troupe-Retry: always.
  std::string idempotency_key;
  bool bad_idempotency_key = false; ///< There is one, but it is empty or too long.
  std::string crash;                ///< X-Troupe-Crash, for demonstrations.

private:
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;

  void on_request_impl(http::verb, string_view method_text, string_view target_text, int,
                       error_code&) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(http::field name, string_view text, string_view value, error_code&) override;
  void on_header_impl(error_code&) override;
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view part, error_code&) override;
  void on_chunk_header_impl(std::uint64_t size, string_view, error_code&) override;
  std::size_t on_chunk_body_impl(std::uint64_t left, string_view part, error_code&) override;
  void on_finish_impl(error_code&) override {}

  void note_troupe_field(std::string_view text, std::string_view value);

  std::string_view host_;
  std::string_view prefix_;
  std::vector<std::string> dropped_; ///< Fields that Connection names.
};

/// Parses a response; `forward` holds status line and fields for the client, without the blank
/// line.
class response_head : public http::basic_parser<false> {
public:
  explicit response_head(std::uint32_t limit = default_head_limit);

  unsigned status = 0;
  std::string forward;
  std::string decoded; ///< Body content, when `decode` is set.
  bool decode = false; ///< For clients that know no chunked coding.
  std::optional<std::chrono::seconds> retry_after;

private:
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;

  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int code, string_view reason, int, error_code&) override;
  void on_field_impl(http::field name, string_view text, string_view value, error_code&) override;
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view part, error_code&) override;
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view part, error_code&) override;
  void on_finish_impl(error_code&) override {}
};

/// Parses "5s", "1500ms", "2m" or a number of seconds; nullopt if it is none of these or negative.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

} // namespace troupe::net
