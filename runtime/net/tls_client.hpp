#pragma once
#include "runtime/net/upstream_session.hpp"

#include <boost/asio/ssl/context.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe::net {

/// TLS towards one host, for one lane: TLS 1.2 or newer, the peer's certificate and name checked,
/// and the sessions that its peer handed out, so that a reconnect resumes instead of starting over.
/// On the lane's thread only. Outlives the streams it prepared.
class tls_client {
public:
  /// @param host what the certificate must be for: a name or a numeric address
  /// @param ca_file PEM file of trusted authorities; empty: the system's
  /// @throws boost::system::system_error if ca_file cannot be read
  tls_client(std::string host, const std::string& ca_file);
  ~tls_client();

  tls_client(const tls_client&) = delete;
  tls_client& operator=(const tls_client&) = delete;

  [[nodiscard]] asio::ssl::context& context() noexcept { return context_; }

  /// Sets server name, expected name and a session to resume, if there is one.
  void prepare(tls_stream& stream, boost::system::error_code& ec);

  /// Sessions at hand for resumption.
  [[nodiscard]] std::size_t tickets() const noexcept { return tickets_.size(); }

  /// Whether the handshake of `stream` resumed an earlier session.
  [[nodiscard]] static bool resumed(tls_stream& stream) noexcept;

  /// Why the peer's certificate was refused; empty if that was not it.
  [[nodiscard]] static std::string refusal(tls_stream& stream);

private:
  struct session_free {
    void operator()(SSL_SESSION* session) const noexcept;
  };
  using ticket = std::unique_ptr<SSL_SESSION, session_free>;
  static int on_new_session(SSL* ssl, SSL_SESSION* session);

  std::string host_;
  bool numeric_;
  asio::ssl::context context_;
  std::vector<ticket> tickets_; // The newest last; bounded.
};

} // namespace troupe::net
