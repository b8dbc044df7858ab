#pragma once
#include "runtime/net/dns_cache.hpp"
#include "runtime/net/target.hpp"
#include "runtime/net/tls_client.hpp"
#include "runtime/net/upstream_port.hpp"
#include "runtime/net/upstream_session.hpp"

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <unordered_map>
#include <vector>

namespace troupe::net {

struct upstream_options {
  target where;
  std::string ca_file; ///< PEM file of trusted authorities; empty: the system's.
  std::chrono::milliseconds connect_timeout{10'000}; ///< DNS, TCP and TLS together.
  std::chrono::milliseconds max_age{600'000};        ///< An older connection is not used again.
  std::chrono::milliseconds max_idle{50'000};        ///< Nor one that was idle for longer.
};

/// What a lane's connections went through. Written by its lane, readable from any thread.
struct upstream_counters {
  std::atomic<std::uint64_t> connects{0};       ///< TCP connections made.
  std::atomic<std::uint64_t> connect_errors{0}; ///< Acquisitions that failed (DNS, TCP, TLS).
  std::atomic<std::uint64_t> handshakes{0};     ///< TLS handshakes done, resumed ones included.
  std::atomic<std::uint64_t> resumed{0};        ///< TLS handshakes that resumed a session.
  std::atomic<std::uint64_t> reused{0};         ///< Leases served by an idle connection.
  std::atomic<std::uint64_t> stale{0};   ///< Idle connections found closed or with unasked bytes.
  std::atomic<std::uint64_t> expired{0}; ///< Idle connections found too old.
  std::atomic<std::uint64_t> open{0};    ///< Connections now, those being made included.
};

/// The connections of one lane to one upstream, by session id. Every method is called on the lane's
/// thread unless it says otherwise. Lives until its lane has stopped.
///
///     auto* session = sessions.try_acquire(id);          // No suspension, no allocation.
///     if (!session)
///       session = co_await sessions.acquire(id, deadline, ec);
///     … one exchange …
///     sessions.release(*session, reusable);  // Before the lease goes back to the pool.
class upstream_sessions {
public:
  using clock = std::chrono::steady_clock;

  /// @throws boost::system::system_error if the ca_file cannot be read.
  upstream_sessions(io_executor ex, upstream_options options, std::shared_ptr<dns_cache> dns);
  ~upstream_sessions();

  upstream_sessions(const upstream_sessions&) = delete;
  upstream_sessions& operator=(const upstream_sessions&) = delete;

  /// The idle connection of that session if it is fit for use: nothing came from the other side
  /// since its last exchange, and it is not too old. Null if one must be made by `acquire`.
  [[nodiscard]] upstream_session* try_acquire(std::uint64_t session) noexcept;

  /// The connection of that session, made now unless `try_acquire` finds one. Null with `ec` set:
  /// timed_out (at `deadline`, or connect_timeout from now if that is earlier), operation_aborted
  /// (the session was closed meanwhile or before), in_progress (somebody uses it), or what the
  /// resolver, the connect or the TLS handshake said. Nothing was sent then.
  asio::awaitable<upstream_session*, io_executor>
  acquire(std::uint64_t session, clock::time_point deadline, boost::system::error_code& ec);

  /// Ends the use of an acquired session; the reference is invalid afterwards unless the connection
  /// is kept. @param reusable the last exchange ended cleanly and both sides keep the connection
  void release(upstream_session& session, bool reusable);

  /// Closes a connection; a running exchange fails. The id is refused from now on.
  void close(std::uint64_t session);

  /// Closes all connections; ids may be used again.
  void close_all();

  /// Closes what belongs to pools before incarnation `epoch`; their ids are refused from now on.
  void close_before(std::uint32_t epoch);

  /// The same from any thread, soon.
  void post_close(std::uint64_t session);
  void post_close_all(std::uint32_t epoch);

  /// Connections now, in use or idle.
  [[nodiscard]] std::size_t count() const noexcept { return sessions_.size(); }

  /// Any thread.
  [[nodiscard]] const upstream_counters& counters() const noexcept { return counters_; }
  [[nodiscard]] const upstream_options& options() const noexcept { return options_; }
  [[nodiscard]] dns_cache& dns() noexcept { return *dns_; }

private:
  class watchdog;
  struct unfinished;
  using error_code = boost::system::error_code;
  using step = asio::awaitable<void, io_executor>;

  bool fit(upstream_session& session, clock::time_point now) noexcept;
  bool refused(std::uint64_t session) const noexcept;
  void erase(std::uint64_t session) noexcept;
  void bury(std::uint64_t session);
  step open(upstream_session& session, clock::time_point deadline, error_code& ec);
  step connect(upstream_session& session, dns_cache::addresses where, clock::time_point deadline,
               error_code& ec);
  step handshake(upstream_session& session, clock::time_point deadline, error_code& ec);
  void report_failure(upstream_session& session, const error_code& ec);

  io_executor ex_;
  upstream_options options_;
  std::shared_ptr<dns_cache> dns_;
  std::unique_ptr<tls_client> tls_; // Null without TLS.
  std::unordered_map<std::uint64_t, std::unique_ptr<upstream_session>> sessions_;
  std::vector<std::uint64_t> buried_; // Ring of ids closed before they were used.
  std::size_t next_grave_ = 0;
  std::uint32_t oldest_epoch_ = 0;
  asio::ip::address last_good_;
  clock::time_point next_complaint_{};
  upstream_counters counters_;
  std::shared_ptr<bool> alive_; // For coroutines that end after us, with their io_context.
};

/// The pool's port over the lanes' connections: element i belongs to lane i.
std::shared_ptr<session_port>
make_session_port(std::vector<std::shared_ptr<upstream_sessions>> lanes);

} // namespace troupe::net
