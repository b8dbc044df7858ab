#pragma once
#include "runtime/net/lane.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe::net {

struct dns_options {
  std::chrono::milliseconds ttl{300'000};        ///< An answer is used for so long.
  std::chrono::milliseconds negative_ttl{5'000}; ///< A failure is not asked again for so long.
  std::size_t max_names = 1024;                  ///< Beyond, the oldest answers are dropped.
};

/// Names to addresses, shared by all lanes; thread-safe. Concurrent lookups of one name are one
/// lookup; when the resolver fails, the last good answer stays in use.
class dns_cache {
public:
  using clock = std::chrono::steady_clock;
  using address_list = std::vector<asio::ip::address>;
  using addresses = std::shared_ptr<const address_list>; ///< Never null, never empty on success.
  using answer = std::function<void(boost::system::error_code, address_list)>;
  /// Asks the network on `ex`'s lane; calls `answer` once, on any thread.
  using resolver = std::function<void(const std::string& host, io_executor ex, answer)>;

  /// @param resolve the system's resolver if empty; @param now for tests
  explicit dns_cache(dns_options options = {}, resolver resolve = {},
                     std::function<clock::time_point()> now = {});
  ~dns_cache();

  dns_cache(const dns_cache&) = delete;
  dns_cache& operator=(const dns_cache&) = delete;

  /// The addresses of `host`; suspends only if they must be asked for. A numeric address is its own
  /// answer. On failure `ec` is set: timed_out at `deadline`, else what the resolver said.
  /// The coroutine runs on the lane of `ex`.
  asio::awaitable<addresses, io_executor> resolve(std::string host, io_executor ex,
                                                  clock::time_point deadline,
                                                  boost::system::error_code& ec);

  /// Lookups answered from memory, and lookups that asked the network.
  [[nodiscard]] std::uint64_t hits() const noexcept;
  [[nodiscard]] std::uint64_t misses() const noexcept;

  /// Lookups that wait for the network now.
  [[nodiscard]] std::size_t waiting() const;

private:
  struct waiter;
  struct entry;
  struct shared; // Outlives the cache while lookups are under way.
  std::shared_ptr<shared> shared_;
};

} // namespace troupe::net
