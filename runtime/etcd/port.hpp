#pragma once
#include "runtime/etcd/requests.hpp"

#include <functional>

namespace troupe::etcd {

/// Where etcd is asked. Thread-safe; never blocks. Callbacks come on any thread, possibly within
/// the call, and not any more once the I/O threads have stopped.
class port {
public:
  virtual ~port() = default;

  /// Asks one member after the other until one answers or `limit` is over. A read, a keep-alive or
  /// a revocation may be asked of several; anything else is sent once.
  /// @param then called once
  virtual void perform(request what, std::chrono::milliseconds limit,
                       std::function<void(result)> then) = 0;

  /// Follows changes until they end by themselves (compacted, refused) or by `unwatch`.
  /// @returns its number, never 0
  virtual std::uint64_t watch(watch_spec what, std::function<void(watch_news)> then) = 0;

  /// No news come from this watch any more, except for what is being told at this moment.
  virtual void unwatch(std::uint64_t id) = 0;

  /// Ends everything: what is under way is answered soon, later requests at once, as unavailable
  /// (or unknown). Watches end silently.
  virtual void close() = 0;
};

} // namespace troupe::etcd
