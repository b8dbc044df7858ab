#pragma once
#include "runtime/net/client_stream.hpp"

#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>
#include <vector>

namespace troupe::net {

/// TLS towards one host, for one lane, with the sessions that its peer handed out, so that a
/// reconnect resumes instead of starting over. On the lane's thread only. Outlives the streams
/// that use its context.
class tls_client {
public:
  /// @param ca_file PEM file of trusted authorities; empty: the system's
  /// @throws boost::system::system_error if ca_file cannot be read
  explicit tls_client(const std::string& ca_file);
  ~tls_client();

  tls_client(const tls_client&) = delete;
  tls_client& operator=(const tls_client&) = delete;

  [[nodiscard]] asio::ssl::context& context() noexcept { return context_; }

  /// Has the handshake to come resume a session, if there is one.
  void resume(tls_stream& stream);

  /// Sessions at hand for resumption.
  [[nodiscard]] std::size_t tickets() const noexcept { return tickets_.size(); }

  /// Whether the handshake of `stream` resumed an earlier session.
  [[nodiscard]] static bool resumed(tls_stream& stream) noexcept;

private:
  struct session_free {
    void operator()(SSL_SESSION* session) const noexcept;
  };
  using ticket = std::unique_ptr<SSL_SESSION, session_free>;
  static int on_new_session(SSL* ssl, SSL_SESSION* session);

  asio::ssl::context context_;
  std::vector<ticket> tickets_; // The newest last; bounded.
};

} // namespace troupe::net
