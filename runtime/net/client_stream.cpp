#include "runtime/net/client_stream.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>

namespace troupe::net {
namespace {

/// What the TLS layer has read already: a ticket is fine, data or an alert is not.
bool nothing_read(SSL* ssl) noexcept {
  if ((SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0)
    return false;
  if (SSL_has_pending(ssl) == 0 && BIO_ctrl_pending(SSL_get_rbio(ssl)) == 0)
    return true;
  char byte = 0;
  ERR_clear_error();
  auto got = SSL_peek(ssl, &byte, 1);
  bool fine = got <= 0 && SSL_get_error(ssl, got) == SSL_ERROR_WANT_READ;
  ERR_clear_error();
  return fine;
}

} // namespace

void client_stream::wrap(asio::ssl::context& context, const std::string& host,
                         boost::system::error_code& ec) {
  ec = {};
  tcp_socket socket = std::move(plain());
  auto* ssl = stream_.emplace<1>(std::move(socket), context).native_handle();
  boost::system::error_code not_numeric;
  asio::ip::make_address(host, not_numeric);
  bool numeric = !not_numeric;
  bool named = numeric ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1
                       : SSL_set1_host(ssl, host.c_str()) == 1;
  // Server names are for names only (RFC 6066, section 3). OpenSSL's macro has an old-style cast.
  if (named && !numeric) {
    std::string name = host;
    named =
      SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1;
  }
  if (!named)
    ec = asio::error::invalid_argument;
}

std::string client_stream::refusal() {
  if (!tls())
    return {};
  auto result = SSL_get_verify_result(secure().native_handle());
  return result == X509_V_OK ? std::string{} : X509_verify_cert_error_string(result);
}

bool client_stream::silent() noexcept {
  char byte = 0;
  auto got = ::recv(socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)
         && (!tls() || nothing_read(std::get_if<1>(&stream_)->native_handle()));
}

void client_stream::abort() noexcept {
  boost::system::error_code ignored;
  socket().close(ignored);
}

client_connection::client_connection(io_executor ex, std::shared_ptr<std::atomic<std::size_t>> open)
  : client_stream(ex), open_(std::move(open)) {
  open_->fetch_add(1, std::memory_order_relaxed);
}

client_connection::~client_connection() {
  open_->fetch_sub(1, std::memory_order_relaxed);
}

asio::ssl::context make_client_context(const std::string& ca_file) {
  asio::ssl::context result{asio::ssl::context::tls_client};
  if (ca_file.empty())
    result.set_default_verify_paths();
  else
    result.load_verify_file(ca_file);
  result.set_verify_mode(asio::ssl::verify_peer);
  auto* raw = result.native_handle();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS); // Idle connections hold no buffers.
  static constexpr unsigned char http[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(raw, http, sizeof(http) - 1);
  return result;
}

} // namespace troupe::net
