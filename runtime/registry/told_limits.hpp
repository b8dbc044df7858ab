#pragma once
#include <cstdint>
#include <mutex>
#include <utility>

namespace troupe {

/// Limits that change while those who obey them are restarted: everybody is told the newest ones
/// last, whichever threads start and change. `tell` and `publish` run under a lock: they must not
/// block, nor come back here.
template <class T>
class told_limits {
public:
  explicit told_limits(T first) : now_(std::move(first)) {}

  [[nodiscard]] T get() const {
    std::lock_guard guard{mutex_};
    return now_;
  }

  /// Starts somebody under the limits as they are: `make(limits)`, without the lock, then
  /// `publish(made)`, from when on `change` tells him; and `tell(made, limits)` if they changed in
  /// between, for nobody else has told him. @returns what was made
  template <class Make, class Publish, class Tell>
  auto start(Make make, Publish publish, Tell tell) {
    std::unique_lock guard{mutex_};
    auto version = version_;
    auto known = now_;
    guard.unlock();
    auto made = make(std::as_const(known));
    guard.lock();
    publish(made);
    if (version_ != version)
      tell(made, std::as_const(now_));
    return made;
  }

  /// Other limits from now on: `tell(limits)` tells whoever is published.
  template <class Tell>
  void change(T next, Tell tell) {
    std::lock_guard guard{mutex_};
    now_ = std::move(next);
    ++version_;
    tell(std::as_const(now_));
  }

private:
  mutable std::mutex mutex_;
  T now_;
  std::uint64_t version_ = 0;
};

} // namespace troupe
