#include "runtime/peers/handshakes.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <chrono>
#include <vector>

#include <sys/socket.h>

namespace troupe::peers {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::chrono::seconds longest_handshake{5};

struct handshake {
  SSL* of = nullptr;
  clock::time_point since;
};

/// Those that began on this thread and have not ended, oldest first. All of CAF's are on one.
thread_local std::vector<handshake> under_way;

int mark = -1; ///< Of an SSL object that is in that list.

void forget(SSL* of) {
  std::erase_if(under_way, [of](const handshake& x) { return x.of == of; });
}

void on_free(void* of, void* marked, CRYPTO_EX_DATA*, int, long, void*) {
  if (marked != nullptr)
    forget(static_cast<SSL*>(of));
}

/// Whoever waits for them sees that they ended.
void end_slow_ones() {
  if (under_way.empty())
    return;
  auto now = clock::now();
  std::erase_if(under_way, [now](const handshake& x) {
    if (now - x.since <= longest_handshake)
      return false;
    ::shutdown(SSL_get_fd(x.of), SHUT_RDWR);
    SSL_set_ex_data(x.of, mark, nullptr);
    return true;
  });
}

/// A step of a handshake. @param how 1: it is done
template <class F>
int step(SSL* of, F how) {
  end_slow_ones();
  const bool watched = mark >= 0 && SSL_get_fd(of) >= 0; // Boost.Asio's have no socket.
  if (watched && SSL_get_ex_data(of, mark) == nullptr) {
    SSL_set_ex_data(of, mark, of);
    under_way.push_back({of, clock::now()});
  }
  ERR_clear_error();
  auto result = how(of);
  if (watched && result == 1) {
    SSL_set_ex_data(of, mark, nullptr);
    forget(of);
  }
  return result;
}

} // namespace

void limit_handshakes() {
  if (mark < 0)
    mark = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, on_free);
}

extern "C" {
int __real_SSL_read(SSL* of, void* to, int size);
int __real_SSL_write(SSL* of, const void* from, int size);
int __real_SSL_connect(SSL* of);
int __real_SSL_accept(SSL* of);

int __wrap_SSL_read(SSL* of, void* to, int size) {
  end_slow_ones(); // Nodes that are connected say something twice a second.
  ERR_clear_error();
  return __real_SSL_read(of, to, size);
}
int __wrap_SSL_write(SSL* of, const void* from, int size) {
  ERR_clear_error();
  return __real_SSL_write(of, from, size);
}
int __wrap_SSL_connect(SSL* of) {
  return step(of, __real_SSL_connect);
}
int __wrap_SSL_accept(SSL* of) {
  return step(of, __real_SSL_accept);
}
}

} // namespace troupe::peers
