#pragma once
#include "runtime/net/lane.hpp"

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <variant>

namespace troupe::net {

using tls_stream = asio::ssl::stream<tcp_socket>;

/// A stream to somebody's server, plain or TLS, on one I/O thread.
class client_stream {
public:
  explicit client_stream(io_executor ex) : stream_(tcp_socket{ex}) {}

  client_stream(const client_stream&) = delete;
  client_stream& operator=(const client_stream&) = delete;

  /// What to read and write: `plain` when !tls(), else `secure`.
  [[nodiscard]] bool tls() const noexcept { return stream_.index() == 1; }
  [[nodiscard]] tcp_socket& plain() { return std::get<0>(stream_); }
  [[nodiscard]] tls_stream& secure() { return std::get<1>(stream_); }

  /// The socket under either.
  [[nodiscard]] tcp_socket& socket() noexcept {
    auto* secure = std::get_if<1>(&stream_);
    return secure ? secure->next_layer() : *std::get_if<0>(&stream_);
  }

  /// Puts TLS over the connected socket, for a server that proves to be `host`, a name or a
  /// numeric address. The handshake is the caller's.
  void wrap(asio::ssl::context& context, const std::string& host, boost::system::error_code& ec);

  /// Why the server's certificate was refused; empty if that was not it.
  [[nodiscard]] std::string refusal();

  /// Whether nothing came since the last exchange, neither an end nor bytes nobody asked for.
  [[nodiscard]] bool silent() noexcept;

  /// Closes the socket: running operations fail with operation_aborted, later ones with
  /// bad_descriptor.
  void abort() noexcept;

private:
  std::variant<tcp_socket, tls_stream> stream_;
};

/// One of the streams that are kept for the next exchange, and counted.
class client_connection : public client_stream {
public:
  /// @param open counts it while it lives
  client_connection(io_executor ex, std::shared_ptr<std::atomic<std::size_t>> open);
  ~client_connection();

  std::chrono::steady_clock::time_point idle_since{};

private:
  std::shared_ptr<std::atomic<std::size_t>> open_;
};

/// What all TLS of ours towards servers has in common: TLS 1.2 or newer, certificates are checked,
/// HTTP/1.1.
/// @param ca_file PEM file of trusted authorities; empty: the system's
/// @throws boost::system::system_error if it cannot be read
[[nodiscard]] asio::ssl::context make_client_context(const std::string& ca_file);

} // namespace troupe::net
