#include "actors/supervisor/end_reason.hpp"
#include "actors/supervisor/supervisor_state.hpp"
#include "runtime/policy/mutation.hpp"

#include <algorithm>

namespace troupe {
namespace {

bool restarts_after(const supervisor_state::child& one, const caf::error& reason) {
  return one.spec.restart == restart_type::permanent
         || (one.spec.restart == restart_type::transient && !is_orderly(reason));
}

double as_seconds(caf::timespan x) {
  return std::chrono::duration<double>(x).count();
}

} // namespace

void supervisor_state::on_down(const caf::down_msg& down) {
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

void supervisor_state::on_end(child& one, const caf::error& reason) {
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

void supervisor_state::recover(child& one, const caf::error& reason) {
  auto now = self->clock().now();
  one.at = stage::idle;
  one.crashed = true;
  if (!budget.record(now) && !TROUPE_MUTATION("restarts-unbounded"))
    return escalate(one, reason);
  one.in_a_row = now - one.since > spec.period ? 1 : one.in_a_row + 1;
  auto pause = pause_of(one);
  log::event(log::level::warning, "child.crashed", one.spec.id,
             {{"supervisor", spec.name},
              {"reason", readable(reason)},
              {"attempt", static_cast<std::int64_t>(budget.used(now))},
              {"of", static_cast<std::int64_t>(spec.intensity)},
              {"after", as_seconds(pause)}},
             "The child crashed; its supervisor restarts it.");
  if (spec.strategy == restart_strategy::one_for_one)
    return rest(one, pause);
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

/// Starts the child again after the pause; its siblings go on.
void supervisor_state::rest(child& one, caf::timespan pause) {
  one.at = stage::resting;
  one.timer = self->run_delayed(pause, [this, index = index_of(one)] {
    if (children[index].at == stage::resting) {
      children[index].at = stage::due;
      step();
    }
  });
}

/// Makes a sibling part of a group restart. One that had ended orderly is started again, too.
void supervisor_state::include(child& sibling) {
  if (sibling.stoppable())
    sibling.must_stop = true;
  else if (sibling.at == stage::idle)
    sibling.at = stage::due;
}

bool supervisor_state::restart(const restart_child& order) {
  auto one = std::ranges::find(children, order.name, [](const child& x) { return x.spec.id; });
  if (ending || one == children.end() || !one->stoppable()
      || one->spec.restart == restart_type::temporary)
    return false;
  if (order.kill) {
    kill_now(caf::actor_cast<caf::strong_actor_ptr>(one->actor)); // We see its end as any other.
    return true;
  }
  bool all = spec.strategy == restart_strategy::one_for_all;
  auto last = spec.strategy == restart_strategy::one_for_one ? index_of(*one) : children.size() - 1;
  for (auto i = all ? 0 : index_of(*one); i <= last; ++i)
    include(children[i]);
  step();
  return true;
}

caf::timespan supervisor_state::pause_of(const child& one) const {
  auto longest = spec.period / static_cast<caf::timespan::rep>(spec.intensity + 1);
  auto pause = spec.pause;
  for (std::uint32_t i = 1; i < one.in_a_row && pause < longest; ++i)
    pause *= 2;
  return std::min(pause, longest);
}

void supervisor_state::escalate(const child& one, const caf::error& reason) {
  log_end(log::level::error, "child.escalated", one, reason,
          "The restart budget is spent; the supervisor stops its children and ends.");
  end(caf::make_error(ec::restart_budget_exceeded, one.spec.id + ": " + readable(reason)));
}

/// Stops all children in reverse order, then this supervisor with `reason`.
void supervisor_state::end(caf::error reason) {
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

void supervisor_state::log_end(log::level how, std::string_view event, const child& one,
                               const caf::error& reason, std::string_view note) const {
  log::event(how, event, one.spec.id, {{"supervisor", spec.name}, {"reason", readable(reason)}},
             note);
}

} // namespace troupe
