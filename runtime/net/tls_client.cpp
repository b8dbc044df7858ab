#include "runtime/net/tls_client.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace troupe::net {
namespace {

// Peers hand out two per connection; a lane reconnects to a few at once.
constexpr std::size_t max_tickets = 16;

int owner_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

boost::system::error_code last_error() {
  return {static_cast<int>(ERR_get_error()), asio::error::get_ssl_category()};
}

} // namespace

void tls_client::session_free::operator()(SSL_SESSION* session) const noexcept {
  SSL_SESSION_free(session);
}

tls_client::tls_client(std::string host, const std::string& ca_file)
  : host_(std::move(host)), context_(asio::ssl::context::tls_client) {
  boost::system::error_code not_numeric;
  asio::ip::make_address(host_, not_numeric);
  numeric_ = !not_numeric;
  if (ca_file.empty())
    context_.set_default_verify_paths();
  else
    context_.load_verify_file(ca_file);
  context_.set_verify_mode(asio::ssl::verify_peer);
  auto* raw = context_.native_handle();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS); // Idle connections hold no buffers.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_ex_data(raw, owner_index(), this);
  SSL_CTX_sess_set_new_cb(raw, &tls_client::on_new_session);
  static constexpr unsigned char http[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(raw, http, sizeof(http) - 1);
}

tls_client::~tls_client() {
  // Streams hold the context by reference count and may outlive us for a moment.
  SSL_CTX_sess_set_new_cb(context_.native_handle(), nullptr);
}

int tls_client::on_new_session(SSL* ssl, SSL_SESSION* session) {
  auto* me = static_cast<tls_client*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), owner_index()));
  if (me->tickets_.size() == max_tickets)
    me->tickets_.erase(me->tickets_.begin());
  me->tickets_.emplace_back(session);
  return 1; // We keep the reference.
}

void tls_client::prepare(tls_stream& stream, boost::system::error_code& ec) {
  ec = {};
  auto* ssl = stream.native_handle();
  bool named = numeric_ ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host_.c_str()) == 1
                        : SSL_set1_host(ssl, host_.c_str()) == 1;
  // Server names are for names only (RFC 6066, section 3).
  if (named && !numeric_)
    named = SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host_.data())
            == 1; // SSL_set_tlsext_host_name without its old-style cast.
  if (!named) {
    ec = last_error();
    return;
  }
  while (!tickets_.empty()) {
    auto ticket = std::move(tickets_.back());
    tickets_.pop_back();
    if (SSL_SESSION_is_resumable(ticket.get()) != 1)
      continue;
    SSL_set_session(ssl, ticket.get());
    // A TLS 1.3 ticket is used once, so that connections cannot be linked (RFC 8446, C.4).
    if (SSL_SESSION_get_protocol_version(ticket.get()) < TLS1_3_VERSION)
      tickets_.push_back(std::move(ticket));
    break;
  }
}

bool tls_client::resumed(tls_stream& stream) noexcept {
  return SSL_session_reused(stream.native_handle()) == 1;
}

std::string tls_client::refusal(tls_stream& stream) {
  auto result = SSL_get_verify_result(stream.native_handle());
  return result == X509_V_OK ? std::string{} : X509_verify_cert_error_string(result);
}

} // namespace troupe::net
