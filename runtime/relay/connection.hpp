#pragma once
#include "runtime/net/lane.hpp"

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <variant>

namespace troupe::relay {

namespace asio = boost::asio;
using error_code = boost::system::error_code;
using clock = std::chrono::steady_clock;
using tls_stream = asio::ssl::stream<net::tcp_socket>;

/// A connection to a tenant's server, on one lane's thread.
class connection {
public:
  /// @param open counts it while it lives
  connection(net::io_executor ex, std::shared_ptr<std::atomic<std::size_t>> open);
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  [[nodiscard]] bool tls() const noexcept { return stream_.index() == 1; }
  [[nodiscard]] net::tcp_socket& plain() { return std::get<0>(stream_); }
  [[nodiscard]] tls_stream& secure() { return std::get<1>(stream_); }
  [[nodiscard]] net::tcp_socket& socket() noexcept;

  /// Puts TLS over the connected socket, for a server that proves to be `host`.
  void wrap(asio::ssl::context& context, const std::string& host, error_code& ec);
  /// Why the server's certificate was refused; empty if that was not it.
  [[nodiscard]] std::string refusal();

  /// Whether nothing came since the last exchange, neither an end nor bytes nobody asked for.
  [[nodiscard]] bool silent() noexcept;
  /// Running operations fail.
  void abort() noexcept;

  clock::time_point idle_since{};

private:
  std::variant<net::tcp_socket, tls_stream> stream_;
  std::shared_ptr<std::atomic<std::size_t>> open_;
};

/// The TLS context of all connections of a lane: TLS 1.2 or newer, certificates are checked.
/// @param ca_file PEM file of trusted authorities; empty: the system's
/// @throws boost::system::system_error if it cannot be read
[[nodiscard]] asio::ssl::context make_tls_context(const std::string& ca_file);

} // namespace troupe::relay
