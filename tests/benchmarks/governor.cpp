// What the rate governor can do, as one JSON line: grants/s of the policy alone and through the
// real actor on a real scheduler (each grant is a permit, a lease and a credit), how much of the
// budget is granted under constant demand (in simulated and in real time, with a crash in the
// middle), what the walk over the slices of 10,000 tenants costs, and how many of all sliding
// windows held too much (brute force over the permits' stamps). Usage: bench-governor [seconds=3]

#include "actors/rate_governor/rate_governor.hpp"
#include "messages/all_ids.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "runtime/system/config.hpp"
#include "tests/policy/permit_checker.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <thread>

using namespace troupe;
using namespace std::literals;

namespace {

constexpr std::uint32_t bots = 1000;
constexpr std::uint32_t plenty = 1'000'000;

double seconds_since(time_point begin) {
  return std::chrono::duration<double>(steady::now() - begin).count();
}

/// CPU time used so far, in seconds: other load on the machine does not count.
double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

struct speed {
  double per_second = 0;
  double cpu_us = 0; ///< Per grant, over all threads.
};

// -- the policy alone -----------------------------------------------------------------------------

speed policy_speed(double seconds) {
  grant_limits limits;
  limits.budgets.global.rules[0].limit = 100 * plenty; // More than any machine grants.
  limits.budgets.bot.rules[0].limit = plenty;
  grant_memory memory;
  grant_engine engine{limits, memory, unseen_past::none(), steady::now()};
  engine.set_capacity(1, 100, 100);
  std::uint64_t grants = 0;
  auto begin = steady::now();
  auto cpu = cpu_seconds();
  grant_request x;
  x.patience = 1s;
  while ((grants & 1023) != 0 || seconds_since(begin) < seconds) {
    x.bot = static_cast<std::int64_t>(grants % bots);
    x.call = ++grants;
    if (engine.ask(x, steady::now()).what != grant_engine::result::granted)
      std::abort();
    engine.credit(1, x.bot, false, steady::now());
  }
  auto n = static_cast<double>(grants);
  return {n / seconds_since(begin), 1e6 * (cpu_seconds() - cpu) / n};
}

struct use {
  double percent = 0;
  std::size_t violations = 0;
};

/// Demand without end over `length` of simulated time, on the default budget.
use simulated_use(duration length) {
  grant_limits limits;
  grant_memory memory;
  auto now = time_point{1h};
  auto begin = now;
  auto engine = std::make_unique<grant_engine>(limits, memory, unseen_past::none(), now);
  engine->set_capacity(1, plenty, plenty);
  permit_checker checker{limits.budgets, {}};
  std::uint64_t call = 0;
  auto crashed = false;
  while (now < begin + length) {
    while (engine->waiting() < 300) {
      grant_request x;
      x.bot = static_cast<std::int64_t>(call % 100);
      x.call = ++call;
      x.patience = 1h;
      if (engine->ask(x, now).what == grant_engine::result::granted)
        checker.record({x.bot, 0, 1, false, false}, now);
    }
    engine->dispatch(now, [&](auto, const fair_queue::waiter& w) {
      checker.record({w.bot, 0, 1, false, false}, now);
    });
    if (!crashed && now >= begin + length / 2) {
      crashed = true;
      engine = std::make_unique<grant_engine>(limits, memory, unseen_past::unknown(), now);
      engine->set_capacity(2, plenty, plenty);
      continue;
    }
    now = std::max(engine->next_due(now), now + 1ns);
  }
  auto budget = 25 * std::chrono::duration<double>(length).count();
  return {100 * static_cast<double>(checker.permits.size()) / budget, checker.count_violations()};
}

// -- the actor ------------------------------------------------------------------------------------

struct stamps {
  std::mutex busy;
  std::vector<std::pair<time_point, charge>> all;
};

/// A pool that grants at once; the session is free again at once, or never runs out.
session_pool_actor::behavior_type pool(session_pool_actor::pointer,
                                       std::shared_ptr<std::atomic<rate_governor_actor*>> governor,
                                       std::shared_ptr<stamps> seen) {
  auto epoch = std::make_shared<std::uint32_t>(0);
  return {
    [=](lease_request x) -> caf::result<lease> {
      if (seen) {
        std::lock_guard guard{seen->busy};
        seen->all.emplace_back(time_point{duration{x.permitted_at}},
                               charge{x.bot, 0, x.tenant, false, false});
      }
      if (auto* to = governor->load())
        caf::anon_send(*to, credit{x.credit_epoch, x.bot});
      return lease{x.id, 1, x.lane, x.credit_epoch, x.permitted_at};
    },
    [](lease_return) {},
    [](lease_cancel) {},
    [=](credit_request) {
      return pool_capacity{++*epoch, 1000, 1000};
    },
    [](const pool_limits&) {},
    [](get_report) { return pool_report{}; },
  };
}

struct node {
  explicit node(caf::actor_system& sys, rate_governor_config cfg, bool keep_stamps)
    : sys(sys), cfg(cfg), seen(keep_stamps ? std::make_shared<stamps>() : nullptr),
      lessor(sys.spawn(pool, published, seen)) {
    start();
  }

  void start() {
    rate_governor_ports ports;
    ports.pool = [lessor = lessor] { return lessor; };
    ports.memory = memory;
    ports.past = memory->used ? unseen_past::unknown() : unseen_past::none();
    handles.push_back(
      std::make_unique<rate_governor_actor>(spawn_rate_governor(sys, cfg, std::move(ports))));
    published->store(handles.back().get());
  }

  /// Kills the governor, waits for its end and starts the next one.
  void crash() {
    caf::scoped_actor self{sys};
    self->monitor(*handles.back());
    self->send_exit(*handles.back(), caf::exit_reason::kill);
    self->receive([](const caf::down_msg&) {});
    start();
  }

  void stop() {
    caf::anon_send_exit(*published->load(), caf::exit_reason::kill);
    caf::anon_send_exit(lessor, caf::exit_reason::kill);
    published->store(nullptr);
  }

  caf::actor_system& sys;
  rate_governor_config cfg;
  std::shared_ptr<std::atomic<rate_governor_actor*>> published =
    std::make_shared<std::atomic<rate_governor_actor*>>(nullptr);
  std::shared_ptr<stamps> seen;
  std::shared_ptr<grant_memory> memory = std::make_shared<grant_memory>();
  session_pool_actor lessor;
  std::vector<std::unique_ptr<rate_governor_actor>> handles; ///< Kept: others may read them.
};

/// A bot that always has `depth` requests under way.
struct demand {
  std::atomic<std::uint64_t> grants{0};
  std::atomic<bool> over{false};

  static void ask(caf::event_based_actor* self, demand* d, const node* n, bot_id bot, call_id id) {
    permit_request x;
    x.bot = bot;
    x.id = id;
    x.patience = 1h;
    self->request(*n->published->load(), caf::infinite, x)
      .then(
        [=](const lease&) {
          d->grants.fetch_add(1, std::memory_order_relaxed);
          again(self, d, n, bot, id);
        },
        [=](const caf::error&) { again(self, d, n, bot, id); });
  }

  static void again(caf::event_based_actor* self, demand* d, const node* n, bot_id bot,
                    call_id id) {
    if (d->over.load(std::memory_order_relaxed))
      self->quit();
    else
      ask(self, d, n, bot, id);
  }

  static void run(caf::event_based_actor* self, demand* d, const node* n, bot_id bot, int depth) {
    for (int i = 0; i < depth; ++i)
      ask(self, d, n, bot, static_cast<call_id>(i + 1));
  }
};

speed actor_speed(caf::actor_system& sys, double seconds) {
  rate_governor_config cfg;
  cfg.global_rps = 5 * plenty;
  cfg.bot_rps = plenty;
  node n{sys, cfg, false};
  demand d;
  std::vector<caf::actor> asking;
  for (bot_id bot = 1; bot <= 16; ++bot)
    asking.push_back(sys.spawn(demand::run, &d, &n, bot, 16));
  auto before = d.grants.load();
  auto begin = steady::now();
  auto cpu = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  auto grants = static_cast<double>(d.grants.load() - before);
  speed result{grants / seconds_since(begin), 1e6 * (cpu_seconds() - cpu) / grants};
  d.over = true;
  caf::scoped_actor self{sys};
  self->wait_for(asking);
  n.stop();
  return result;
}

/// The walk over the books of many tenants' rates, all of which want something: milliseconds of
/// each question to the leader, a thousand tenants at most in each, over ten simulated seconds.
double slices_walk_ms(std::uint32_t tenants) {
  tenant_slices all{1};
  time_point now{1h};
  std::uint64_t answers = 0;
  std::uint32_t asks = 0;
  double spent = 0;
  std::vector<std::pair<std::uint32_t, slice_request>> parts;
  for (int step = 0; step < 500; ++step) {
    now += 20ms; // The governor asks no more often.
    for (std::uint32_t tenant = 1; tenant <= tenants; ++tenant)
      all.want(tenant * 7919u, now);
    if (all.due() > now)
      continue;
    parts.clear();
    auto begin = cpu_seconds();
    all.ask(
      now, 1000, [](std::uint32_t tenant) { return tenant % 3; },
      [&](std::uint32_t tenant, const slice_request& x) { parts.emplace_back(tenant, x); });
    spent += cpu_seconds() - begin;
    ++asks;
    for (auto& [tenant, x] : parts)
      all.take(tenant, {x.number, 1, ++answers, 5, 3s, {}}, now);
  }
  return 1e3 * spent / std::max(asks, 1u);
}

/// Demand without end in real time; the governor is killed once in the middle.
use real_use(caf::actor_system& sys, std::uint32_t rps, int seconds) {
  rate_governor_config cfg;
  cfg.global_rps = rps;
  cfg.bot_rps = 0;
  node n{sys, cfg, true};
  demand d;
  std::vector<caf::actor> asking;
  for (bot_id bot = 1; bot <= 50; ++bot)
    asking.push_back(sys.spawn(demand::run, &d, &n, bot, 20));
  std::this_thread::sleep_for(std::chrono::milliseconds{seconds * 500});
  n.crash();
  std::this_thread::sleep_for(std::chrono::milliseconds{seconds * 500 + 300});
  for (auto& x : asking)
    caf::anon_send_exit(x, caf::exit_reason::kill);
  caf::scoped_actor self{sys};
  self->wait_for(asking);
  n.stop();
  std::lock_guard guard{n.seen->busy};
  permit_checker checker;
  checker.limits.global.rules[0].limit = rps;
  checker.limits.bot.rules[0].limit = checker.limits.lifted.rules[0].limit = 0;
  std::sort(n.seen->all.begin(), n.seen->all.end(),
            [](auto& a, auto& b) { return a.first < b.first; });
  checker.permits = n.seen->all;
  auto begin = checker.permits.front().first;
  auto within = std::count_if(checker.permits.begin(), checker.permits.end(), [&](auto& p) {
    return p.first - begin < std::chrono::seconds{seconds};
  });
  return {100.0 * static_cast<double>(within) / (static_cast<double>(rps) * seconds),
          checker.count_violations()};
}

} // namespace

int main(int argc, char** argv) {
  auto seconds = argc > 1 ? std::atoi(argv[1]) : 3;
  init_message_types();
  system::config cfg{2};
  caf::actor_system sys{cfg};
  auto policy = policy_speed(seconds);
  auto actor = actor_speed(sys, seconds);
  auto simulated = simulated_use(60s);
  auto slow = real_use(sys, 25, seconds);
  auto fast = real_use(sys, 1000, seconds);
  std::printf(
    "{\"policy_grants_per_second\":%.0f,\"policy_cpu_us_per_grant\":%.2f,"
    "\"actor_grants_per_second\":%.0f,\"actor_cpu_us_per_grant\":%.2f,"
    "\"budget_use_percent_simulated\":%.2f,\"budget_use_percent_real_25_per_second\":%.2f,"
    "\"budget_use_percent_real_1000_per_second\":%.2f,"
    "\"slices_walk_ms_10000_tenants\":%.3f,\"violations\":%zu}\n",
    policy.per_second, policy.cpu_us, actor.per_second, actor.cpu_us, simulated.percent,
    slow.percent, fast.percent, slices_walk_ms(10'000),
    simulated.violations + slow.violations + fast.violations);
}
