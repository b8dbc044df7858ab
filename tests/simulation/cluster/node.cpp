#include "tests/simulation/cluster/node.hpp"

#include "tests/simulation/cluster/universe.hpp"

#include <caf/all.hpp>

#include <algorithm>

namespace troupe::simulation::clustered {

using namespace std::chrono_literals;

node::node(universe& world, std::size_t at, std::uint64_t life)
  : world_(world), at_(at), life_(life), holder_(++world.holders) {
  cfg_.set("caf.scheduler.policy", "testing");
  sys_ = std::make_unique<caf::actor_system>(cfg_);
  sched_ = dynamic_cast<caf::scheduler::test_coordinator*>(&sys_->scheduler());
  set_clock();
  pool_ = spawn_pool(world_, *this);
  rooms_ = spawn_rooms(world_, *this);
  desk_ports ports;
  ports.view = view_;
  ports.part = [this](peer_part what) {
    return what == peer_part::cluster ? caf::actor_cast<caf::actor>(cluster_) : caf::actor{};
  };
  ports.find = [this](caf::event_based_actor*, const bot_find& x) -> caf::result<bot_found> {
    if (!view_->is_ready(shard_of(x.bot)))
      return caf::make_error(ec::draining);
    bot_found result;
    result.bot = x.bot;
    result.actor = caf::actor_cast<caf::strong_actor_ptr>(rooms_);
    return result;
  };
  desk_ = spawn_desk(*sys_, std::move(ports));
  start_cluster();
  start_governor();
  gateway_ = spawn_gateway(world_, *this);
}

void node::start_cluster() {
  cluster_config cfg;
  cfg.node = cfg.address = "n" + std::to_string(at_ + 1);
  cfg.global_rps = world_.what.budget;
  cluster_ports ports;
  ports.etcd = std::make_shared<etcd_client>(world_, at_, life_);
  ports.view = view_;
  ports.desk = desk_;
  // As in actors/tree; the first stands for the journal, the last for the registrar.
  ports.rooms = {[this] { return rooms_; },
                 [this] { return caf::actor_cast<caf::actor>(governor_); },
                 [this] { return rooms_; }};
  ports.dial = [this](const std::string& address, std::function<void(caf::actor)> then) {
    world_.net.dial(at_, address, std::move(then));
  };
  cluster_ = spawn_cluster(*sys_, std::move(cfg), std::move(ports));
  view_->actor.publish(cluster_);
}

/// Wired as in actors/tree.
void node::start_governor() {
  rate_governor_config cfg;
  cfg.global_rps = world_.what.budget;
  cfg.bot_rps = world_.what.bot_rps;
  rate_governor_ports ports;
  ports.pool = [this] { return pool_; };
  ports.memory = memory_;
  ports.holder = holder_;
  ports.cluster = [view = view_] { return view->actor.get(); };
  ports.serves = [view = view_](bot_id bot, time_point at) {
    return view->holds(at) ? view->fence_of(shard_of(bot)) : std::int64_t{0};
  };
  ports.since = [view = view_](shard_id shard) { return view->since(shard); };
  ports.journal = [this] { return caf::actor_cast<journal_actor>(rooms_); };
  governor_ = spawn_rate_governor(*sys_, cfg, std::move(ports));
}

void node::kill_governor() {
  caf::anon_send_exit(governor_, caf::exit_reason::kill);
  start_governor();
}

void node::kill_cluster() {
  caf::anon_send_exit(cluster_, caf::exit_reason::kill);
  sched_->prioritize(cluster_);
  sched_->run_once(); // It is gone before another begins.
  start_cluster();
}

void node::drain(std::size_t other, bool draining) {
  caf::anon_send(cluster_, cluster_drain{{}, "n" + std::to_string(other + 1), draining});
}

void node::begin_call(std::size_t i) {
  deliver([this, i] { caf::anon_send(gateway_, caf::put_atom_v, std::uint64_t{i}); });
}

// -- time -----------------------------------------------------------------------------------------

void node::set_clock() {
  auto& clock = sched_->clock();
  clock.current_time = std::max(clock.current_time, world_.local_now(at_));
}

time_point node::next_timer() {
  auto& schedule = sched_->clock().schedule;
  while (!schedule.empty() && schedule.begin()->second.f.disposed())
    schedule.erase(schedule.begin());
  return paused_ || schedule.empty() ? time_point::max()
                                     : world_.real_of(at_, schedule.begin()->first);
}

void node::run_timers() {
  auto& schedule = sched_->clock().schedule;
  if (paused_ || schedule.empty() || schedule.begin()->first > sched_->clock().current_time)
    return;
  auto [f, period] = schedule.begin()->second;
  auto at = schedule.begin()->first;
  schedule.erase(schedule.begin());
  if (f.run() == caf::action::transition::success && period.count() > 0)
    schedule.emplace(at + period, caf::detail::test_actor_clock::schedule_entry{f, period});
}

void node::resume() {
  paused_ = false;
  resumed_ = world_.now;
  set_clock();
  for (auto& one : std::exchange(frozen_, {}))
    one();
}

void node::deliver(std::function<void()> what) {
  if (paused_)
    frozen_.push_back(std::move(what));
  else
    what();
}

void node::step() {
  auto& jobs = sched_->jobs;
  auto at = world_.luck.below(jobs.size());
  std::rotate(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(at),
              jobs.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  if (auto* who = dynamic_cast<caf::abstract_actor*>(jobs.front()))
    world_.verdict.note(who->id() * node_count + at_);
  sched_->run_once();
}

/// What its actors still say on their end reaches nobody.
node::~node() {
  frozen_.clear();
  view_->actor.publish({});
  view_->set_others({}, unowned_shards());
  for (const auto& one :
       {desk_, rooms_, gateway_, caf::actor_cast<caf::actor>(pool_),
        caf::actor_cast<caf::actor>(governor_), caf::actor_cast<caf::actor>(cluster_)})
    caf::anon_send_exit(one, caf::exit_reason::kill);
  sched_->run();
  sched_->clock().schedule.clear();
  desk_ = rooms_ = gateway_ = nullptr;
  pool_ = nullptr;
  governor_ = nullptr;
  cluster_ = nullptr;
  sched_->run();
  if (sys_->registry().running() != 0) { // Its destructor would wait for them.
    world_.verdict.fail("orphans", "an actor cannot be killed");
    static_cast<void>(sys_.release());
  }
}

} // namespace troupe::simulation::clustered
