#pragma once
#include "tests/sandbox/world.hpp"

#include <condition_variable>
#include <thread>

namespace troupe::sandbox {

/// Simulated users at work: they write to bots at a steady rate, on a thread of its own.
class load_generator {
public:
  struct order {
    std::vector<std::shared_ptr<bot>> bots;
    std::size_t users = 1; ///< Each writes to each bot in a private chat.
    double updates_per_second = 1;
    std::chrono::duration<double> length{1};
  };

  explicit load_generator(world& w) : world_(w) {}
  ~load_generator() { stop(); }

  /// Replaces what runs. Bots' chats with the users are made before it returns.
  void start(order x);
  void stop();
  [[nodiscard]] bool running() const noexcept { return running_; }
  [[nodiscard]] std::uint64_t made() const noexcept { return made_; }

private:
  struct pair {
    std::shared_ptr<chat> where;
    std::shared_ptr<const user> author;
  };

  void run(const order& x, const std::vector<pair>& pairs);

  world& world_;
  std::mutex mutex_; ///< Guards start and stop.
  std::mutex wake_mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::atomic<bool> running_{false};
  std::atomic<std::uint64_t> made_{0};
  std::thread thread_;
};

} // namespace troupe::sandbox
