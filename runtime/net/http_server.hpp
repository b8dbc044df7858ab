#pragma once
#include "runtime/net/task.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

/// A small general HTTP/1.1 server: behind the sandbox and the control API, not the gateway.
///
/// N threads, each with its own io_context and listener (SO_REUSEPORT): a connection stays on the
/// thread that accepted it. Keep-alive, pipelining, TLS, bounded heads and bodies, chunked bodies,
/// gzip and deflate bodies, `Expect: 100-continue`. Handlers answer at once, or wait in a
/// coroutine.
namespace troupe::net {

using http_executor = boost::asio::io_context::executor_type;
template <class T>
using http_task = boost::asio::awaitable<T, http_executor>;
/// What a handler passes to asynchronous operations to await them.
inline constexpr boost::asio::use_awaitable_t<http_executor> use_http_task{};

struct http_header {
  std::string_view name;
  std::string_view value;
};

/// A whole request. Valid until its answer is complete.
struct http_request {
  std::string_view method; ///< "GET"; as sent.
  std::string_view target; ///< As sent, not decoded: "/a%20b?c=d".
  std::string_view body;   ///< Without any transfer or content coding.
  std::span<const http_header> headers;
  std::chrono::steady_clock::time_point arrived; ///< When it was whole.
  unsigned thread = 0;                   ///< Which of the server's threads serves it, from 0.
  boost::asio::io_context* io = nullptr; ///< Of that thread.
  bool secure = false;                   ///< Came over TLS.
  std::string_view peer;                 ///< The IP address of the connection's other end.

  /// The first header of that name (any case), or empty.
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept;
  /// The target up to the question mark or a fragment, and what follows the question mark.
  [[nodiscard]] std::string_view path() const noexcept;
  [[nodiscard]] std::string_view query() const noexcept;
};

/// How the connection goes on after an answer.
enum class http_ending : std::uint8_t {
  keep,  ///< As the client asked for.
  close, ///< Closed in good order.
  reset, ///< Nothing is sent, the connection is reset (RST).
  half,  ///< The head and half of the body are sent, then the connection is closed.
};

struct http_response {
  int status = 200;
  std::string_view content_type = "application/json"; ///< A literal; empty: no such header.
  std::string headers; ///< Further header lines, each with its "\r\n".
  std::string body;
  http_ending ending = http_ending::keep;
  /// When set, `body` is not sent, but what this appends to its argument, in chunks: it is called
  /// again when that was sent, until it says false. Cancelled like a handler when the client goes
  /// away, and when the server stops. The connection ends with it.
  std::function<http_task<bool>(std::string&)> stream;
};

/// What is left to do after a handler. Nothing: the response is filled in. Otherwise the server
/// runs this coroutine, which fills it in. Asio's is cancelled (its asynchronous operation ends
/// with operation_aborted, which it lets through) when the client goes away. One of ours costs half
/// as much and is not: for what ends soon anyway.
class http_pending {
public:
  http_pending() = default;
  http_pending(std::nullopt_t) noexcept {}
  http_pending(http_task<void> what) : what_(std::move(what)) {}
  http_pending(task<void> what) : what_(std::move(what)) {}

  explicit operator bool() const noexcept { return what_.index() != 0; }
  [[nodiscard]] http_task<void>* cancellable() noexcept { return std::get_if<1>(&what_); }
  [[nodiscard]] task<void>* quick() noexcept { return std::get_if<2>(&what_); }

private:
  std::variant<std::monostate, http_task<void>, task<void>> what_;
};

/// Runs on the connection's thread, for several connections at once. What it throws is a 500.
using http_handler = std::function<http_pending(const http_request&, http_response&)>;

struct http_server_config {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0; ///< 0: any free one.
  unsigned threads = 2;
  std::string tls_cert; ///< PEM files; both or none.
  std::string tls_key;
  std::size_t head_limit = 128 * 1024;            ///< Bytes; above: 431.
  std::size_t body_limit = 8 * 1024 * 1024;       ///< Bytes, decoded; above: 413.
  std::size_t max_connections = 20'000;           ///< Further ones are closed at once.
  std::chrono::milliseconds head_timeout{15'000}; ///< For a head or a handshake, from its begin.
  std::chrono::milliseconds body_timeout{30'000}; ///< Between two pieces of a body; for a write.
  std::chrono::milliseconds idle_timeout{75'000}; ///< Between two requests.
  /// Called for every accepted connection on its thread; false: the connection is spoilt (a TLS
  /// client sees its handshake fail). For tests of clients.
  std::function<bool()> accept_filter;
  std::string server_name = "troupe"; ///< The `Server` header.
  /// Asked when a head is there and its body is still to come: true refuses the request with the
  /// response that it fills in, and ends the connection. So nobody is listened to for long who may
  /// not speak. Empty: nobody is refused.
  std::function<bool(const http_request&, http_response&)> refuse_early;
  /// Fills in the answer to what never reaches the handler (malformed, too large: 400, 413, 431) or
  /// breaks in it (500); its status is set. Empty: the Bot API's form.
  std::function<void(int status, http_response&)> refuse;
};

struct http_server_counts {
  std::uint64_t opened = 0;   ///< Connections since the start.
  std::uint64_t open = 0;     ///< Connections now.
  std::uint64_t requests = 0; ///< Whole requests since the start.
};

/// Owns its threads and connections. All functions may be called from any thread but its own.
class http_server {
public:
  http_server(http_server_config config, http_handler handler);
  ~http_server(); ///< Stops at once.

  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  /// Binds and begins to serve. Throws std::runtime_error with a sentence for people when the
  /// address is in use or the TLS files are no good.
  void start();

  /// Accepts no more, lets requests under way finish for at most `grace`, then ends.
  void stop(std::chrono::milliseconds grace = std::chrono::milliseconds{0});

  [[nodiscard]] std::uint16_t port() const noexcept; ///< After `start`.
  [[nodiscard]] http_server_counts counts() const noexcept;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// The reason phrase of a status, e.g. "Too Many Requests".
[[nodiscard]] std::string_view http_reason(int status) noexcept;

/// Decodes `input` (gzip, zlib or raw deflate). False if it is damaged or larger than `limit`.
[[nodiscard]] bool http_inflate(std::string_view input, std::size_t limit, std::string& output);

} // namespace troupe::net
