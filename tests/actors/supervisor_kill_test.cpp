#define CAF_SUITE supervisor_kill
#include "runtime/log/capture.hpp"
#include "tests/actors/supervisor_fixture.hpp"

#include <algorithm>
#include <random>

namespace troupe::supervisor_kill_suite {

using namespace std::literals;

namespace {

/// root (rest_for_one): a · middle (one_for_all): x, inner (one_for_one): p, q · y · z
struct fixture : supervisor_fixture {
  log::capture quiet{log::level::error};
  std::map<std::string, caf::strong_actor_ptr> supervisors;

  supervisor_spec tree(restart_strategy middle_strategy) {
    auto inner = spec_of({"p", "q"});
    inner.name = "inner";
    auto middle = spec_of({"x", "y"}, middle_strategy);
    middle.name = "middle";
    middle.children.insert(middle.children.begin() + 1, supervise(inner));
    auto root = spec_of({"a", "z"}, restart_strategy::rest_for_one);
    root.name = "root";
    root.children.insert(root.children.begin() + 1, supervise(middle));
    for (auto* spec : {&middle, &root})
      for (auto& one : spec->children)
        watch(one);
    return root;
  }

  void watch(child_spec& one) {
    if (one.is_supervisor)
      one.start = [this, id = one.id, start = one.start](caf::actor_system& sys) {
        auto actor = start(sys);
        supervisors[id] = caf::actor_cast<caf::strong_actor_ptr>(actor);
        return actor;
      };
  }

  /// @returns false if `id` is not there (yet).
  bool kill(const std::string& id) {
    if (auto child = world->actors.find(id); child != world->actors.end())
      return kill_now(caf::actor_cast<caf::strong_actor_ptr>(child->second)), true;
    if (auto found = supervisors.find(id); found != supervisors.end())
      return kill_now(found->second), true;
    return false;
  }

  bool all_run() const {
    for (auto id : {"a", "x", "p", "q", "y", "z"})
      if (alive(id) != 1)
        return false;
    return true;
  }

  /// Makes `steps` steps of the schedule. @returns false when there were fewer.
  bool walk(int steps) {
    for (int i = 0; i < steps; ++i)
      if (!sched.try_run_once())
        return false;
    return true;
  }

  void recover() {
    for (int i = 0; i < 8; ++i)
      pass(500ms);
  }

  /// A new stage for each round.
  void clear() {
    if (top)
      kill_now(caf::actor_cast<caf::strong_actor_ptr>(top));
    sched.run();
    CHECK_EQ(world->total_alive(), 0);
    world->actors.clear();
    supervisors.clear();
    top = nullptr;
    world = std::make_shared<stage_world>();
  }

  ~fixture() override { supervisors.clear(); }

  const std::vector<std::string> victims{"a", "x", "p", "q", "y", "z", "inner", "middle"};
  const std::vector<restart_strategy> strategies{
    restart_strategy::one_for_one, restart_strategy::rest_for_one, restart_strategy::one_for_all};
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("whoever is killed at whatever step of the start, all run once in the end") {
  int rounds = 0;
  for (auto strategy : strategies)
    for (auto& victim : victims) {
      bool more = true;
      for (int step = 0; more; ++step, ++rounds) {
        spawn(tree(strategy));
        more = walk(step);
        kill(victim);
        recover();
        auto good = all_run() && world->most_alive == 1;
        if (!good)
          CAF_FAIL("killing " << victim << " at step " << step << ": " << history());
        clear();
      }
    }
  CAF_MESSAGE(rounds << " rounds");
  CHECK_GT(rounds, 300);
}

SCENARIO("whoever is killed at whatever step of a restart, all run once in the end") {
  int rounds = 0;
  for (auto strategy : strategies)
    for (auto& first : {"x"s, "inner"s})
      for (auto& victim : victims) {
        bool more = true;
        for (int step = 0; more; ++step, ++rounds) {
          boot(tree(strategy));
          kill(first);
          sched.run();
          advance_time(50ms); // The restart begins; nothing of it has run.
          more = walk(step);
          kill(victim);
          recover();
          auto good = all_run() && world->most_alive == 1;
          if (!good)
            CAF_FAIL("killing " << victim << " at step " << step << " after " << first << ": "
                                << history());
          clear();
        }
      }
  CAF_MESSAGE(rounds << " rounds");
  CHECK_GT(rounds, 200);
}

SCENARIO("whoever is killed at whatever step of the stop, nobody is left") {
  int rounds = 0;
  for (auto& victim : victims) {
    bool more = true;
    for (int step = 0; more; ++step, ++rounds) {
      boot(tree(restart_strategy::one_for_all));
      caf::anon_send_exit(top, caf::exit_reason::user_shutdown);
      more = walk(step);
      kill(victim);
      recover();
      if (world->total_alive() != 0 || !world->end)
        CAF_FAIL("killing " << victim << " at step " << step << ": " << history());
      clear();
    }
  }
  CAF_MESSAGE(rounds << " rounds");
  CHECK_GT(rounds, 100);
}

SCENARIO("the root killed at whatever step leaves nobody") {
  int rounds = 0;
  for (bool stopping : {false, true}) {
    bool more = true;
    for (int step = 0; more; ++step, ++rounds) {
      spawn(tree(restart_strategy::rest_for_one));
      if (stopping) {
        sched.run();
        caf::anon_send_exit(top, caf::exit_reason::user_shutdown);
      }
      more = walk(step);
      kill_now(caf::actor_cast<caf::strong_actor_ptr>(top));
      recover();
      CHECK_EQ(world->total_alive(), 0);
      clear();
    }
  }
  CHECK_GT(rounds, 30);
}

SCENARIO("several kills in any interleaving are survived") {
  for (unsigned seed = 1; seed <= 1000; ++seed) {
    std::mt19937 random{seed};
    spawn(tree(strategies[seed % 3]));
    for (int kills = 0; kills < 4; ++kills) {
      for (auto steps = random() % 40; steps > 0; --steps) {
        if (!sched.has_job() || random() % 8 == 0) { // Time passes for those who are slow, too.
          advance_time(std::chrono::milliseconds{random() % 100});
          continue;
        }
        auto next = sched.jobs.begin() + static_cast<std::ptrdiff_t>(random() % sched.jobs.size());
        std::rotate(sched.jobs.begin(), next, sched.jobs.end());
        sched.try_run_once();
      }
      kill(victims[random() % victims.size()]);
    }
    recover();
    if (!all_run() || world->most_alive != 1)
      CAF_FAIL("seed " << seed << ": " << history());
    clear();
  }
}

END_FIXTURE_SCOPE()

} // namespace troupe::supervisor_kill_suite
