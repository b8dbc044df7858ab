#pragma once
#include "runtime/net/client_stream.hpp"

#include <chrono>
#include <cstdint>

namespace troupe::net {

/// One connection to the upstream, on its lane's thread. Belongs to upstream_sessions; whoever
/// acquired it uses it alone until `release`, and the object stays where it is until then, even
/// when the connection is closed in the meantime.
class upstream_session {
public:
  using clock = std::chrono::steady_clock;

  upstream_session(std::uint64_t id, io_executor ex) : id_(id), stream_(ex) {}

  upstream_session(const upstream_session&) = delete;
  upstream_session& operator=(const upstream_session&) = delete;

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] bool tls() const noexcept { return stream_.tls(); }

  /// The stream to read and write: `plain` when !tls(), else `secure`.
  [[nodiscard]] tcp_socket& plain() { return stream_.plain(); }
  [[nodiscard]] tls_stream& secure() { return stream_.secure(); }

  /// The socket under either.
  [[nodiscard]] tcp_socket& socket() noexcept { return stream_.socket(); }

  /// Closes the socket: running operations fail with operation_aborted, later ones with
  /// bad_descriptor. For deadlines and for clients that went away.
  void abort() noexcept {
    aborted_ = true;
    stream_.abort();
  }

  /// Whether `abort` was called, by whomever, since the session was acquired.
  [[nodiscard]] bool aborted() const noexcept { return aborted_; }

  bool fresh = true;              ///< Connected for this very lease; false when it is reused.
  std::uint64_t exchanges = 0;    ///< Leases that ended well on this connection so far.
  clock::time_point connected_at; ///< When it was ready for its first request.
  clock::time_point last_used;    ///< When it was released last; `connected_at` before.

private:
  friend class upstream_sessions;
  std::uint64_t id_;
  client_stream stream_;
  bool in_use_ = false;
  bool ready_ = false; // Connected, handshake done.
  bool aborted_ = false;
};

} // namespace troupe::net
