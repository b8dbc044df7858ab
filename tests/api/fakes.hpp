#pragma once
#include "messages/all_ids.hpp"
#include "messages/cluster.hpp"
#include "messages/gateway.hpp"
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "messages/supervisor.hpp"
#include "runtime/api/ports.hpp"
#include "runtime/api/routes.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <atomic>

/// Services that say what they are told to say.
namespace fakes {

using namespace troupe;

/// Shared with the fake actors of one fixture.
struct script {
  pool_report pool;
  governor_report governor;
  health_report health;
  gateway_report gateway;
  std::atomic<bool> silent{false};                                  ///< The pool never answers.
  std::vector<caf::typed_response_promise<pool_report>> unanswered; ///< The pool's own.
};

inline session_pool_actor spawn_pool(caf::actor_system& sys, std::shared_ptr<script> s) {
  return sys.spawn([s](session_pool_actor::pointer self) -> session_pool_actor::behavior_type {
    return {[](lease_request) { return lease{}; },
            [](lease_return) {},
            [](lease_cancel) {},
            [](credit_request) { return pool_capacity{}; },
            [](const pool_limits&) {},
            [self, s](get_report) -> caf::result<pool_report> {
              if (!s->silent)
                return s->pool;
              // Kept, since a promise that is dropped answers broken_promise.
              s->unanswered.push_back(self->make_response_promise<pool_report>());
              return s->unanswered.back();
            }};
  });
}

inline rate_governor_actor spawn_governor(caf::actor_system& sys, std::shared_ptr<script> s) {
  return sys.spawn([s](rate_governor_actor::pointer) -> rate_governor_actor::behavior_type {
    return {[](permit_request) { return lease{}; },
            [](permit_cancel) {},
            [](permit_unused) {},
            [](flood_report) {},
            [](chat_charge) {},
            [](bot_limits) {},
            [](pool_capacity) {},
            [](capacity_change) {},
            [](credit) {},
            [](rate_limits) {},
            [](const shards_gained&) { return done{}; },
            [](const shards_lost&) { return done{}; },
            [](const tenant_limits&) {},
            [](identity_proven) {},
            [](breaker_change) {},
            [s](get_report) { return s->governor; }};
  });
}

inline health_actor spawn_health(caf::actor_system& sys, std::shared_ptr<script> s) {
  return sys.spawn([s](health_actor::pointer) -> health_actor::behavior_type {
    return {[](outcome_batch) {}, [](bot_started) {}, [](stop_bot) {}, [](health_limits) {},
            [](bot_health_request) { return bot_health{}; }, [s](get_report) { return s->health; }};
  });
}

inline gateway_actor spawn_gateway(caf::actor_system& sys, std::shared_ptr<script> s) {
  return sys.spawn([s](gateway_actor::pointer) -> gateway_actor::behavior_type {
    return {[](drain) {}, [s](get_report) { return s->gateway; }};
  });
}

/// A supervisor that reports what it was made with, at most `limit` rows, and begins to restart
/// whom it knows.
inline supervisor_actor spawn_supervisor(caf::actor_system& sys, supervision_report report) {
  return sys.spawn([report](supervisor_actor::pointer) -> supervisor_actor::behavior_type {
    return {[report](get_report ask) {
              auto answer = report;
              if (answer.rows.size() > ask.limit)
                answer.rows.resize(ask.limit);
              return answer;
            },
            [report](const restart_child& order) {
              return std::any_of(report.rows.begin(), report.rows.end(), [&](const auto& row) {
                return row.name == order.name && (row.restarts > 0 || !order.kill);
              });
            }};
  });
}

/// The fakes share what they know without locks.
struct one_worker : caf::actor_system_config {
  one_worker() { set("caf.scheduler.max-threads", 1); }
};

/// A node of fakes: root → services, bots (two shards of which one can be killed).
struct node {
  one_worker cfg;
  caf::actor_system sys{cfg};
  std::shared_ptr<script> said = std::make_shared<script>();
  session_pool_actor pool = spawn_pool(sys, said);
  rate_governor_actor governor = spawn_governor(sys, said);
  health_actor health = spawn_health(sys, said);
  gateway_actor gateway = spawn_gateway(sys, said);
  supervisor_actor shard;
  supervisor_actor root;
  std::atomic<bool> draining{false};

  node() {
    supervision_report bots{"troupe.bots-0", "bots", 500, 7, {}};
    for (int i = 1; i <= 100; ++i)
      bots.rows.push_back({"bot", "active", i, 0, std::chrono::seconds{i}, nullptr});
    shard = spawn_supervisor(sys, bots);
    supervision_report services{"troupe.services", "one_for_one", 2, 3, {}};
    services.rows.push_back({"troupe.health", "running", 0, 3, std::chrono::seconds{5}, nullptr});
    services.rows.push_back(
      {"troupe.session-pool", "running", 0, 0, std::chrono::seconds{5}, nullptr});
    auto middle = spawn_supervisor(sys, services);
    supervision_report top{"troupe.root", "rest_for_one", 2, 1, {}};
    top.rows.push_back({"troupe.services", "running", 0, 1, std::chrono::seconds{9},
                        caf::actor_cast<caf::strong_actor_ptr>(middle)});
    top.rows.push_back({"troupe.bots-0", "running", 0, 0, std::chrono::seconds{9},
                        caf::actor_cast<caf::strong_actor_ptr>(shard)});
    root = spawn_supervisor(sys, top);
    held = {caf::actor_cast<caf::actor>(middle)};
  }

  ~node() {
    for (auto& one : {caf::actor_cast<caf::actor>(pool), caf::actor_cast<caf::actor>(governor),
                      caf::actor_cast<caf::actor>(health), caf::actor_cast<caf::actor>(gateway),
                      caf::actor_cast<caf::actor>(shard), caf::actor_cast<caf::actor>(root)})
      caf::anon_send_exit(one, caf::exit_reason::kill);
    for (auto& one : held)
      caf::anon_send_exit(one, caf::exit_reason::kill);
  }

  api::ports ports() {
    api::ports p;
    p.system = &sys;
    p.session_pool = [this] { return pool; };
    p.rate_governor = [this] { return governor; };
    p.health = [this] { return health; };
    p.root = [this] { return root; };
    p.gateways = [this] { return std::vector{gateway, gateway}; };
    p.bots_by_phase = [] { return std::array<std::uint64_t, 9>{0, 4, 0, 5}; };
    p.draining = [this] { return draining.load(); };
    p.instruments = metrics::make(sys.metrics(), std::array<std::string_view, 2>{"", "getMe"});
    p.exporter = std::make_shared<metrics::exporter>(sys.metrics());
    p.answer_timeout = std::chrono::seconds{5};
    return p;
  }

  std::vector<caf::actor> held;
};

/// Runs one request to its end on this thread.
inline api::response run(std::shared_ptr<api::context> ctx, std::string_view path,
                         std::string_view query = {}, std::string_view method = "GET") {
  boost::asio::io_context io;
  api::response answer;
  auto done = [&](std::exception_ptr failed, api::response got) {
    if (failed)
      std::rethrow_exception(failed);
    answer = std::move(got);
  };
  auto what = api::request{method, path, query, "req-1", io.get_executor()};
  boost::asio::co_spawn(io.get_executor(), api::handle(std::move(ctx), what), done);
  io.run();
  return answer;
}

inline boost::json::object json_of(const api::response& answer) {
  return boost::json::parse(answer.body).as_object();
}

} // namespace fakes
