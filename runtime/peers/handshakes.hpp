#pragma once

/// What CAF 0.18.7 leaves open around TLS. The linker leads every call of SSL_read, SSL_write,
/// SSL_connect and SSL_accept to this file's functions (CMakeLists.txt, `--wrap`).
///
/// - SSL_get_error looks at the thread's queue of errors first, which is to be empty before a call;
///   CAF never empties it. So a handshake that fails, of anybody who can reach the port, would be
///   taken for a failure of the next connections that are looked at, and those nodes be lost.
/// - A handshake that the other side does not go on with would keep its socket for ever: of a
///   stranger who says nothing, of a node that stands still.
///
/// Source: OpenSSL 3, SSL_get_error(3); caf/openssl/session.cpp.
namespace troupe::peers {

/// From now on a connection of CAF's that is not secured after five seconds is ended. Before any is
/// made.
void limit_handshakes();

} // namespace troupe::peers
