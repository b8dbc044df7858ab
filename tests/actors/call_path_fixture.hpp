#pragma once
#include "actors/bot/bot.hpp"
#include "actors/bots/bots.hpp"
#include "actors/health/health.hpp"
#include "actors/rate_governor/rate_governor.hpp"
#include "actors/session_pool/session_pool.hpp"
#include "actors/supervisor/supervisor.hpp"
#include "messages/bot.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "runtime/log/capture.hpp"

#include <caf/all.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <set>
#include <string>
#include <vector>

/// The real graph of a call, without network: supervisors, one bot, governor, pool, health.
namespace troupe::call_path_tests {

using namespace std::literals;

inline constexpr bot_id the_bot = 7;
inline constexpr std::uint32_t places = 8;

/// Knows which sessions' connections are closed.
struct fake_port : net::session_port {
  void close(std::uint64_t session, std::uint16_t) override { gone.insert(session); }
  void close_all(std::uint32_t epoch) override { oldest = epoch; }
  [[nodiscard]] bool closed(std::uint64_t session) const {
    return net::session_epoch(session) < oldest || gone.contains(session);
  }
  std::set<std::uint64_t> gone;
  std::uint32_t oldest = 0;
};

/// What differs from script to script.
struct terms {
  std::uint32_t failure_threshold = 1000; ///< Breakers stay out of the way.
};

class graph : public test_coordinator_fixture<> {
public:
  using time_point = caf::actor_clock::time_point;

  explicit graph(const terms& options) {
    auto unlimited = 1'000'000u; // The tests kill often; restart budgets have tests of their own.
    supervisor_spec services;
    services.name = "test.services";
    services.intensity = unlimited;
    services.children = {health(options), governor(), pool()};
    bots_config bots;
    bots.spawn = [found = found, shared = bot_terms()](caf::actor_system& s, const start_bot& what,
                                                       std::uint32_t incarnation) {
      return spawn_bot(s, what, incarnation, found, shared);
    };
    bots.found = found;
    bots.restarts = unlimited;
    bots.period = 1s; // So that one kill's pause does not grow with the kills before it.
    bots.pause = 10ms;
    supervisor_spec top;
    top.name = "test.root";
    top.intensity = unlimited;
    top.children = {supervise(services), supervise_bots(0, bots, names, found)};
    root = spawn_supervisor(sys, top);
    sched.run();
    names->put(token_digest{11, 12}, the_bot, 1, true, std::chrono::steady_clock::now());
    start_bot what;
    what.bot = the_bot;
    what.token_hash = 11;
    caf::anon_send(found->bots_of(the_bot), what);
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

  /// The bot that runs now; empty between its death and its restart.
  [[nodiscard]] bot_actor bot() const {
    auto entry = names->find(the_bot);
    return entry ? entry->actor : bot_actor{};
  }

  void advance(caf::timespan by) {
    sched.advance_time(by);
    sched.run();
  }

  [[nodiscard]] time_point now() { return sched.clock().now(); }

  /// Asks the client's way; the request is under way when this returns.
  template <class Handle, class Message>
  auto ask(const Handle& whom, Message what) {
    client->context(nullptr); // The one it ran on last is gone.
    return client->request(whom, caf::infinite, std::move(what));
  }

  template <class Handle, class Message>
  void tell(const Handle& whom, Message what) {
    client->context(nullptr);
    client->send(whom, std::move(what));
  }

  template <class Report, class Handle>
  Report report(const Handle& whom) {
    Report result;
    ask(whom, get_report{})
      .then([&](const Report& x) { result = x; }, [](const caf::error&) { FAIL("no report"); });
    sched.run();
    return result;
  }

  /// What should not be when nothing is under way; empty: nothing.
  std::string leftovers() {
    std::string result;
    auto require_equal = [&result](const char* what, std::uint64_t seen, std::uint64_t wanted) {
      if (seen != wanted)
        result += std::string{what} + " " + std::to_string(seen) + " instead of "
                  + std::to_string(wanted) + "; ";
    };
    auto pool = report<pool_report>(found->session_pool.get());
    require_equal("leases:", pool.leased, 0);
    require_equal("polls:", pool.polls, 0);
    require_equal("waiting in the pool:", pool.waiting, 0);
    auto governor = report<governor_report>(found->rate_governor.get());
    require_equal("waiting in the governor:", governor.waiting, 0);
    require_equal("credits:", governor.credits, request_places({.max_connections = places}));
    if (!bot())
      return result + "no bot";
    auto state = report<bot_report>(bot());
    require_equal("running in the bot:", state.running, 0);
    require_equal("waiting in the bot:", state.queued, 0);
    return result;
  }

  /// Whether calls pass all breakers.
  bool breakers_closed() {
    return bot() && report<bot_report>(bot()).breaker == breaker_state::closed
           && report<governor_report>(found->rate_governor.get()).upstream == breaker_state::closed;
  }

  std::shared_ptr<services> found = std::make_shared<services>(1);
  std::shared_ptr<fake_port> port = std::make_shared<fake_port>();

private:
  log::capture quiet{log::level::error}; ///< Of all those deaths.

  template <class Handle>
  static caf::actor published(service_slot<Handle>& slot, Handle handle) {
    slot.publish(handle);
    return caf::actor_cast<caf::actor>(handle);
  }

  child_spec health(const terms& options) {
    return {"health", [found = found, options](caf::actor_system& s) {
              health_config cfg;
              cfg.failure_threshold = options.failure_threshold;
              cfg.open_timeout = 1s;
              return published(found->health, spawn_health(s, cfg, {[found] {
                                                             return found->rate_governor.get();
                                                           }}));
            }};
  }

  child_spec governor() {
    return {"governor", [found = found, memory = memory](caf::actor_system& s) {
              rate_governor_config cfg;
              cfg.global_rps = 0;
              cfg.group_rpm = 2;
              rate_governor_ports ports;
              ports.pool = [found] { return found->session_pool.get(); };
              ports.memory = memory;
              return published(found->rate_governor, spawn_rate_governor(s, cfg, ports));
            }};
  }

  child_spec pool() {
    return {"pool", [found = found, port = port](caf::actor_system& s) {
              session_pool_config cfg;
              cfg.max_connections = places;
              return published(
                found->session_pool,
                spawn_session_pool(s, cfg, {port, [found] { return found->rate_governor.get(); }}));
            }};
  }

  static std::shared_ptr<const live_bot_config> bot_terms() {
    bot_config result;
    result.retry_delay.first = 100ms;
    return std::make_shared<live_bot_config>(result);
  }

  std::shared_ptr<directory> names = std::make_shared<directory>();
  std::shared_ptr<grant_memory> memory = std::make_shared<grant_memory>();
  supervisor_actor root;
  caf::actor client_handle;
  caf::event_based_actor* client = nullptr; ///< Used from outside: nothing runs beside the test.
};

} // namespace troupe::call_path_tests
