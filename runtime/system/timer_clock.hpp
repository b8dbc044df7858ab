#pragma once
#include <caf/action.hpp>
#include <caf/detail/thread_safe_actor_clock.hpp>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace troupe::system {

/// The actors' clock: a binary heap of timers and one thread that runs what is due. Setting a timer
/// is O(log n) and wakes the thread only when it becomes the first; disposed timers are dropped at
/// the latest when they are as many as the others. (CAF 0.18's own clock wakes for every timer and
/// sorts all of them each time: with a timer per bot that is the first thing to saturate.)
///
/// Thread-safe. Derives from CAF's clock only because its scheduler's interface names that type.
class timer_clock final : public caf::detail::thread_safe_actor_clock {
public:
  timer_clock() = default;
  ~timer_clock() override;

  caf::disposable schedule_periodically(time_point first_run, caf::action what,
                                        duration_type period) override;

  /// Starts the thread. `stop` ends it; what is not due by then never runs, and what is set
  /// afterwards neither.
  void start();
  void stop();

  /// Timers held, disposed ones not yet dropped included.
  [[nodiscard]] std::size_t size() const;

private:
  struct entry {
    time_point due;
    std::uint64_t turn; ///< Of two due at the same time, the one set first runs first.
    caf::action what;
    duration_type period; ///< Not positive: once.

    bool operator<(const entry& other) const noexcept { // For a heap with the earliest on top.
      return due != other.due ? due > other.due : turn > other.turn;
    }
  };

  void run();
  void push(entry x);
  std::vector<entry> take_due(time_point now);
  std::vector<entry> take_disposed();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<entry> heap_;
  std::uint64_t turns_ = 0;
  std::size_t look_at_ = 1024; ///< At this size disposed timers are looked for.
  bool stopped_ = false;
  std::thread thread_;
};

} // namespace troupe::system
