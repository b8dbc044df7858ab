#pragma once
#include <algorithm>
#include <atomic>
#include <concepts>
#include <deque>
#include <mutex>
#include <utility>

namespace troupe {

/// Settings that a hundred thousand actors share and that change while they run: no message to each
/// of them, everybody asks at each use. Reading is one load. Thread-safe.
/// Old values live as long as this, since a reader may still look at one. Equal ones are kept once:
/// what is published again and again costs nothing.
template <std::equality_comparable T>
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
    auto known = std::find(all_.begin(), all_.end(), next);
    auto& value = known != all_.end() ? *known : all_.emplace_back(std::move(next));
    now_.store(&value, std::memory_order_release);
  }

  /// Different values so far.
  [[nodiscard]] std::size_t kept() const {
    std::lock_guard guard{mutex_};
    return all_.size();
  }

private:
  mutable std::mutex mutex_; ///< For writers.
  std::deque<T> all_;
  std::atomic<const T*> now_{nullptr};
};

} // namespace troupe
