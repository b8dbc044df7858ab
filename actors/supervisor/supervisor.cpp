#include "actors/supervisor/supervisor.hpp"

#include "actors/supervisor/supervisor_state.hpp"

#include <caf/stateful_actor.hpp>

#include <algorithm>

namespace troupe {
namespace {

const char* word_for(supervisor_state::stage at) noexcept {
  using enum supervisor_state::stage;
  switch (at) {
  case starting:
  case running:
    return "running";
  case due:
  case resting:
    return "restarting";
  case stopping:
    return "stopping";
  default:
    return "stopped";
  }
}

} // namespace

supervisor_state::supervisor_state(supervisor_impl::pointer self, supervisor_spec what,
                                   std::shared_ptr<kin> relatives)
  : self(self), spec(std::move(what)), relatives(std::move(relatives)),
    budget(spec.intensity, spec.period) {
  for (auto& one : spec.children)
    children.push_back({.spec = std::move(one), .actor = {}, .since = {}, .timer = {}});
  spec.children.clear();
}

supervisor_state::~supervisor_state() {
  group_timer.dispose();
  for (auto& one : children)
    one.timer.dispose();
}

supervisor_impl::behavior_type supervisor_state::make_behavior() {
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
    [this](const restart_child& order) { return restart(order); },
    [this](ready_request) -> caf::result<void> {
      if (booted)
        return caf::unit;
      waiting.push_back(self->make_response_promise<void>());
      return waiting.back();
    },
  };
}

/// What an earlier incarnation left alive must be dead before anything is started.
void supervisor_state::take_over() {
  std::vector<caf::strong_actor_ptr> found;
  incarnation = relatives->begin(found);
  for (auto& one : found)
    if (left.insert(one->id()).second)
      self->monitor(one);
  self->attach_functor(
    [family = relatives, number = incarnation](const caf::error&) { family->orphaned(number); });
}

supervision_report supervisor_state::report(std::size_t limit) const {
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

void supervisor_state::step() {
  while (!ended && advance()) {
  }
}

/// @returns whether there may be more to do at once.
bool supervisor_state::advance() {
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

bool supervisor_state::start_due() {
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

void supervisor_state::start(child& one) {
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

void supervisor_state::await_ready(child& one) {
  auto done = [this, index = index_of(one), id = one.actor.id()] {
    auto& asked = children[index];
    if (asked.at == stage::starting && asked.actor.id() == id) {
      asked.at = stage::running;
      step();
    }
  };
  // An error: it does not know the question, or it ended, and its end is on the way.
  self->request(one.actor, caf::infinite, ready_request{}).then(done, [done](const caf::error&) {
    done();
  });
}

void supervisor_state::ask_to_stop(child& one) {
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

supervisor_actor spawn_supervisor(caf::actor_system& sys, supervisor_spec spec,
                                  std::shared_ptr<kin> relatives) {
  if (!relatives)
    relatives = std::make_shared<kin>();
  return sys.spawn<supervisor_impl::stateful_impl<supervisor_state>>(std::move(spec),
                                                                     std::move(relatives));
}

child_spec supervise(supervisor_spec spec) {
  auto id = spec.name;
  auto start = [spec = std::move(spec),
                relatives = std::make_shared<kin>()](caf::actor_system& sys) {
    return caf::actor_cast<caf::actor>(spawn_supervisor(sys, spec, relatives));
  };
  return {.id = std::move(id),
          .start = std::move(start),
          .restart = restart_type::permanent,
          .shutdown_deadline = caf::infinite,
          .is_supervisor = true};
}

} // namespace troupe
