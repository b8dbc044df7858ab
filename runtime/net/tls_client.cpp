#include "runtime/net/tls_client.hpp"

#include <openssl/ssl.h>

namespace troupe::net {
namespace {

// Peers hand out two per connection; a lane reconnects to a few at once.
constexpr std::size_t max_tickets = 16;

int owner_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

} // namespace

void tls_client::session_free::operator()(SSL_SESSION* session) const noexcept {
  SSL_SESSION_free(session);
}

tls_client::tls_client(const std::string& ca_file) : context_(make_client_context(ca_file)) {
  auto* raw = context_.native_handle();
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_ex_data(raw, owner_index(), this);
  SSL_CTX_sess_set_new_cb(raw, &tls_client::on_new_session);
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

void tls_client::resume(tls_stream& stream) {
  auto* ssl = stream.native_handle();
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

} // namespace troupe::net
