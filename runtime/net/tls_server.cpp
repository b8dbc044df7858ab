#include "runtime/net/tls_server.hpp"

#include <openssl/ssl.h>

#include <stdexcept>

namespace troupe::net {

namespace asio = boost::asio;

std::unique_ptr<asio::ssl::context> make_server_tls(const std::string& cert,
                                                    const std::string& key) {
  if (cert.empty() && key.empty())
    return nullptr;
  if (cert.empty() || key.empty())
    throw std::runtime_error("TLS needs both a certificate and a key");
  auto tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  boost::system::error_code ec;
  tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv3
                     | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1,
                   ec);
  tls->use_certificate_chain_file(cert, ec);
  if (ec)
    throw std::runtime_error("cannot use the certificate " + cert + ": " + ec.message());
  tls->use_private_key_file(key, asio::ssl::context::pem, ec);
  if (ec)
    throw std::runtime_error("cannot use the key " + key + ": " + ec.message());
  static constexpr unsigned char session_id[] = "troupe";
  SSL_CTX_set_session_id_context(tls->native_handle(), session_id, sizeof(session_id) - 1);
  return tls;
}

} // namespace troupe::net
