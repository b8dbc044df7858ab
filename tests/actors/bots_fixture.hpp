#pragma once
#include "messages/updates.hpp"
#include "actors/bots/bots.hpp"

#include <caf/all.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <map>
#include <set>

namespace troupe {

/// What the bots under test did. Outlives them.
struct bots_world {
  std::map<bot_id, bot_actor> actors;
  std::map<bot_id, int> alive;
  std::map<bot_id, std::uint32_t> incarnation;
  std::map<bot_id, start_bot> specs;
  std::map<bot_id, std::vector<bot_phase>> orders; ///< What each bot was told.
  std::set<bot_id> failing;                        ///< Whose spawn throws.
  std::set<bot_id> deaf;                           ///< Who hears neither order nor ask.
  std::set<bot_id> busy;                           ///< Who does not leave memory.
  std::map<bot_id, std::uint32_t> uses;            ///< Since they were asked to.
  std::vector<std::pair<bot_id, passivate>> asked; ///< To leave memory.
  std::map<bot_id, int> looks;                     ///< Times they were told of updates.
  int most_alive = 0;                              ///< Incarnations of one bot at the same time.
};

inline grant granted(call_id id) {
  grant result;
  result.id = id;
  return result;
}

/// A stand-in for the real bot: it ends as its orders say, as that one does.
inline bot_actor spawn_stand_in(caf::actor_system& sys, const start_bot& spec,
                                std::uint32_t incarnation, std::shared_ptr<bots_world> world) {
  if (world->failing.count(spec.bot) != 0)
    throw std::runtime_error("this bot cannot start");
  bool deaf = world->deaf.count(spec.bot) != 0;
  auto actor =
    sys.spawn([world, id = spec.bot, deaf](bot_actor::pointer self) -> bot_actor::behavior_type {
      if (deaf)
        self->set_exit_handler([](const caf::exit_msg&) {});
      auto obey = [self, world, id, deaf](const bot_command& order) {
        world->orders[id].push_back(order.to);
        if (order.to == bot_phase::stopped && !deaf)
          self->quit(caf::make_error(ec::stopped));
        if (order.to == bot_phase::unauthorized)
          self->quit(caf::make_error(ec::unauthorized));
      };
      return {[](const call& c) { return granted(c.id); },
              [](const attempt_failed&) { return grant{}; },
              [](const call_done&) {},
              [](const call_cancelled&) {},
              [](const answer_streams&) {},
              [](const breaker_change&) {},
              obey,
              [world, id](const updates_ready&) { ++world->looks[id]; },
              [](const pull_request&) { return pull_answer{}; },
              [](const pull_cancel&) {},
              [self, world, id](const passivate& x) {
                world->asked.emplace_back(id, x);
                auto busy = world->busy.count(id) != 0;
                auto uses = std::exchange(world->uses[id], 0);
                if (busy || uses > x.spare)
                  return passivation{false, uses, {}};
                self->quit(caf::make_error(ec::passivated));
                return passivation{true, uses, {}};
              },
              [](const get_report&) { return bot_report{}; }};
    });
  world->actors[spec.bot] = actor;
  world->specs[spec.bot] = spec;
  world->incarnation[spec.bot] = incarnation;
  world->most_alive = std::max(world->most_alive, ++world->alive[spec.bot]);
  actor->attach_functor([world, id = spec.bot](const caf::error&) { --world->alive[id]; });
  return actor;
}

/// One shard of stand-in bots below a supervisor, with time driven by hand.
struct bots_fixture : test_coordinator_fixture<> {
  std::shared_ptr<bots_world> world = std::make_shared<bots_world>();
  std::shared_ptr<directory> names =
    std::make_shared<directory>(directory_limits{}, sched.clock().now());
  std::shared_ptr<services> found = std::make_shared<services>(1);
  supervisor_actor top;
  bots_config cfg;

  bots_fixture() {
    cfg.spawn = [world = world](caf::actor_system& sys, const start_bot& spec, std::uint32_t n) {
      return spawn_stand_in(sys, spec, n, world);
    };
  }

  ~bots_fixture() override {
    caf::anon_send_exit(top, caf::exit_reason::kill);
    top = nullptr;
    for (auto& slot : found->bots)
      slot.publish({});
    sched.run();
    world->actors.clear();
  }

  void boot() {
    supervisor_spec spec;
    spec.name = "test";
    for (std::size_t shard = 0; shard < found->bots.size(); ++shard)
      spec.children.push_back(supervise_bots(shard, cfg, names, found));
    top = spawn_supervisor(sys, std::move(spec));
    sched.run();
  }

  bots_actor shard() const { return found->bots[0].get(); }

  static token_digest token(bot_id bot) {
    return token_hash({1, 2}, std::to_string(bot) + ":secret");
  }

  start_bot spec_of(bot_id bot) {
    start_bot spec;
    spec.bot = bot;
    spec.token_hash = token(bot).key;
    return spec;
  }

  /// Puts the bot into the directory and asks for its start. @returns the refusal, if it is one.
  caf::error start(bot_id bot) {
    names->put(token(bot), bot, 1, true, sched.clock().now());
    return start(spec_of(bot));
  }

  /// A bot that must start.
  void up(bot_id bot) { CHECK_EQ(start(bot), caf::error{}); }

  caf::error start(const start_bot& spec) {
    auto pending = self->request(found->bots_of(spec.bot), caf::infinite, spec);
    sched.run();
    caf::error result;
    pending.receive([&](caf::strong_actor_ptr& x) { CHECK(x != nullptr); },
                    [&](const caf::error& err) { result = err; });
    return result;
  }

  void order(bot_id bot, bot_phase to) {
    caf::anon_send(shard(), bot_command{bot, to});
    sched.run();
  }

  void end(bot_id bot, caf::error reason) {
    if (auto& actor = world->actors[bot])
      caf::anon_send(caf::actor_cast<caf::actor>(actor),
                     caf::exit_msg{caf::actor_addr{}, std::move(reason)});
    sched.run();
  }

  void crash(bot_id bot) { end(bot, caf::make_error(caf::exit_reason::kill)); }

  void pass(caf::timespan time) {
    advance_time(time);
    sched.run();
  }

  std::string phase(bot_id bot) const {
    auto found = names->find(bot);
    return found ? to_string(found->phase) : "unknown";
  }

  int alive(bot_id bot) const { return world->alive[bot]; }

  supervision_report report(std::uint32_t limit = 100) {
    auto pending = self->request(shard(), caf::infinite, get_report{limit});
    sched.run();
    supervision_report result;
    pending.receive([&](supervision_report& x) { result = std::move(x); },
                    [](const caf::error& err) { CAF_FAIL(err); });
    return result;
  }

  /// The directory says what is true: an actor for each bot that runs, none for others.
  bool consistent() const {
    for (auto& [bot, n] : world->alive) {
      auto entry = names->find(bot);
      if (n > 1 || (n == 1) != (entry && entry->actor)
          || (n == 1 && entry->actor != world->actors[bot]))
        return false;
    }
    return true;
  }
};

/// Crashes a bot until it is quarantined.
inline void spend_budget(bots_fixture& f, bot_id bot) {
  for (int i = 0; i < 4; ++i) {
    f.crash(bot);
    f.pass(std::chrono::milliseconds{100});
  }
}

} // namespace troupe
