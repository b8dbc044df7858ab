#define CAF_SUITE call_path

#include "actors/bot/bot.hpp"
#include "actors/bots/bots.hpp"
#include "actors/health/health.hpp"
#include "actors/rate_governor/rate_governor.hpp"
#include "actors/session_pool/session_pool.hpp"
#include "actors/supervisor/supervisor.hpp"
#include "messages/bot.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"

#include <caf/all.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <map>

// The real graph of a call, without network: supervisors, bots, governor, pool, health. Whoever is
// killed, at whatever step: everybody is answered, and nothing is left behind.

using namespace troupe;
using namespace std::literals;

namespace {

constexpr bot_id the_bot = 7;
constexpr std::uint32_t places = 8;

struct silent_port : net::session_port {
  void close(std::uint64_t, std::uint16_t) override { ++closed; }
  void close_all(std::uint32_t) override { ++resets; }
  std::size_t closed = 0;
  std::size_t resets = 0;
};

struct graph : test_coordinator_fixture<> {
  graph() {
    start_services();
    start_bots_shard();
    client_handle =
      sys.spawn([](caf::event_based_actor*) -> caf::behavior { return {[](caf::ok_atom) {}}; });
    client =
      dynamic_cast<caf::event_based_actor*>(caf::actor_cast<caf::abstract_actor*>(client_handle));
    sched.run();
  }

  ~graph() {
    caf::anon_send_exit(root, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(client_handle, caf::exit_reason::user_shutdown);
    for (int i = 0; i < 40; ++i)
      advance(500ms);
  }

  void start_services() {
    auto governor = [found = found] { return found->rate_governor.get(); };
    supervisor_spec spec;
    spec.name = "test.services";
    spec.intensity = 1000; // The tests kill often; budgets have tests of their own.
    spec.children = {
      {"health",
       [this, governor](caf::actor_system& s) {
         auto h = spawn_health(s, {}, health_ports{governor});
         found->health.publish(h);
         return caf::actor_cast<caf::actor>(h);
       }},
      {"governor",
       [this](caf::actor_system& s) {
         rate_governor_config cfg;
         cfg.global_rps = 0;
         rate_governor_ports ports;
         ports.pool = [found = found] { return found->session_pool.get(); };
         ports.memory = memory;
         auto h = spawn_rate_governor(s, cfg, ports);
         found->rate_governor.publish(h);
         return caf::actor_cast<caf::actor>(h);
       }},
      {"pool",
       [this, governor](caf::actor_system& s) {
         session_pool_config cfg;
         cfg.max_connections = places;
         auto h = spawn_session_pool(s, cfg, {port, governor});
         found->session_pool.publish(h);
         return caf::actor_cast<caf::actor>(h);
       }},
    };
    supervisor_spec top;
    top.name = "test.root";
    top.intensity = 1000;
    bots_config cfg;
    cfg.spawn = [found = found](caf::actor_system& s, const start_bot& what, std::uint32_t n) {
      return spawn_bot(s, what, n, found, std::make_shared<bot_config>());
    };
    cfg.found = found;
    cfg.restarts = 1000;
    cfg.period = 1s; // So that one kill's pause does not grow with the kills before it.
    cfg.pause = 10ms;
    top.children = {supervise(spec), supervise_bots(0, cfg, names, found)};
    root = spawn_supervisor(sys, top);
    sched.run();
  }

  void start_bots_shard() {
    names->put(token_digest{11, 12}, the_bot, 1, true, std::chrono::steady_clock::now());
    start_bot what;
    what.bot = the_bot;
    what.token_hash = 11;
    caf::anon_send(found->bots_of(the_bot), what);
    sched.run();
  }

  void advance(caf::timespan by) {
    sched.advance_time(by);
    sched.run();
  }

  /// What a gateway does: asks for a grant, makes the exchange, reports; asks the successor of a
  /// bot that died before the grant.
  void make_call(call_id id) {
    auto entry = names->find(the_bot);
    if (!entry || !entry->actor) {
      retry_later.push_back(id);
      return;
    }
    call c;
    c.id = id;
    c.patience = 10s;
    client->context(nullptr);
    client->request(entry->actor, caf::infinite, c)
      .then([this, id, bot = entry->actor](const grant& x) { exchange(id, bot, x); },
            [this, id](const caf::error& why) {
              if (why.category() == caf::type_id_v<caf::sec>)
                retry_later.push_back(id);
              else
                ++answered[id];
            });
  }

  void exchange(call_id id, const bot_actor& bot, const grant& x) {
    ++answered[id];
    client->send(bot, call_done{id, x.session, outcome{failure::none, 200, 1ms, 0s, true}});
  }

  /// Lets time pass until all calls are answered, at most `limit`.
  void settle(caf::timespan limit = 15s) {
    for (auto passed = 0ms; passed < limit && answered.size() < calls; passed += 25ms) {
      advance(25ms);
      for (auto id : std::exchange(retry_later, {}))
        make_call(id);
    }
    sched.run(); // A kill that came last is noticed before time goes on, ...
    for (auto passed = 0ms; passed < 2s; passed += 25ms)
      advance(25ms); // ... and in small steps, so that restarts have their turns.
  }

  template <class Report, class Handle>
  Report report(const Handle& whom) {
    Report result;
    client->context(nullptr);
    client->request(whom, caf::infinite, get_report{})
      .then([&](const Report& x) { result = x; }, [](const caf::error&) { FAIL("no report"); });
    sched.run();
    return result;
  }

  void check_nothing_left() {
    auto pool = report<pool_report>(found->session_pool.get());
    CHECK_EQ(pool.leased, 0u);
    CHECK_EQ(pool.waiting, 0u);
    auto governor = report<governor_report>(found->rate_governor.get());
    CHECK_EQ(governor.waiting, 0u);
    CHECK_EQ(governor.credits, request_places({.max_connections = places}));
    auto entry = names->find(the_bot);
    REQUIRE(entry && entry->actor);
    auto bot = report<bot_report>(entry->actor);
    CHECK_EQ(bot.running, 0u);
    CHECK_EQ(bot.queued, 0u);
  }

  /// Runs `n` calls and kills `victim()` after `step` messages.
  template <class Victim>
  void run_with_kill(std::size_t n, std::size_t step, Victim victim) {
    answered.clear();
    calls = n;
    for (call_id id = 1; id <= n; ++id)
      make_call(next_id + id);
    next_id += n;
    for (std::size_t i = 0; i < step && sched.has_job(); ++i)
      sched.run_once();
    if (auto whom = victim())
      caf::anon_send_exit(whom, caf::exit_reason::kill);
    settle();
    CHECK_EQ(answered.size(), n);
    for (const auto& [id, times] : answered)
      CHECK_EQ(times, 1);
    check_nothing_left();
  }

  std::shared_ptr<services> found = std::make_shared<services>(1);
  std::shared_ptr<directory> names = std::make_shared<directory>();
  std::shared_ptr<grant_memory> memory = std::make_shared<grant_memory>();
  std::shared_ptr<silent_port> port = std::make_shared<silent_port>();
  supervisor_actor root;
  caf::actor client_handle;
  caf::event_based_actor* client = nullptr;
  std::map<call_id, int> answered;
  std::vector<call_id> retry_later;
  std::size_t calls = 0;
  call_id next_id = 0;
};

} // namespace

BEGIN_FIXTURE_SCOPE(graph)

SCENARIO("calls pass, and leave nothing behind") {
  run_with_kill(30, 1'000'000, [] { return caf::strong_actor_ptr{}; });
}

SCENARIO("the bot is killed at every step of its calls") {
  for (std::size_t step = 0; step < 120; ++step)
    run_with_kill(12, step, [this] {
      auto entry = names->find(the_bot);
      return entry ? caf::actor_cast<caf::strong_actor_ptr>(entry->actor) : nullptr;
    });
}

SCENARIO("the session pool is killed at every step") {
  for (std::size_t step = 0; step < 120; ++step)
    run_with_kill(12, step, [this] {
      return caf::actor_cast<caf::strong_actor_ptr>(found->session_pool.get());
    });
}

SCENARIO("the rate governor is killed at every step") {
  for (std::size_t step = 0; step < 120; ++step)
    run_with_kill(12, step, [this] {
      return caf::actor_cast<caf::strong_actor_ptr>(found->rate_governor.get());
    });
}

SCENARIO("health is killed at every step") {
  for (std::size_t step = 0; step < 120; ++step)
    run_with_kill(12, step,
                  [this] { return caf::actor_cast<caf::strong_actor_ptr>(found->health.get()); });
}

SCENARIO("a shard's supervisor is killed at every step, and its bots come back with it") {
  for (std::size_t step = 0; step < 120; ++step)
    run_with_kill(
      12, step, [this] { return caf::actor_cast<caf::strong_actor_ptr>(found->bots_of(the_bot)); });
}

END_FIXTURE_SCOPE()
