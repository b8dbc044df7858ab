#pragma once
#include <atomic>
#include <deque>
#include <mutex>
#include <utility>

namespace troupe {

/// Settings that a hundred thousand actors share and that change while they run: no message to each
/// of them, everybody asks at each use. Reading is one load. Thread-safe.
/// Old values live as long as this, since a reader may still look at one: changes are rare.
template <class T>
class live_value {
public:
  explicit live_value(T first = {}) { publish(std::move(first)); }
  live_value(const live_value&) = delete;
  live_value& operator=(const live_value&) = delete;

  /// The value now. The reference stays valid, and the value behind it the same.
  [[nodiscard]] const T& get() const noexcept { return *now_.load(std::memory_order_acquire); }

  /// What `get()` returns from now on.
  void publish(T next) {
    std::lock_guard guard{mutex_};
    now_.store(&all_.emplace_back(std::move(next)), std::memory_order_release);
  }

private:
  std::mutex mutex_; ///< For writers.
  std::deque<T> all_;
  std::atomic<const T*> now_{nullptr};
};

} // namespace troupe
