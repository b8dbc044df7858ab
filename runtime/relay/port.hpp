#pragma once
#include "messages/delivery.hpp"
#include "runtime/relay/url.hpp"

#include <chrono>
#include <functional>
#include <memory>

namespace troupe::relay {

/// One POST of an update.
struct post {
  std::uint64_t id = 0; ///< The caller's: unique among those under way.
  url to;
  bot_id bot = 0;
  std::uint32_t attempt = 1;
  std::string secret_token; ///< May be empty.
  std::string signing_key;
  shared_text body;
  std::chrono::milliseconds limit{60'000}; ///< For all of it.
};

/// What may change while exchanges are under way.
struct port_limits {
  std::uint32_t max_open = 200; ///< Beyond, idle connections are closed.
  std::chrono::milliseconds idle_timeout{30'000};
  bool allow_private_addresses = false; ///< And plain HTTP.
};

/// Where POSTs to tenants' URLs go out. Thread-safe; never blocks.
class port {
public:
  virtual ~port() = default;

  /// `then` is called once, on any thread, possibly within; not at all when the I/O threads stop.
  /// Redirects are not followed. No reason ever holds a URL's secrets.
  virtual void perform(post what, std::function<void(relay_result)> then) = 0;

  /// The exchange's connection is closed, whatever it does; `then` is called soon, as `broken`.
  virtual void abandon(std::uint64_t id) = 0;

  /// Abandons everything and closes all connections.
  virtual void close_all() = 0;

  virtual void set(const port_limits& limits) = 0;

  /// Connections now, idle ones included.
  [[nodiscard]] virtual std::size_t open() const = 0;
};

} // namespace troupe::relay
