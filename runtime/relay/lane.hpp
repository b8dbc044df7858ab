#pragma once
#include "runtime/net/client_stream.hpp"
#include "runtime/net/dns_cache.hpp"
#include "runtime/relay/port.hpp"

#include <boost/asio/awaitable.hpp>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>

namespace troupe::relay {

namespace asio = boost::asio;
using error_code = boost::system::error_code;
using clock = std::chrono::steady_clock;
using connection = net::client_connection;

/// What all lanes share; written by the port, read at each use.
struct shared_state {
  std::shared_ptr<net::dns_cache> dns;
  std::shared_ptr<std::atomic<std::size_t>> open = std::make_shared<std::atomic<std::size_t>>(0);
  std::atomic<std::uint32_t> max_open{200};
  std::atomic<std::int64_t> idle_ms{30'000};
  std::atomic<bool> allow_private{false};
};

/// A POST under way.
struct exchange {
  post what;
  std::function<void(relay_result)> then;
  clock::time_point began;
  clock::time_point deadline;
  relay_result result;
  connection* on = nullptr; ///< What it uses now.
  bool late = false;        ///< Its time is over.
  bool gone = false;        ///< Abandoned.
  [[nodiscard]] bool over() const noexcept { return late || gone; }
};

/// One I/O thread's connections to tenants. Every method is called on that thread.
class lane : public std::enable_shared_from_this<lane> {
public:
  lane(net::io_executor ex, std::shared_ptr<shared_state> shared, const std::string& ca_file)
    : ex_(ex), shared_(std::move(shared)), tls_(net::make_client_context(ca_file)), sweeper_(ex) {}

  void begin(std::shared_ptr<exchange> x);
  void abandon(std::uint64_t id);
  void close_all();
  void close_idle() { idle_.clear(); }

private:
  using host = std::tuple<bool, std::string, std::string>; // TLS, name, port.
  using step = asio::awaitable<void, net::io_executor>;
  struct idle_connection {
    host to;
    std::unique_ptr<connection> held;
  };

  step run(std::shared_ptr<exchange> x);
  /// One attempt; `again` is set when a kept connection had been closed by the other side.
  step attempt(exchange& x, bool fresh, bool& again);
  asio::awaitable<std::unique_ptr<connection>, net::io_executor> connect(exchange& x);
  step reach(exchange& x, connection& made, const net::dns_cache::address_list& where);
  step handshake(exchange& x, connection& made);
  std::unique_ptr<connection> take_idle(const host& to);
  void keep(const host& to, std::unique_ptr<connection> held);
  void make_room();
  void sweep();

  net::io_executor ex_;
  std::shared_ptr<shared_state> shared_;
  asio::ssl::context tls_;
  std::unordered_map<std::uint64_t, std::shared_ptr<exchange>> active_;
  std::deque<idle_connection> idle_; // The oldest first.
  net::steady_timer sweeper_;
  bool sweeping_ = false;
};

} // namespace troupe::relay
