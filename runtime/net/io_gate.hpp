#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <memory>
#include <mutex>
#include <utility>

namespace troupe::net {

/// By which other threads post to an I/O context that may end at that moment. While it does, it
/// destroys what waits in it without a lock, so nobody may post any more; whoever only looks
/// whether somebody waits there for his answer may look too early. Thread-safe.
class io_gate {
public:
  /// The gate of this context: one for each, made by the first call. Call it while the context
  /// lives; what is returned may be kept for longer.
  [[nodiscard]] static std::shared_ptr<io_gate> of(boost::asio::io_context& io);

  explicit io_gate(boost::asio::io_context& io) noexcept : io_(&io) {}

  /// @returns false once the context ends; then `what` is destroyed, by the caller's thread
  template <class F>
  bool post(F&& what) {
    std::lock_guard guard{mutex_};
    if (io_ == nullptr)
      return false;
    boost::asio::post(*io_, std::forward<F>(what));
    return true;
  }

  /// The context ends.
  void close() noexcept {
    std::lock_guard guard{mutex_};
    io_ = nullptr;
  }

private:
  std::mutex mutex_;
  boost::asio::io_context* io_;
};

} // namespace troupe::net
