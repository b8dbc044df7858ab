#pragma once
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <caf/actor_cast.hpp>
#include <caf/execution_unit.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/resumable.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace troupe::net {

namespace asio = boost::asio;

/// Sockets and timers typed on the io_context itself: no type-erased executor on the hot path.
using io_executor = asio::io_context::executor_type;
using tcp_socket = asio::basic_stream_socket<asio::ip::tcp, io_executor>;
using tcp_acceptor = asio::basic_socket_acceptor<asio::ip::tcp, io_executor>;
using steady_timer =
  asio::basic_waitable_timer<std::chrono::steady_clock,
                             asio::wait_traits<std::chrono::steady_clock>, io_executor>;

/// One I/O thread: an io_context, and an execution unit for the actors that its messages wake.
///
/// A message sent from here (`tell`) to an idle actor runs that actor on this thread, right after
/// the current handler, and so do the messages it sends in turn: a call's way through bot, governor
/// and pool costs no wake-up of another thread. An actor that is being run elsewhere just gets the
/// message. This is what CAF's own I/O multiplexer does for its brokers.
class lane : public caf::execution_unit {
public:
  /// @param index the lane's number, from 0
  lane(caf::actor_system& sys, std::uint16_t index);
  ~lane() override;

  lane(const lane&) = delete;
  lane& operator=(const lane&) = delete;

  [[nodiscard]] std::uint16_t index() const noexcept { return index_; }
  [[nodiscard]] asio::io_context& context() noexcept { return io_; }
  [[nodiscard]] io_executor executor() noexcept { return io_.get_executor(); }

  /// Starts the thread. `stop` ends it and joins; handlers not yet run are dropped.
  void start();
  void stop();

  /// Sends `parts` as one message to `dest`, if that is not empty, and lets it run here. On the
  /// lane's thread only.
  template <class Handle, class... Ts>
  void tell(const Handle& dest, Ts&&... parts) {
    if (dest) // A cast of an empty handle is no null pointer.
      caf::actor_cast<caf::abstract_actor*>(dest)->enqueue(
        caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, std::forward<Ts>(parts)...),
        this);
  }

  /// Called by CAF when a message woke an idle actor.
  void exec_later(caf::resumable* job) override;

private:
  void run_jobs();

  asio::io_context io_{1};
  asio::executor_work_guard<io_executor> work_;
  std::deque<caf::resumable*> jobs_;
  bool scheduled_ = false;
  std::uint16_t index_;
  std::thread thread_;
};

/// All I/O threads of a node.
using lanes = std::vector<std::unique_ptr<lane>>;

/// Makes `count` lanes, not started.
lanes make_lanes(caf::actor_system& sys, std::size_t count);

} // namespace troupe::net
