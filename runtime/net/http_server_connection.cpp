// The coroutine of a connection, plain or TLS.
#include "runtime/net/awaited.hpp"
#include "runtime/net/http_server_session.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>

#include <sys/socket.h>

#include <charconv>
#include <utility>

namespace troupe::net {

namespace {

namespace asio = boost::asio;
using error_code = boost::system::error_code;

constexpr std::size_t read_size = 8 * 1024;
constexpr std::size_t body_read_size = 128 * 1024;
constexpr std::size_t flush_size = 64 * 1024; // Pipelined answers are written together up to here.

/// Runs one of Asio's coroutines to its end, from a task.
template <class T>
class [[nodiscard]] ran {
public:
  ran(http_executor io, http_task<T> what, asio::cancellation_slot slot)
    : io_(std::move(io)), what_(std::move(what)), slot_(slot) {}

  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> by) {
    asio::co_spawn(io_, std::move(what_),
                   asio::bind_cancellation_slot(slot_, ended{this, {by, by.promise().root}}));
  }
  T await_resume() {
    if (failure_)
      std::rethrow_exception(failure_);
    if constexpr (!std::is_void_v<T>)
      return std::move(*result_);
  }

private:
  struct ended {
    ran* to;
    resumption next;
    void operator()(std::exception_ptr failure) {
      to->failure_ = std::move(failure);
      next();
    }
    template <class U>
    void operator()(std::exception_ptr failure, U result) {
      to->result_.emplace(std::move(result));
      (*this)(std::move(failure));
    }
  };

  http_executor io_;
  http_task<T> what_;
  asio::cancellation_slot slot_;
  std::exception_ptr failure_;
  std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> result_;
};

template <class Stream>
class session_of final : public http_session {
public:
  template <class... Ts>
  session_of(http_shard& shard, Ts&&... args)
    : http_session(shard), stream_(std::forward<Ts>(args)...) {
    request_.secure = secure;
  }

  http_socket& socket() noexcept override {
    if constexpr (secure)
      return stream_.next_layer();
    else
      return stream_;
  }

  task<void> run() override {
    auto self = shared_from_this();
    if constexpr (secure)
      if (!co_await handshake())
        co_return;
    while (keep_) {
      begin_request();
      if (!co_await read_request())
        break;
      if (!co_await answer())
        break;
    }
    co_await flush();
    co_await close();
  }

private:
  static constexpr bool secure = !std::is_same_v<Stream, http_socket>;

  task<bool> handshake() {
    deadline_ = clock::now() + shard_.config->head_timeout;
    auto ended = co_await awaited{[this](auto handler) {
      stream_.async_handshake(asio::ssl::stream_base::server, std::move(handler));
    }};
    co_return !ended.ec;
  }

  // Whole: true. The connection ended or its request was refused: false.
  task<bool> read_request() {
    bool continued = false;
    for (;;) {
      auto state = parse();
      if (state != progress::more)
        co_return state == progress::whole;
      if (!head_seen_ && parser_->is_header_done() && refused_early())
        co_return false;
      if (!continued && message_.expects_continue && parser_->is_header_done()) {
        out_ += "HTTP/1.1 100 Continue\r\n\r\n";
        continued = true;
      }
      if (!out_.empty() && !co_await flush())
        co_return false;
      if (!keep_)
        co_return false;
      set_read_deadline();
      auto space = buffer_.prepare(parser_->is_header_done() ? body_read_size : read_size);
      auto got = co_await read_some(stream_, space);
      if (got.ec)
        co_return false;
      buffer_.commit(got.n);
    }
  }

  void set_read_deadline() {
    auto& c = *shard_.config;
    if (parser_->is_header_done())
      deadline_ = clock::now() + c.body_timeout;
    else if (between_)
      deadline_ = clock::now() + (request_.method.empty() ? c.head_timeout : c.idle_timeout);
    else if (!head_begun_)
      deadline_ = clock::now() + c.head_timeout; // Not moved by further bytes of the same head.
    head_begun_ = !between_ && !parser_->is_header_done();
  }

  task<bool> answer() {
    deadline_ = clock::time_point::max();
    http_pending pending;
    bool failed = false;
    try {
      pending = call_handler();
      if (pending) {
        if (!co_await flush())
          co_return false;
        if (auto* quick = pending.quick()) {
          co_await *quick;
        } else {
          waiting_ = true;
          watch();
          ran handler{socket().get_executor(), std::move(*pending.cancellable()), gone_.slot()};
          co_await handler;
        }
      }
    } catch (const boost::system::system_error& e) {
      if (e.code() == asio::error::operation_aborted) {
        response_.ending = http_ending::reset;
        keep_ = false;
      } else {
        failed = true;
      }
    } catch (const std::exception&) {
      failed = true;
    }
    unwatch();
    if (failed) {
      refuse(500, "Internal Server Error");
      co_return true;
    }
    if (shard_.stopping)
      keep_ = false;
    append_response();
    if (response_.ending == http_ending::reset) {
      co_await flush(); // Answers to earlier, pipelined requests.
      reset();
      co_return false;
    }
    if (response_.stream && message_.method != "HEAD")
      co_return co_await stream_out();
    if (out_.size() > flush_size && !co_await flush())
      co_return false;
    co_return true;
  }

  // The head is in `out_`. A stream that is cut off ends without a last chunk: the client sees it.
  task<bool> stream_out() {
    auto next = std::exchange(response_.stream, nullptr);
    bool more = co_await flush();
    waiting_ = streaming_ = true;
    watch();
    try {
      while (more && !shard_.stopping) {
        deadline_ = clock::time_point::max();
        std::string piece;
        ran step{socket().get_executor(), next(piece), gone_.slot()};
        more = co_await step;
        append_chunk(piece);
        if (!more)
          out_ += "0\r\n\r\n";
        bool sent = co_await flush();
        more = more && sent;
      }
    } catch (const std::exception&) { // Cancelled, or broken.
    }
    streaming_ = false;
    unwatch();
    co_return false;
  }

  void append_chunk(std::string_view piece) {
    if (piece.empty())
      return;
    char size[20];
    auto end = std::to_chars(size, size + sizeof size, piece.size(), 16).ptr;
    out_.append(size, end).append("\r\n").append(piece).append("\r\n");
  }

  // While a handler waits: notices at once that the client has closed. Bytes of a next request end
  // the watch without being read; then the shard's sweep is what notices.
  void watch() {
    socket().async_wait(
      http_socket::wait_read, [self = shared_from_this(), this, now = ++watches_](error_code ec) {
        char byte = 0;
        if (!ec && now == watches_ && waiting_
            && ::recv(socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
          client_gone();
      });
  }

  void unwatch() {
    if (!std::exchange(waiting_, false))
      return;
    ++watches_;
    error_code ignored;
    socket().cancel(ignored);
  }

  void reset() {
    error_code ignored;
    socket().set_option(asio::socket_base::linger(true, 0), ignored);
    socket().close(ignored);
    keep_ = false;
  }

  task<bool> flush() {
    if (out_.empty())
      co_return true;
    if (!socket().is_open())
      co_return false;
    deadline_ = clock::now() + shard_.config->body_timeout;
    auto sent = co_await written{stream_, out_, {}};
    if (out_.capacity() > 4 * flush_size)
      std::string{}.swap(out_);
    out_.clear();
    co_return !sent.ec;
  }

  // In good order: what the client still sends is read for a while, or the kernel would answer it
  // with a reset that destroys our last answer on its way.
  task<void> close() {
    error_code ec;
    deadline_ = clock::now() + std::chrono::seconds{2};
    if constexpr (secure)
      if (socket().is_open())
        co_await awaited{[this](auto handler) { stream_.async_shutdown(std::move(handler)); }};
    socket().shutdown(asio::ip::tcp::socket::shutdown_send, ec);
    for (int pieces = 0; !ec && pieces < 64; ++pieces) {
      auto got = co_await read_some(socket(), asio::buffer(buffer_.prepare(read_size)));
      ec = got.ec;
    }
    socket().close(ec);
  }

  Stream stream_;
  bool head_begun_ = false;
  std::uint64_t watches_ = 0;
};

} // namespace

std::shared_ptr<http_session> make_http_session(http_shard& shard, http_socket socket) {
  return std::make_shared<session_of<http_socket>>(shard, std::move(socket));
}

std::shared_ptr<http_session> make_http_session(http_shard& shard, http_socket socket,
                                                asio::ssl::context& tls) {
  return std::make_shared<session_of<asio::ssl::stream<http_socket>>>(shard, std::move(socket),
                                                                      tls);
}

} // namespace troupe::net
