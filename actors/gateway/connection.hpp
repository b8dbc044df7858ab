#pragma once
#include "actors/gateway/answers.hpp"
#include "actors/gateway/context.hpp"
#include "runtime/net/http_head.hpp"
#include "runtime/telegram/params.hpp"

#include <boost/beast/core/flat_buffer.hpp>

#include <memory>
#include <optional>

namespace troupe::gateway {

using clock = std::chrono::steady_clock;
using boost::beast::flat_buffer;
using boost::system::error_code;

/// One client's connection, without what depends on TLS. On its lane's thread only.
class connection_base : public std::enable_shared_from_this<connection_base> {
public:
  explicit connection_base(std::shared_ptr<context> ctx);
  virtual ~connection_base();

  connection_base(const connection_base&) = delete;
  connection_base& operator=(const connection_base&) = delete;

  /// The gateway actor's answer to submission `ticket`.
  void resolve(std::uint64_t ticket, verdict what);

  /// Called several times a second: deadlines, and clients that went away while they wait.
  void sweep(clock::time_point now);

  /// Ends the connection when it is between two requests.
  void close_if_idle();

  /// The node drains: a long poll under way ends with an empty result.
  void end_poll();

  /// Ends it now.
  void abort();

protected:
  /// What the connection is doing.
  enum class state : std::uint8_t {
    idle,       ///< Waits for a request's first byte.
    reading,    ///< Reads a head or a body.
    waiting,    ///< Waits for a verdict.
    exchanging, ///< Its request is with the upstream.
    writing,    ///< Writes an answer of its own.
  };

  /// Waits for the verdict on the submission just made.
  task<verdict> wait_for_verdict();
  /// Sends `what` for `bot` to the gateway actor and waits. Never throws.
  task<verdict> ask(bot_actor bot, std::variant<call, attempt_failed> what);
  task<verdict> ask_adoption(bots_actor supervisor, start_bot what);

  void enter(state next, clock::duration limit);
  void watch();
  void peer_readable();
  void await_reset();
  void peer_gone();

  virtual net::tcp_socket& socket() noexcept = 0;
  [[nodiscard]] virtual bool secure() const noexcept = 0;

  struct waiter_base {
    virtual ~waiter_base() = default;
    virtual void fire() = 0;
  };

  std::shared_ptr<context> ctx_;
  state state_ = state::idle;
  clock::time_point deadline_ = clock::time_point::max();
  clock::time_point entered_{};
  bool expired_ = false;     ///< The deadline passed: what failed, failed of that.
  bool gone_ = false;        ///< The client is gone.
  bool half_closed_ = false; ///< The client will send no more.
  bool watched_ = false;    ///< Somebody waits for bytes or the end of the client's stream.
  bool interim_ok_ = true;  ///< The client knows interim responses (HTTP/1.1).
  bool head_sent_ = false;  ///< The answer's head is on its way.
  bool polling_ = false;    ///< The call under way is a long poll ...
  bool poll_ended_ = false; ///< ... that `end_poll` ended.
  std::uint64_t ticket_ = 0;
  std::optional<verdict> verdict_;
  std::unique_ptr<waiter_base> waiter_;
  bot_actor bot_; ///< Of the call under way.
  call_id call_ = 0;
  net::upstream_session* session_ = nullptr; ///< While exchanging.
};

/// Completion handler of a connection's coroutine: an exception is a defect, and is logged.
void ended(std::exception_ptr failure) noexcept;

/// Makes a connection and lets it run until the client or the gateway ends it.
void run_plain(std::shared_ptr<context> ctx, net::tcp_socket socket);
void run_secure(std::shared_ptr<context> ctx, net::tcp_socket socket);

} // namespace troupe::gateway
