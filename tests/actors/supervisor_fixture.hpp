#pragma once
#include "actors/supervisor/supervisor.hpp"

#include <caf/all.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <map>
#include <optional>
#include <set>

namespace troupe {

/// What the children of a supervisor under test did. Outlives them.
struct stage_world {
  std::vector<std::string> history; ///< "+a": started; "-a": ended.
  std::map<std::string, caf::actor> actors;
  std::map<std::string, int> alive;
  std::map<std::string, caf::error> reasons;
  std::set<std::string> failing; ///< Whose start throws.
  int most_alive = 0;            ///< Incarnations of one child at the same time.
  std::optional<caf::error> end; ///< Of the supervisor under test.

  int total_alive() const {
    int sum = 0;
    for (auto& [id, n] : alive)
      sum += n;
    return sum;
  }
};

/// Children with one-word names; one called "deaf" hears no ask. Time passes by hand.
struct supervisor_fixture : test_coordinator_fixture<> {
  std::shared_ptr<stage_world> world = std::make_shared<stage_world>();
  caf::actor top;

  ~supervisor_fixture() override {
    if (top)
      kill_now(caf::actor_cast<caf::strong_actor_ptr>(top));
    world->actors.clear();
    top = nullptr;
    sched.run();
  }

  child_spec child(const std::string& id) {
    auto start = [world = world, id](caf::actor_system& sys) {
      if (world->failing.count(id) != 0)
        throw std::runtime_error(id + " cannot start");
      auto actor = sys.spawn([deaf = id == "deaf"](caf::event_based_actor* self) -> caf::behavior {
        if (deaf)
          self->set_exit_handler([](const caf::exit_msg&) {});
        return {[self](caf::ok_atom) { self->quit(); }};
      });
      world->history.push_back("+" + id);
      world->most_alive = std::max(world->most_alive, ++world->alive[id]);
      world->actors[id] = actor;
      actor->attach_functor([world, id](const caf::error& reason) {
        world->history.push_back("-" + id);
        --world->alive[id];
        world->reasons[id] = reason;
      });
      return caf::actor{actor};
    };
    child_spec spec;
    spec.id = id;
    spec.start = start;
    return spec;
  }

  supervisor_spec spec_of(const std::vector<std::string>& ids,
                          restart_strategy strategy = restart_strategy::one_for_one) {
    supervisor_spec spec;
    spec.name = "test";
    spec.strategy = strategy;
    for (auto& id : ids)
      spec.children.push_back(child(id));
    return spec;
  }

  void spawn(const supervisor_spec& spec) {
    top = caf::actor_cast<caf::actor>(spawn_supervisor(sys, spec));
    top->attach_functor([world = world](const caf::error& reason) { world->end = reason; });
  }

  void boot(const supervisor_spec& spec) {
    spawn(spec);
    sched.run();
  }

  void stop() {
    caf::anon_send_exit(top, caf::exit_reason::user_shutdown);
    sched.run();
  }

  void crash(const std::string& id) {
    caf::anon_send_exit(world->actors[id], caf::exit_reason::kill);
    sched.run();
  }

  void crash(const std::string& id, const char* why) {
    auto message = caf::exit_msg{top.address(), caf::make_error(caf::sec::runtime_error, why)};
    caf::anon_send(world->actors[id], std::move(message));
    sched.run();
  }

  void finish(const std::string& id) {
    caf::anon_send(world->actors[id], caf::ok_atom_v);
    sched.run();
  }

  void pass(caf::timespan time) {
    advance_time(time);
    sched.run();
  }

  std::string history() const {
    std::string result;
    for (auto& event : world->history)
      result += (result.empty() ? "" : " ") + event;
    return result;
  }

  int alive(const std::string& id) const { return world->alive[id]; }

  /// None while the supervisor lives. Errors compare without their context.
  caf::error reason_of_end() const { return world->end.value_or(caf::error{}); }

  supervision_report report(std::uint32_t limit = 100) {
    auto pending = self->request(top, caf::infinite, get_report{limit});
    sched.run();
    supervision_report result;
    pending.receive([&](supervision_report& x) { result = std::move(x); },
                    [](const caf::error& err) { CAF_FAIL(err); });
    return result;
  }

  /// Whether the supervisor begins to restart that child.
  bool order(const restart_child& what) {
    auto pending = self->request(top, caf::infinite, what);
    sched.run();
    bool begun = false;
    pending.receive([&](bool x) { begun = x; }, [](const caf::error& err) { CAF_FAIL(err); });
    return begun;
  }

  std::string state_of(const std::string& id) {
    for (auto& row : report().rows)
      if (row.name == id)
        return row.state;
    return "";
  }
};

} // namespace troupe
