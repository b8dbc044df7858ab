#pragma once
#include "tests/simulation/run.hpp"
#include "tests/simulation/world.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace troupe::simulation {

/// The course of one plan, message by message.
class history {
public:
  history(const plan& what, const run_options& how);
  ~history();
  history(const history&) = delete;
  history& operator=(const history&) = delete;

  result run();

private:
  bool advance();
  void faults();
  void inflict(const fault& x);
  void torment(const std::string& supervisor, const std::string& name, time_point until);
  void spell(bool weather::*which, const fault& x);
  void begin_call(std::size_t i);
  void start_node();
  void end_node(duration until_next, bool orderly);
  void touch();
  void look();
  void final_look();
  void look_at_breakers();
  void hear();
  std::string unrest();
  bool gone(std::size_t bot, std::size_t update);
  bool plan_has_jumps() const;
  void tell(const std::string& what) const;
  void tell_log();
  void tell_bots();
  result report();

  const plan& plan_;
  run_options how_;
  log::capture log_{log::level::info};
  outside world_;
  time_point begin_;
  std::unique_ptr<node> node_;
  std::vector<std::pair<std::uint64_t, fault>> due_; ///< By the message before which they come.
  std::uint64_t steps_ = 0;
  std::uint64_t quiet_ = 0;
  time_point moment_{};
  std::uint64_t turns_ = 0; ///< Since it began.
  std::uint64_t lives_ = 0;
  std::size_t told_ = 0;    ///< Lines of the log, told.
  std::size_t heard_ = 0;   ///< And judged.
  std::int64_t marked_ = 0; ///< Wall clock: when the node was last known to live.
  duration pause_{0};       ///< After an orderly end.
  std::shared_ptr<std::set<std::int64_t>> dead_ = std::make_shared<std::set<std::int64_t>>();
  bool stopping_ = false;
  bool enrolled_ = false;
};

} // namespace troupe::simulation
