#include "actors/supervisor/supervisor.hpp"

#include "actors/supervisor/end_reason.hpp"
#include "runtime/log/log.hpp"
#include "runtime/policy/restart_budget.hpp"

#include <caf/disposable.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <algorithm>
#include <optional>
#include <unordered_set>

namespace troupe {
namespace {

using supervisor_impl = supervisor_actor::extend<caf::result<void>(ready_request)>;

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
  time_point since;           ///< Its last start.
  caf::disposable timer;      ///< Of its pause, or of the deadline of its stop.

  bool alive() const noexcept {
    return at == stage::starting || at == stage::running || at == stage::stopping;
  }
  bool stoppable() const noexcept { return at == stage::starting || at == stage::running; }
};

struct supervisor_state {
  static inline const char* name = "troupe.supervisor";

  supervisor_state(supervisor_impl::pointer self, supervisor_spec what,
                   std::shared_ptr<kin> relatives)
    : self(self), spec(std::move(what)), relatives(std::move(relatives)),
      budget(spec.intensity, spec.period) {
    for (auto& one : spec.children)
      children.push_back({.spec = std::move(one), .actor = {}, .since = {}, .timer = {}});
    spec.children.clear();
  }

  ~supervisor_state() {
    cancel_timers();
  }

  supervisor_impl::behavior_type make_behavior() {
    self->set_down_handler([this](const caf::down_msg& down) { on_down(down); });
    self->set_exit_handler([this](const caf::exit_msg& ask) {
      if (ask.reason)
        end(ask.reason);
    });
    take_over();
    for (auto& one : children)
      one.at = stage::due;
    step();
    return {
      [this](get_report ask) { return report(ask.limit); },
      [this](ready_request) -> caf::result<void> {
        if (booted)
          return caf::unit;
        waiting.push_back(self->make_response_promise<void>());
        return waiting.back();
      },
    };
  }

  /// What an earlier incarnation left alive must be dead before anything is started.
  void take_over() {
    std::vector<caf::strong_actor_ptr> found;
    incarnation = relatives->begin(found);
    for (auto& one : found)
      if (left.insert(one->id()).second)
        self->monitor(one);
    self->attach_functor([family = relatives, number = incarnation](const caf::error&) {
      family->orphaned(number);
    });
  }

  // -- the plan: first stop what must stop, last started first; then start what is due, in order --

  void step() {
    while (!ended && advance()) {
    }
  }

  /// @returns whether there may be more to do at once.
  bool advance() {
    auto is_stopping = [](const child& x) { return x.at == stage::stopping; };
    if (!left.empty() || std::ranges::any_of(children, is_stopping))
      return false; // Its end brings us back.
    for (auto i = children.size(); i-- > 0;)
      if (children[i].must_stop && children[i].stoppable())
        return ask_to_stop(children[i]), false;
    if (ending) {
      ended = true;
      self->quit(*ending);
      return false;
    }
    return !group_rest && start_due();
  }

  bool start_due() {
    bool in_order = !booted || spec.strategy != restart_strategy::one_for_one;
    for (auto& one : children) {
      if (one.at == stage::due) {
        start(one);
        return true; // It may have failed and changed the plan.
      }
      if (in_order && (one.at == stage::resting || one.at == stage::starting))
        return false; // Later children may rely on this one.
    }
    booted = true;
    for (auto& promise : std::exchange(waiting, {}))
      promise.deliver();
    return false;
  }

  void start(child& one) {
    caf::error failure;
    try {
      one.actor = one.spec.start(self->system());
      if (!one.actor)
        failure = caf::make_error(caf::sec::runtime_error, "start returned no actor");
    } catch (const std::exception& e) {
      failure = caf::make_error(caf::sec::runtime_error, e.what());
    } catch (...) {
      failure = caf::make_error(caf::sec::runtime_error, "start threw no std::exception");
    }
    one.since = self->clock().now();
    if (failure) {
      one.actor = nullptr;
      return on_end(one, failure);
    }
    relatives->add(incarnation, caf::actor_cast<caf::strong_actor_ptr>(one.actor));
    self->monitor(one.actor);
    one.at = one.spec.is_supervisor ? stage::starting : stage::running;
    if (one.spec.is_supervisor)
      await_ready(one);
    if (std::exchange(one.crashed, false)) {
      ++one.restarts;
      log::event(log::level::info, "child.restarted", one.spec.id,
                 {{"supervisor", spec.name}, {"attempt", std::int64_t{one.in_a_row}}},
                 "The supervisor started the child again.");
    } else {
      log::event(log::level::info, "child.started", one.spec.id, {{"supervisor", spec.name}},
                 "The supervisor started the child.");
    }
  }

  void await_ready(child& one) {
    auto done = [this, index = index_of(one), id = one.actor.id()] {
      auto& asked = children[index];
      if (asked.at == stage::starting && asked.actor.id() == id) {
        asked.at = stage::running;
        step();
      }
    };
    // An error: it does not know the question, or it ended, and its end is on the way.
    self->request(one.actor, caf::infinite, ready_request{})
      .then(done, [done](const caf::error&) { done(); });
  }

  void ask_to_stop(child& one) {
    one.must_stop = false;
    one.at = stage::stopping;
    if (one.spec.shutdown_deadline <= caf::timespan::zero())
      return kill_now(caf::actor_cast<caf::strong_actor_ptr>(one.actor));
    self->send_exit(one.actor, caf::exit_reason::user_shutdown);
    if (caf::is_infinite(one.spec.shutdown_deadline))
      return;
    one.timer = self->run_delayed(one.spec.shutdown_deadline, [this, index = index_of(one)] {
      auto& late = children[index];
      if (late.at == stage::stopping)
        kill_now(caf::actor_cast<caf::strong_actor_ptr>(late.actor));
    });
  }

  // -- ends --------------------------------------------------------------------------------------

  void on_down(const caf::down_msg& down) {
    relatives->remove(incarnation, down.source.id());
    auto same = [&](const child& x) { return x.alive() && x.actor.id() == down.source.id(); };
    if (left.erase(down.source.id()) == 0) {
      auto one = std::ranges::find_if(children, same);
      if (one == children.end())
        return;
      one->actor = nullptr;
      on_end(*one, down.reason);
    }
    step();
  }

  void on_end(child& one, const caf::error& reason) {
    one.timer.dispose();
    bool wanted_to_end = one.at == stage::stopping || std::exchange(one.must_stop, false);
    if (wanted_to_end || (is_orderly(reason) && !restarts_after(one, reason)))
      log_end(log::level::info, "child.stopped", one, reason, "The child stopped.");
    if (wanted_to_end) {
      one.at = ending ? stage::idle : stage::due;
      if (!ending && one.spec.restart == restart_type::temporary)
        one.at = stage::gone;
    } else if (one.spec.restart == restart_type::temporary) {
      one.at = stage::gone;
      if (!is_orderly(reason))
        log_end(log::level::warning, "child.crashed", one, reason, "The child crashed for good.");
    } else if (!restarts_after(one, reason)) {
      one.at = stage::idle;
    } else {
      recover(one, reason);
    }
  }

  static bool restarts_after(const child& one, const caf::error& reason) {
    return one.spec.restart == restart_type::permanent
           || (one.spec.restart == restart_type::transient && !is_orderly(reason));
  }

  void recover(child& one, const caf::error& reason) {
    auto now = self->clock().now();
    one.at = stage::idle;
    one.crashed = true;
    if (!budget.record(now))
      return escalate(one, reason);
    one.in_a_row = now - one.since > spec.period ? 1 : one.in_a_row + 1;
    auto pause = pause_of(one);
    log::event(log::level::warning, "child.crashed", one.spec.id,
               {{"supervisor", spec.name},
                {"reason", readable(reason)},
                {"attempt", static_cast<std::int64_t>(budget.used(now))},
                {"of", static_cast<std::int64_t>(spec.intensity)},
                {"after", seconds(pause)}},
               "The child crashed; its supervisor restarts it.");
    if (spec.strategy == restart_strategy::one_for_one) {
      one.at = stage::resting;
      one.timer = self->run_delayed(pause, [this, index = index_of(one)] {
        if (children[index].at == stage::resting) {
          children[index].at = stage::due;
          step();
        }
      });
      return;
    }
    one.at = stage::due;
    bool all = spec.strategy == restart_strategy::one_for_all;
    for (auto i = all ? 0 : index_of(one) + 1; i < children.size(); ++i)
      include(children[i]);
    group_timer.dispose();
    group_rest = true;
    group_timer = self->run_delayed(pause, [this] {
      group_rest = false;
      step();
    });
  }

  /// Makes a sibling part of a group restart. One that had ended orderly is started again, too.
  void include(child& sibling) {
    if (sibling.stoppable())
      sibling.must_stop = true;
    else if (sibling.at == stage::idle)
      sibling.at = stage::due;
  }

  caf::timespan pause_of(const child& one) const {
    auto longest = spec.period / static_cast<caf::timespan::rep>(spec.intensity + 1);
    auto pause = spec.pause;
    for (std::uint32_t i = 1; i < one.in_a_row && pause < longest; ++i)
      pause *= 2;
    return std::min(pause, longest);
  }

  void escalate(const child& one, const caf::error& reason) {
    log_end(log::level::error, "child.escalated", one, reason,
            "The restart budget is spent; the supervisor stops its children and ends.");
    end(caf::make_error(ec::restart_budget_exceeded, one.spec.id + ": " + readable(reason)));
  }

  /// Stops all children in reverse order, then this supervisor with `reason`.
  void end(caf::error reason) {
    if (ending)
      return;
    ending = std::move(reason);
    group_timer.dispose();
    for (auto& one : children) {
      if (one.stoppable()) {
        one.must_stop = true;
      } else if (one.at == stage::due || one.at == stage::resting) {
        one.timer.dispose();
        one.at = stage::idle;
      }
    }
    step();
  }

  // -- words -------------------------------------------------------------------------------------

  supervision_report report(std::size_t limit) const {
    supervision_report result;
    result.name = spec.name;
    result.strategy = restart_strategy_names[static_cast<std::size_t>(spec.strategy)];
    result.children = children.size();
    for (auto& one : children) {
      result.restarts += one.restarts;
      if (result.rows.size() == limit)
        continue;
      child_info row;
      row.name = one.spec.id;
      row.state = word_for(one.at);
      row.restarts = one.restarts;
      if (one.alive()) {
        row.uptime = self->clock().now() - one.since;
        if (one.spec.is_supervisor)
          row.supervisor = caf::actor_cast<caf::strong_actor_ptr>(one.actor);
      }
      result.rows.push_back(std::move(row));
    }
    return result;
  }

  static const char* word_for(stage at) noexcept {
    switch (at) {
      case stage::starting:
      case stage::running:  return "running";
      case stage::due:
      case stage::resting:  return "restarting";
      case stage::stopping: return "stopping";
      default:              return "stopped";
    }
  }

  void log_end(log::level how, std::string_view event, const child& one, const caf::error& reason,
               std::string_view note) {
    log::event(how, event, one.spec.id, {{"supervisor", spec.name}, {"reason", readable(reason)}},
               note);
  }

  static double seconds(caf::timespan x) { return std::chrono::duration<double>(x).count(); }

  std::size_t index_of(const child& one) const noexcept {
    return static_cast<std::size_t>(&one - children.data());
  }

  void cancel_timers() {
    group_timer.dispose();
    for (auto& one : children)
      one.timer.dispose();
  }

  supervisor_impl::pointer self;
  supervisor_spec spec; ///< Its children moved to `children`.
  std::shared_ptr<kin> relatives;
  std::uint64_t incarnation = 0;
  restart_budget budget;
  std::vector<child> children; ///< In start order; its size never changes.
  std::unordered_set<caf::actor_id> left; ///< Of the incarnation before; still dying.
  std::vector<caf::typed_response_promise<void>> waiting;
  std::optional<caf::error> ending;
  bool ended = false;
  bool booted = false;
  bool group_rest = false;
  caf::disposable group_timer;
};

} // namespace

supervisor_actor spawn_supervisor(caf::actor_system& sys, supervisor_spec spec,
                                  std::shared_ptr<kin> relatives) {
  if (!relatives)
    relatives = std::make_shared<kin>();
  return sys.spawn<supervisor_impl::stateful_impl<supervisor_state>>(std::move(spec),
                                                                     std::move(relatives));
}

child_spec supervise(supervisor_spec spec) {
  auto id = spec.name;
  auto start = [spec = std::move(spec), relatives = std::make_shared<kin>()](caf::actor_system& sys) {
    return caf::actor_cast<caf::actor>(spawn_supervisor(sys, spec, relatives));
  };
  return {.id = std::move(id),
          .start = std::move(start),
          .restart = restart_type::permanent,
          .shutdown_deadline = caf::infinite,
          .is_supervisor = true};
}

} // namespace troupe
