#pragma once
#include "runtime/native/pool.hpp"

#include <atomic>
#include <mutex>

namespace troupe::native {

/// One order on its way: the context of its handler, and who tells its end, once.
class job final : public context, public std::enable_shared_from_this<job> {
public:
  explicit job(run_order order) : order_(std::move(order)) {}

  /// Runs the handler, on this thread, until `until`. @returns whether it threw
  bool run(clock::time_point until);

  /// Ends it as `how`; nothing if it ended already.
  void end(run_result how);
  /// The same, and its context throws from now on.
  void write_off();

  [[nodiscard]] const run_order& order() const noexcept { return order_; }

  // context
  bot_id bot() const noexcept override { return order_.bot; }
  void send(std::string method, std::string json) override;
  std::future<answer> call(std::string method, std::string json) override;
  void reply(std::string_view text) override;
  void log(importance how, std::string_view text) override;
  clock::time_point deadline() const noexcept override { return deadline_; }

private:
  void make(std::string method, std::string json, std::function<void(answer)> then);
  void one_less();
  void check() const;

  run_order order_;
  clock::time_point deadline_{};
  std::atomic<bool> written_off_{false};
  std::atomic<bool> ended_{false};
  std::atomic<std::size_t> open_{1}; ///< The handler itself, and its calls.
};

} // namespace troupe::native
