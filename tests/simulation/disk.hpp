#pragma once
#include "actors/store/work.hpp"

#include <deque>
#include <memory>
#include <string>

namespace troupe::simulation {

struct outside;

/// Runs the real SQL on SQLite in memory, one work at a time, when the agenda says so. What is
/// committed outlives the node.
class disk final : public storage::sql_port {
public:
  explicit disk(outside& world);
  ~disk() override;

  void submit(storage::work what) override;
  [[nodiscard]] std::uint64_t commits() const noexcept override { return commits_; }

  /// The process is gone: what was not begun never is, and nobody hears of the rest.
  void vanish();

private:
  void run_next(bool write);
  void run(storage::work& what);

  outside& world_;
  store::database db_;
  std::deque<storage::work> lines_[2]; ///< Reads, writes.
  bool running_[2] = {false, false};
  std::uint64_t era_ = 0;
  std::uint64_t commits_ = 0;
};

} // namespace troupe::simulation
