#pragma once
#include "runtime/net/lane.hpp"
#include "runtime/net/task.hpp"

#include <boost/asio/write.hpp>
#include <boost/system/error_code.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>

/// Asio's operations as a `task` awaits them.
namespace troupe::net {

/// How an operation ended. `n` in bytes, where it moves any.
struct io_result {
  boost::system::error_code ec;
  std::size_t n = 0;
};

/// The completion handler of an awaited operation: keeps the result, then resumes.
class io_handler {
public:
  io_handler(io_result& result, resumption next) noexcept
    : result_(&result), next_(std::move(next)) {}

  void operator()(boost::system::error_code ec, std::size_t n = 0) {
    result_->ec = ec;
    result_->n += n;
    next_();
  }

private:
  io_result* result_;
  resumption next_;
};

/// Awaits any operation: `start(handler)` begins it, and `handler(error_code[, bytes])` ends it.
/// Never throws by itself.
template <class Start>
class [[nodiscard]] awaited {
public:
  explicit awaited(Start start) : start_(std::move(start)) {}

  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> by) {
    start_(io_handler{result_, resumption{by, by.promise().root}});
  }
  io_result await_resume() const noexcept { return result_; }

private:
  Start start_;
  io_result result_;
};

/// Reads what there is, at most `space`; waits for the first byte. `n` is 0 at the end of the
/// stream.
template <class Stream, class Buffer>
auto read_some(Stream& stream, Buffer space) {
  return awaited{
    [&stream, space](auto handler) { stream.async_read_some(space, std::move(handler)); }};
}

/// Sends what the socket takes without waiting. @returns bytes, with `ec` unset when there was no
/// room
std::size_t send_now(tcp_socket& socket, std::string_view first, std::string_view second,
                     boost::system::error_code& ec) noexcept;

/// Awaits that `first` and `second` are written. On a plain socket that usually needs no waiting:
/// the coroutine does not even suspend.
template <class Stream>
class [[nodiscard]] written {
public:
  written(Stream& stream, std::string_view first, std::string_view second) noexcept
    : stream_(stream), first_(first), second_(second) {}

  bool await_ready() noexcept {
    if constexpr (std::is_same_v<Stream, tcp_socket>) {
      result_.n = send_now(stream_, first_, second_, result_.ec);
      return result_.ec || result_.n == first_.size() + second_.size();
    }
    return false;
  }
  template <class P>
  void await_suspend(std::coroutine_handle<P> by) {
    auto skip = std::min(result_.n, first_.size());
    first_.remove_prefix(skip);
    second_.remove_prefix(result_.n - skip);
    std::array rest{asio::const_buffer{first_.data(), first_.size()},
                    asio::const_buffer{second_.data(), second_.size()}};
    asio::async_write(stream_, rest, io_handler{result_, resumption{by, by.promise().root}});
  }
  io_result await_resume() const noexcept { return result_; }

private:
  Stream& stream_;
  std::string_view first_, second_;
  io_result result_;
};

} // namespace troupe::net
