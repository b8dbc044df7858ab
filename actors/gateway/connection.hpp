#pragma once
#include "actors/gateway/answers.hpp"
#include "actors/gateway/context.hpp"
#include "messages/store.hpp"
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

  /// The answer to request `ticket`; ignored when that is not the one waited for.
  void resolve(std::uint64_t ticket, verdict what);

  /// Called several times a second: deadlines, and clients that went away while they wait.
  void sweep(clock::time_point now);

  /// Ends the connection when it is between two requests.
  void close_if_idle();

  /// The node drains: a long poll under way ends with an empty result.
  void end_poll();

  /// Ends it now.
  void abort();

  /// The lane has ended: destroys a coroutine that waits for a verdict, and with it, perhaps, this.
  void drop_waiter() noexcept { net::resumption dropped{std::move(waiter_)}; }

protected:
  /// What the connection is doing.
  enum class state : std::uint8_t {
    idle,       ///< Waits for a request's first byte.
    reading,    ///< Reads a head or a body.
    waiting,    ///< Waits for a verdict.
    exchanging, ///< Its request is with the upstream.
    uploading,  ///< The same, while the client's body is waited for.
    writing,    ///< Writes an answer of its own.
  };

  /// Sends `what` to `dest` as a request; `co_await answered()` for `verdict_`.
  template <class Handle, class T>
  void request(const Handle& dest, const T& what) {
    verdict_.reset();
    if (!ctx_->replies || !dest) {
      verdict_ = caf::make_error(ec::draining);
      return;
    }
    ticket_ = ctx_->next_ticket(place_);
    if (ctx_->others)
      note_abroad(caf::actor_cast<caf::strong_actor_ptr>(dest));
    caf::actor_cast<reply_port*>(ctx_->replies)->request(dest, ticket_, what, &ctx_->lane());
  }
  /// The request under way goes to `whom`: another node's actor may end without an answer.
  void note_abroad(const caf::strong_actor_ptr& whom);
  /// Charges a message to its chat, whose windows are where the bot is.
  /// @param abroad another node owns the bot
  void charge(bot_id bot, const chat_ref& chat, bool abroad) const;
  /// Waits for `verdict_`.
  struct verdict_awaiter {
    connection_base& self;
    bool await_ready() const noexcept { return self.verdict_.has_value(); }
    template <class P>
    void await_suspend(std::coroutine_handle<P> by) const noexcept {
      self.waiter_ = net::resumption{by, by.promise().root};
    }
    void await_resume() const noexcept {}
  };
  verdict_awaiter answered() noexcept { return {*this}; }

  // kept.cpp: requests with an Idempotency-Key.
  /// Asks the store about `key`; the verdict is a kept_answer. The key is this connection's to end.
  void ask_begin(kept_key key, std::string body, caf::timespan patience);
  /// Ends the key: `x` is its answer. A verdict says that it is on disk.
  void ask_finish(const kept_answer& x);
  /// Behind its verdict: what the store could not take now, it is told later.
  void see_finished();
  /// Whether an answer with this status is kept; else the key is free again.
  static bool is_certain_end(std::uint16_t status) noexcept;
  /// Ends the key, if there is one, without an answer: free again, or its outcome is unknown.
  void drop_key() noexcept;

  void tell_later(idempotency_end what);

  void enter(state next, clock::duration limit);
  [[nodiscard]] clock::duration since_entered() const noexcept;
  [[nodiscard]] bool with_bot() const noexcept {
    return state_ == state::waiting || state_ == state::exchanging;
  }
  void watch();
  void look();
  void peer_gone();
  void bail_out() noexcept;
  /// Tells the bot that nobody waits for its answer any more.
  void leave_bot();

  virtual net::tcp_socket& socket() noexcept = 0;
  /// Bytes of the body that the socket must still bring, as far as that is known; else 0.
  [[nodiscard]] virtual std::uint64_t missing() const noexcept = 0;
  /// Writes `bytes` between two answers, without waiting. @returns whether they were taken whole
  virtual bool interject(std::string_view bytes) noexcept = 0;

  std::shared_ptr<context> ctx_;
  state state_ = state::idle;
  clock::time_point deadline_ = clock::time_point::max();
  clock::time_point entered_{};
  bool expired_ = false;     ///< The deadline passed: what failed, failed of that.
  bool gone_ = false;        ///< The client is gone.
  bool surplus_ = false;     ///< One more than there may be: its first request is refused.
  bool watched_ = false;     ///< Somebody waits for bytes or the end of the client's stream.
  bool unread_ = false;      ///< That came during this call; it is not read yet.
  bool probed_ = false;      ///< A 102 was written, to see whether the client still listens.
  bool interim_ok_ = true;   ///< The client knows interim responses (HTTP/1.1).
  bool stalled_ = false;     ///< The client stopped in the middle of its body.
  bool head_sent_ = false;   ///< The answer's head is on its way.
  bool polling_ = false;     ///< The call under way is a long poll ...
  bool poll_ended_ = false;  ///< ... that `end_poll` ended.
  bool pulling_ = false;     ///< ... and of the bot's own updates.
  std::uint32_t place_ = 0;  ///< In its context.
  std::uint64_t ticket_ = 0; ///< Of the request under way; 0: none.
  std::optional<verdict> verdict_;
  net::resumption waiter_; ///< Set while the coroutine waits for its verdict.
  bot_actor bot_;          ///< Of the call under way.
  call_id call_ = 0;
  lease held_;                               ///< Granted, and not given back yet; id 0: none.
  net::upstream_session* session_ = nullptr; ///< While exchanging.
  std::optional<kept_key> keeping_;          ///< The call's Idempotency-Key, until that is ended.
  bool begun_ = false;                       ///< ... The store said so.
  bool foreign_ = false;                     ///< The call's bot is another node's.
  std::int64_t life_ = 1; ///< Of the node, in which the exchange began; 0: it was not begun.
  bool sent_ = false;     ///< ... The call may have been carried out.
  std::optional<kept_answer> captured_;      ///< ... What was answered.
  std::optional<idempotency_end> finishing_; ///< ... What the store is being told.
};

/// Completion handler of a connection's coroutine: an exception is a defect, and is logged.
void ended(std::exception_ptr failure) noexcept;

/// Makes a connection and lets it run until the client or the gateway ends it.
void run_plain(std::shared_ptr<context> ctx, net::tcp_socket socket);
void run_secure(std::shared_ptr<context> ctx, net::tcp_socket socket);

} // namespace troupe::gateway
