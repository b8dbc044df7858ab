#pragma once
#include "actors/supervisor/kin.hpp"
#include "messages/supervisor.hpp"

#include <caf/actor_system.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

/// When a child that ended is started again.
enum class restart_type : std::uint8_t {
  permanent, ///< Always.
  transient, ///< Unless it ended orderly: normally, by user_shutdown, or with ec::stopped.
  temporary, ///< Never; it is forgotten.
};

/// Who is restarted together with a child that crashed.
enum class restart_strategy : std::uint8_t { one_for_one, rest_for_one, one_for_all };
inline constexpr std::array restart_strategy_names{"one_for_one", "rest_for_one", "one_for_all"};

/// One child of a supervisor.
struct child_spec {
  std::string
    id; ///< Dotted actor name without ids ("troupe.session-pool"), unique in its supervisor.
  /// Spawns the child. Called at each (re)start, on the supervisor's thread; must not block. What
  /// it throws, and an empty handle, count as a crash.
  std::function<caf::actor(caf::actor_system&)> start;
  restart_type restart = restart_type::permanent;
  /// Time between the ask and the kill. Zero kills at once, caf::infinite never.
  caf::timespan shutdown_deadline = std::chrono::seconds{5};
  /// The child answers get_report with a supervision_report, and `ready_request` once all its own
  /// children run: its later siblings wait for that.
  bool is_supervisor = false;
};

/// A supervisor, as data.
struct supervisor_spec {
  std::string name; ///< For logs and reports: "troupe.services".
  restart_strategy strategy = restart_strategy::one_for_one;
  std::size_t intensity = 5; ///< So many restarts ...
  caf::timespan period =
    std::chrono::seconds{10}; ///< ... in any period this long; one more escalates.
  /// Before a restart, so that a child that dies at start cannot starve its siblings. Doubles while
  /// it goes on dying, up to period / (intensity + 1): a pause must not hide a loop from the
  /// budget.
  caf::timespan pause = std::chrono::milliseconds{50};
  std::vector<child_spec> children; ///< In start order.
};

/// Asks a supervisor to say when all its children run. Between supervisors only.
using ready_request = caf::ok_atom;

/// Spawns a supervisor; it starts its children at once. It ends with user_shutdown when asked to,
/// or with restart_budget_exceeded; in both cases after all its children. See
/// messages/supervisor.hpp.
/// @param relatives Shared by all incarnations of one supervisor; see kin.hpp. May be null.
supervisor_actor spawn_supervisor(caf::actor_system& sys, supervisor_spec spec,
                                  std::shared_ptr<kin> relatives = nullptr);

/// A supervisor as the child of another one. It is never killed by its parent's deadline.
child_spec supervise(supervisor_spec spec);

} // namespace troupe
