#pragma once
#include "actors/supervisor/supervisor.hpp"
#include "runtime/log/log.hpp"
#include "runtime/policy/restart_budget.hpp"

#include <caf/disposable.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <optional>
#include <unordered_set>

/// The state of a supervisor; for the files of this folder only.
namespace troupe {

using supervisor_impl = supervisor_actor::extend<caf::result<void>(ready_request)>;

struct supervisor_state {
  static inline const char* name = "troupe.supervisor";

  /// Where one child stands.
  enum class stage : std::uint8_t {
    idle,     ///< Does not run, and nobody wants it to.
    due,      ///< To be started when its turn comes.
    resting,  ///< Crashed; due after a pause.
    starting, ///< A supervisor whose own children are not all up.
    running,
    stopping, ///< Was asked to end.
    gone,     ///< A temporary child that ended.
  };

  struct child {
    child_spec spec;
    stage at = stage::idle;
    caf::actor actor;
    bool must_stop = false;     ///< To be stopped before anything is started.
    bool crashed = false;       ///< The next start is a restart.
    std::uint32_t in_a_row = 0; ///< Crashes without a whole period in between.
    std::uint64_t restarts = 0;
    time_point since;      ///< Its last start.
    caf::disposable timer; ///< Of its pause, or of the deadline of its stop.

    bool stoppable() const noexcept { return at == stage::starting || at == stage::running; }
    bool alive() const noexcept { return stoppable() || at == stage::stopping; }
  };

  supervisor_state(supervisor_impl::pointer self, supervisor_spec what,
                   std::shared_ptr<kin> relatives);
  ~supervisor_state();

  supervisor_impl::behavior_type make_behavior();
  supervision_report report(std::size_t limit) const;

  // The plan (supervisor.cpp): first stop what must stop, last started first; then start what is
  // due, in order.
  void take_over();
  void step();
  bool advance();
  bool start_due();
  void start(child& one);
  void await_ready(child& one);
  void ask_to_stop(child& one);

  // Ends (ends.cpp).
  void on_down(const caf::down_msg& down);
  void on_end(child& one, const caf::error& reason);
  void recover(child& one, const caf::error& reason);
  void rest(child& one, caf::timespan pause);
  void include(child& sibling);
  bool restart(const restart_child& order);
  caf::timespan pause_of(const child& one) const;
  void escalate(const child& one, const caf::error& reason);
  void end(caf::error reason);
  void log_end(log::level how, std::string_view event, const child& one, const caf::error& reason,
               std::string_view note) const;

  std::size_t index_of(const child& one) const noexcept {
    return static_cast<std::size_t>(&one - children.data());
  }

  supervisor_impl::pointer self;
  supervisor_spec spec; ///< Its children moved to `children`.
  std::shared_ptr<kin> relatives;
  std::uint64_t incarnation = 0;
  restart_budget budget;
  std::vector<child> children;            ///< In start order; its size never changes.
  std::unordered_set<caf::actor_id> left; ///< Of the incarnation before; still dying.
  std::vector<caf::typed_response_promise<void>> waiting;
  std::optional<caf::error> ending;
  bool ended = false;
  bool booted = false;
  bool group_rest = false;
  caf::disposable group_timer;
};

} // namespace troupe
