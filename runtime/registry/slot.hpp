#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <thread>
#include <utility>

namespace troupe {

/// The published handle of a service that may be restarted at any time. Readers ask at each use and
/// keep nothing; the service publishes itself at each start. Thread-safe; never blocks for long.
/// Striped: a reader locks one cell of its own, so readers do not slow each other down.
template <class Handle>
class service_slot {
public:
  service_slot() = default;
  service_slot(const service_slot&) = delete;
  service_slot& operator=(const service_slot&) = delete;

  /// Makes `handle` what `get()` returns; a default-made handle empties the slot.
  void publish(Handle handle) {
    for (auto& cell : cells_) {
      auto copy = handle;
      {
        guard lock{cell.busy};
        std::swap(cell.handle, copy);
      }
      // The old handle is released here, outside the lock: it may end an actor.
    }
  }

  /// The service, or an empty handle between its death and its restart.
  [[nodiscard]] Handle get() const {
    auto& cell = cells_[stripe()];
    guard lock{cell.busy};
    return cell.handle;
  }

private:
  static constexpr std::size_t stripes = 8;

  struct alignas(64) cell {
    mutable std::atomic<bool> busy{false};
    Handle handle{};
  };

  struct guard {
    explicit guard(std::atomic<bool>& flag) noexcept : busy(flag) {
      for (int spins = 0; busy.exchange(true, std::memory_order_acquire); ++spins)
        if (spins > 64) // Its holder may have lost the core.
          std::this_thread::yield();
    }
    ~guard() { busy.store(false, std::memory_order_release); }
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;
    std::atomic<bool>& busy;
  };

  static std::size_t stripe() noexcept {
    static std::atomic<std::size_t> next{0};
    thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % stripes;
    return mine;
  }

  std::array<cell, stripes> cells_;
};

} // namespace troupe
