#pragma once
#include "runtime/net/http_server_parser.hpp"

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <atomic>
#include <list>
#include <memory>

namespace troupe::net {

using http_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, http_executor>;

class http_session;

/// What the sessions of one thread share. Touched on that thread only, but for the counters.
struct http_shard {
  const http_server_config* config = nullptr;
  const http_handler* handler = nullptr;
  boost::asio::io_context* io = nullptr;
  unsigned index = 0;
  bool stopping = false;
  std::list<http_session*> sessions;
  std::atomic<std::uint64_t> opened{0};
  std::atomic<std::uint64_t> open{0};
  std::atomic<std::uint64_t> requests{0};
};

/// One connection. A coroutine reads, answers and writes; the shard's sweep ends it when it misses
/// a deadline, and tells a waiting handler when the client has gone.
class http_session : public std::enable_shared_from_this<http_session> {
public:
  http_session(http_shard& shard);
  virtual ~http_session();

  /// Runs the connection to its end.
  virtual task<void> run() = 0;
  virtual http_socket& socket() noexcept = 0;

  [[nodiscard]] bool waiting() const noexcept { return waiting_; }
  [[nodiscard]] bool late(std::chrono::steady_clock::time_point now) const noexcept {
    return now > deadline_;
  }
  /// Cancels the handler that waits.
  void client_gone() { gone_.emit(boost::asio::cancellation_type::terminal); }
  /// Ends it now if it is between two requests, else after the one under way.
  void finish();
  /// Ends it now.
  void abort();

protected:
  using clock = std::chrono::steady_clock;

  enum class progress : std::uint8_t { whole, more, failed };

  /// Parses what is buffered. `failed`: an error answer has been put into `out_`.
  progress parse();
  /// Undoes the content coding. False: an error answer has been put into `out_`.
  bool decode();
  http_pending call_handler();
  void refuse(int status, std::string_view why);
  /// Asks the server's owner about the head. True: an error answer has been put into `out_`.
  bool refused_early();
  void begin_answer();
  void append_response();
  void begin_request();

  http_shard& shard_;
  std::list<http_session*>::iterator place_; ///< In the shard's list.
  http_message message_;
  http_request request_;
  http_response response_;
  std::optional<http_request_parser> parser_;
  boost::beast::flat_buffer buffer_;
  std::string out_;
  std::string peer_; ///< The other end's address, once there was a request.
  boost::asio::cancellation_signal gone_;
  clock::time_point deadline_ = clock::time_point::max();
  bool waiting_ = false;   ///< A handler's coroutine runs.
  bool streaming_ = false; ///< ... which makes a response that has no end of its own.
  bool between_ = true;    ///< No request is under way.
  bool head_seen_ = false; ///< `refused_early` has been asked.
  bool keep_ = true;
};

std::shared_ptr<http_session> make_http_session(http_shard& shard, http_socket socket);
std::shared_ptr<http_session> make_http_session(http_shard& shard, http_socket socket,
                                                boost::asio::ssl::context& tls);

} // namespace troupe::net
