#include "runtime/system/config.hpp"

#include "runtime/system/timer_clock.hpp"

#include <caf/actor_system.hpp>
#include <caf/policy/work_sharing.hpp>
#include <caf/scheduler/coordinator.hpp>

namespace troupe::system {
namespace {

/// CAF's work-sharing scheduler with another clock.
class scheduler final : public caf::scheduler::coordinator<caf::policy::work_sharing> {
public:
  using super = caf::scheduler::coordinator<caf::policy::work_sharing>;
  using super::super;

  // What caf::actor_system_config::load asks of a module.
  static void add_module_options(caf::actor_system_config&) {}
  static caf::actor_system::module* make(caf::actor_system& sys, caf::detail::type_list<>) {
    return new scheduler(sys);
  }

  caf::detail::thread_safe_actor_clock& clock() noexcept override { return clock_; }

protected:
  void start() override {
    clock_.start();
    super::start();
  }

  void stop() override {
    clock_.stop(); // First: a timer that fires when the workers are gone would leak its actor.
    super::stop();
  }

private:
  timer_clock clock_;
};

} // namespace

config::config(std::size_t threads) {
  set("caf.scheduler.max-threads", threads);
  set("caf.logger.console.verbosity", "quiet");
  load<scheduler>();
}

} // namespace troupe::system
