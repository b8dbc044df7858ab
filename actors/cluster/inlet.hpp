#pragma once
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace troupe::clustering {

/// What other threads have an actor do, in their order. Thread-safe.
class inlet {
public:
  /// @param wake called when there is something to do and there was nothing before
  explicit inlet(std::function<void()> wake) : wake_(std::move(wake)) {}

  void add(std::function<void()> what) {
    bool first = false;
    {
      std::lock_guard lock{mutex_};
      first = waiting_.empty();
      waiting_.push_back(std::move(what));
    }
    if (first)
      wake_();
  }
  [[nodiscard]] std::vector<std::function<void()>> take() {
    std::lock_guard lock{mutex_};
    return std::exchange(waiting_, {});
  }

private:
  std::mutex mutex_;
  std::vector<std::function<void()>> waiting_;
  std::function<void()> wake_;
};

} // namespace troupe::clustering
