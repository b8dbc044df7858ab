#pragma once
#include "runtime/etcd/client.hpp"
#include "runtime/net/client_stream.hpp"
#include "runtime/net/target.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

namespace troupe::etcd {

namespace asio = boost::asio;
using clock = std::chrono::steady_clock;
using error_code = boost::system::error_code;
template <class T>
using step = asio::awaitable<T, net::io_executor>;

/// Something under way on a connection.
struct errand {
  net::client_connection* on = nullptr;
  clock::time_point deadline{};
  bool over = false; ///< Its time is over, or somebody ended it.

  void end() noexcept {
    over = true;
    if (on)
      on->abort();
  }
};

/// Ends an errand at its deadline, while this lives.
class alarm {
public:
  alarm(net::io_executor ex, std::shared_ptr<errand> what) : timer_(ex), what_(std::move(what)) {}
  void set(clock::time_point deadline);

private:
  net::steady_timer timer_;
  std::shared_ptr<errand> what_;
};

/// Makes connections to members.
class dialer {
public:
  /// @throws std::invalid_argument if a file cannot be used
  dialer(net::io_executor ex, std::shared_ptr<net::dns_cache> dns, const client_options& options);

  /// A connection, or null and a reason. The errand's deadline is what the caller set.
  step<std::unique_ptr<net::client_connection>> dial(errand& by, const net::target& where,
                                                     std::string& reason);

private:
  [[nodiscard]] asio::ssl::context tls_context() const;
  /// Puts TLS over it, with the files as they are now.
  void wrap(net::client_connection& made, const std::string& host, error_code& ec) const;
  step<void> reach(errand& by, net::client_connection& made, const net::target& where,
                   std::string& reason);

  net::io_executor ex_;
  std::shared_ptr<net::dns_cache> dns_;
  std::string ca_file_, certificate_file_, key_file_;
  std::shared_ptr<std::atomic<std::size_t>> open_ = std::make_shared<std::atomic<std::size_t>>(0);
};

} // namespace troupe::etcd
