#include "runtime/log/log.hpp"
#include "runtime/net/reopen.hpp"
#include "runtime/net/upstream.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace troupe::net {
namespace {

constexpr asio::use_awaitable_t<io_executor> awaited_connect{};

// While the upstream is down every lease fails; the log needs to be told once.
constexpr std::chrono::seconds between_complaints{10};

} // namespace

/// Closes a session's socket when its time is up, unless it is destroyed before.
class upstream_sessions::watchdog {
public:
  watchdog(io_executor ex, upstream_session& session, clock::time_point deadline)
    : state_(std::make_shared<state>(&session)), timer_(ex) {
    timer_.expires_at(deadline);
    timer_.async_wait([state = state_](error_code ec) {
      if (ec || !state->session)
        return;
      state->fired = true;
      state->session->socket().close(ec);
    });
  }

  ~watchdog() { state_->session = nullptr; }

  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;

  /// What the operation's result means, seen together with the clock and `abort`.
  [[nodiscard]] error_code judge(const error_code& ec) const {
    if (state_->session->aborted())
      return asio::error::operation_aborted;
    return state_->fired ? error_code{asio::error::timed_out} : ec;
  }

private:
  struct state {
    explicit state(upstream_session* session) : session(session) {}
    upstream_session* session;
    bool fired = false;
  };
  std::shared_ptr<state> state_;
  steady_timer timer_;
};

/// Takes an unfinished session out again, however its coroutine ends: by error, by an exception of
/// its cancellation, or with its io_context, when the owner may be gone already.
struct upstream_sessions::unfinished {
  upstream_sessions* owner;
  std::shared_ptr<const bool> alive;
  std::uint64_t session;
  bool done = false;
  ~unfinished() {
    if (!done && *alive)
      owner->erase(session);
  }
};

asio::awaitable<upstream_session*, io_executor>
upstream_sessions::acquire(std::uint64_t session, clock::time_point deadline, error_code& ec) {
  ec = {};
  if (auto* idle = try_acquire(session))
    co_return idle;
  if (sessions_.contains(session)) {
    ec = asio::error::in_progress;
    co_return nullptr;
  }
  if (refused(session)) {
    ec = asio::error::operation_aborted;
    co_return nullptr;
  }
  auto owned = std::make_unique<upstream_session>(session, ex_);
  auto* made = owned.get();
  made->in_use_ = true;
  sessions_.emplace(session, std::move(owned));
  counters_.open.store(sessions_.size(), std::memory_order_relaxed);
  unfinished guard{this, alive_, session};
  auto until = std::min(deadline, clock::now() + options_.connect_timeout);
  co_await open(*made, until, ec);
  if (!ec && made->aborted())
    ec = asio::error::operation_aborted;
  if (ec) {
    if (ec != asio::error::operation_aborted)
      report_failure(*made, ec);
    co_return nullptr;
  }
  guard.done = true;
  made->ready_ = true;
  made->connected_at = made->last_used = clock::now();
  co_return made;
}

upstream_sessions::step upstream_sessions::open(upstream_session& session,
                                                clock::time_point deadline, error_code& ec) {
  auto where = co_await dns_->resolve(options_.where.host, ex_, deadline, ec);
  if (!ec && session.aborted())
    ec = asio::error::operation_aborted;
  if (ec)
    co_return;
  co_await connect(session, where, deadline, ec);
  if (!ec && tls_)
    co_await handshake(session, deadline, ec);
}

upstream_sessions::step upstream_sessions::connect(upstream_session& session,
                                                   dns_cache::addresses where,
                                                   clock::time_point deadline, error_code& ec) {
  auto port = static_cast<std::uint16_t>(std::stoul(options_.where.port));
  auto n = where->size();
  // The address that worked last comes first, the others in their order.
  auto first =
    static_cast<std::size_t>(std::find(where->begin(), where->end(), last_good_) - where->begin());
  ec = asio::error::host_not_found;
  for (std::size_t i = 0; i < n; ++i) {
    asio::ip::tcp::endpoint peer{(*where)[(first + i) % n], port};
    auto now = clock::now();
    // A silent address must not use up the time of the others.
    auto until = now + (deadline - now) / static_cast<clock::rep>(n - i);
    auto& socket = session.socket();
    error_code ignored;
    ec = reopen(socket, peer);
    if (ec)
      continue;
    socket.set_option(asio::socket_base::keep_alive{true}, ignored);
    watchdog dog{ex_, session, until};
    co_await socket.async_connect(peer, asio::redirect_error(awaited_connect, ec));
    ec = dog.judge(ec);
    if (ec == asio::error::operation_aborted)
      co_return;
    if (!ec) {
      last_good_ = peer.address();
      counters_.connects.fetch_add(1, std::memory_order_relaxed);
      co_return;
    }
  }
}

upstream_sessions::step upstream_sessions::handshake(upstream_session& session,
                                                     clock::time_point deadline, error_code& ec) {
  session.stream_.wrap(tls_->context(), options_.where.host, ec);
  if (ec)
    co_return;
  auto& stream = session.secure();
  tls_->resume(stream);
  watchdog dog{ex_, session, deadline};
  co_await stream.async_handshake(tls_stream::client, asio::redirect_error(awaited_connect, ec));
  ec = dog.judge(ec);
  if (ec)
    co_return;
  counters_.handshakes.fetch_add(1, std::memory_order_relaxed);
  if (tls_client::resumed(stream))
    counters_.resumed.fetch_add(1, std::memory_order_relaxed);
}

void upstream_sessions::report_failure(upstream_session& session, const error_code& ec) {
  counters_.connect_errors.fetch_add(1, std::memory_order_relaxed);
  auto now = clock::now();
  if (now < next_complaint_)
    return;
  next_complaint_ = now + between_complaints;
  auto reason = ec.message();
  if (auto refusal = session.stream_.refusal(); !refusal.empty())
    reason = refusal;
  log::event(
    log::level::warning, "upstream.unreachable", "troupe.lane",
    {{"host", std::string_view{options_.where.host}}, {"reason", std::string_view{reason}}},
    "a lane could not connect to the upstream");
}

} // namespace troupe::net
