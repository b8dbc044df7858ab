#pragma once
#include "actors/cluster/cluster.hpp"
#include "actors/rate_governor/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "runtime/registry/cluster_view.hpp"
#include "tests/simulation/agenda.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <deque>
#include <memory>

namespace troupe::simulation::clustered {

struct universe;

/// One life of one node's process. Real: membership, desk, governor, the view that all of them
/// share. Stand-ins: the rooms with the bots, the pool, the gateway (`rooms.cpp`).
class node {
public:
  node(universe& world, std::size_t at, std::uint64_t life);
  ~node();
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  [[nodiscard]] bool busy() const noexcept { return !paused_ && !sched_->jobs.empty(); }
  void step();
  /// True time at which something is due inside.
  [[nodiscard]] time_point next_timer();
  void run_timers();
  void set_clock();

  [[nodiscard]] bool paused() const noexcept { return paused_; }
  void pause() noexcept { paused_ = true; }
  void resume();
  void deliver(std::function<void()> what);

  void begin_call(std::size_t i);
  void kill_governor();
  void kill_cluster();
  void drain(std::size_t other, bool draining);

  [[nodiscard]] caf::actor_system& system() noexcept { return *sys_; }
  [[nodiscard]] const cluster_view& view() const noexcept { return *view_; }
  [[nodiscard]] caf::actor desk() const { return desk_; }
  [[nodiscard]] rate_governor_actor governor() const { return governor_; }
  [[nodiscard]] caf::actor bots() const { return rooms_; }
  [[nodiscard]] std::size_t at() const noexcept { return at_; }
  [[nodiscard]] std::uint64_t life() const noexcept { return life_; }
  [[nodiscard]] time_point resumed() const noexcept { return resumed_; }

private:
  void start_cluster();
  void start_governor();

  universe& world_;
  std::size_t at_;
  std::uint64_t life_;
  std::uint64_t holder_;
  caf::actor_system_config cfg_;
  std::unique_ptr<caf::actor_system> sys_;
  caf::scheduler::test_coordinator* sched_ = nullptr;
  std::shared_ptr<cluster_view> view_ = std::make_shared<cluster_view>();
  std::shared_ptr<grant_memory> memory_ = std::make_shared<grant_memory>();
  caf::actor desk_;
  caf::actor rooms_;
  caf::actor gateway_;
  session_pool_actor pool_;
  rate_governor_actor governor_;
  cluster_actor cluster_;
  bool paused_ = false;
  time_point resumed_{};
  std::deque<std::function<void()>> frozen_;
};

// -- rooms.cpp: the stand-ins

[[nodiscard]] caf::actor spawn_rooms(universe& world, node& of);
[[nodiscard]] caf::actor spawn_gateway(universe& world, node& of);
[[nodiscard]] session_pool_actor spawn_pool(universe& world, node& of);

} // namespace troupe::simulation::clustered
