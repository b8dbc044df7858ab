#pragma once
#include "runtime/registry/slice_desk.hpp"
#include "tests/actors/rate_governor_fixture.hpp"

#include <random>

/// Many governors, the nodes of one cluster, and a network between them and the leader's book.
namespace troupe::governor_tests {

inline constexpr std::size_t count = 4;

/// What all nodes share: the leader's book, and a network that loses, delays and doubles.
struct web {
  slice_desk book{{.budget = 20, .length = std::chrono::seconds{1}}}; ///< As the product's.
  std::mt19937 rng;
  std::array<bool, count> cut{};
  std::array<std::int64_t, count> revision{};
  double lost = 0;
  double late = 0;
  std::uint64_t asked = 0;

  bool chance(double p) { return std::uniform_real_distribution<>{}(rng) < p; }

  template <class Given, class Ask>
  static caf::result<Given> pass_on(cluster_actor::pointer self, std::shared_ptr<web> w,
                                    std::size_t node, const Ask& x) {
    ++w->asked;
    auto promise = self->make_response_promise<Given>();
    auto travel = [=] {
      return w->chance(w->late) ? std::chrono::milliseconds{w->rng() % 4000}
                                : std::chrono::milliseconds{1 + w->rng() % 20};
    };
    auto copies = w->chance(0.05) ? 2 : 1;
    for (int i = 0; i < copies; ++i)
      self->run_delayed(travel(), [=]() mutable {
        if (w->cut[node] || w->chance(w->lost))
          return;
        auto y = w->book.answer(x, self->clock().now());
        if (y)
          self->run_delayed(travel(), [=]() mutable {
            if (!w->cut[node] && !w->chance(w->lost) && promise.pending())
              promise.deliver(*y);
          });
      });
    return promise;
  }

  static cluster_actor::behavior_type behave(cluster_actor::pointer self, std::shared_ptr<web> w,
                                             std::size_t node) {
    return {
      [](get_report) { return cluster_report{}; },
      [](const cluster_drain&) { return done{}; },
      [](cluster_leave) { return done{}; },
      [](const cluster_renew&) { return done{}; },
      [](const peer_hello&) { return peer_welcome{}; },
      [](const cluster_budget&) {},
      [=](const slice_ask& x) { return pass_on<slice_given>(self, w, node, x); },
      [=](const slices_ask& x) { return pass_on<slices_given>(self, w, node, x); },
    };
  }
};

struct node {
  std::shared_ptr<fake_pool> pool = std::make_shared<fake_pool>();
  std::shared_ptr<grant_memory> memory = std::make_shared<grant_memory>();
  std::shared_ptr<outcomes> notes = std::make_shared<outcomes>();
  std::shared_ptr<rate_governor_actor> governor = std::make_shared<rate_governor_actor>();
  session_pool_actor sessions;
  cluster_actor cluster;
  caf::actor bot;
};

struct many_nodes : fixture {
  std::array<node, count> nodes;
  std::shared_ptr<web> between = std::make_shared<web>();
  std::uint64_t holders = 0;
  std::uint64_t epochs = 0;
  int elect_at = -1;
  static constexpr std::chrono::milliseconds margin{750}; ///< The product's.

  many_nodes() {
    config.global_rps = 20;
    config.bot_rps = 0;
  }

  void start_all(std::uint32_t seed) {
    stop_all();
    *between = web{};
    between->rng.seed(seed);
    elect_at = -1;
    between->book.elected(++epochs, now(), std::chrono::hours{1});
    for (std::size_t i = 0; i < count; ++i) {
      auto& n = nodes[i];
      n = node{};
      n.pool->places = n.pool->per_bot = 1'000'000;
      n.sessions = sys.spawn(fake_pool::behave, n.pool);
      n.cluster = sys.spawn(web::behave, between, i);
      n.bot = sys.spawn(ask_for, n.notes, n.governor);
      between->revision[i] = 1;
      begin(i);
    }
  }

  void begin(std::size_t i) {
    auto& n = nodes[i];
    rate_governor_ports ports;
    ports.pool = [s = n.sessions] { return s; };
    ports.memory = n.memory;
    ports.holder = n.memory->slice ? holders : ++holders;
    ports.cluster = [c = n.cluster] { return c; };
    ports.serves = [w = between, i](bot_id, time_point) { return w->revision[i]; };
    *n.governor = spawn_rate_governor(sys, config, std::move(ports));
    sched.run();
  }

  /// The node's life is over, or (not `whole`) only its governor's.
  void crash(std::size_t i, bool whole) {
    kill(*nodes[i].governor);
    sched.run();
    if (whole)
      nodes[i].memory = std::make_shared<grant_memory>();
    begin(i);
  }

  void stop_all() {
    for (auto& n : nodes) {
      kill(*n.governor);
      kill(n.sessions);
      kill(n.cluster);
      if (n.bot)
        caf::anon_send_exit(n.bot, caf::exit_reason::kill);
      *n.governor = nullptr;
      n.sessions = nullptr;
      n.cluster = nullptr;
      n.bot = nullptr;
    }
    sched.run();
  }

  ~many_nodes() override { stop_all(); }

  void demand(std::size_t i, tenant_id tenant = 1) {
    permit_request x;
    x.bot = 1 + static_cast<bot_id>(i + 100 * tenant);
    x.tenant = tenant;
    x.id = ++calls;
    x.patience = std::chrono::seconds{2};
    caf::anon_send(nodes[i].bot, x);
  }

  /// Somebody else leads. The last one stopped a while before, as it must: its margin.
  void depose(int step) {
    between->book.deposed();
    elect_at = step + 15;
  }
  void elect(int step) {
    if (step == elect_at)
      between->book.elected(++epochs, now(), margin);
  }

  /// The times of all permits, or of a tenant's.
  std::vector<std::int64_t> permits(tenant_id tenant = 0) const {
    std::vector<std::int64_t> result;
    for (auto& n : nodes)
      for (auto& one : n.pool->leases)
        if (tenant == 0 || one.what.tenant == tenant)
          result.push_back(one.what.permitted_at);
    std::sort(result.begin(), result.end());
    return result;
  }

  /// The shortest time in which one more than the budget went.
  static duration closest(const std::vector<std::int64_t>& at, std::size_t budget = 20) {
    auto result = duration::max();
    for (std::size_t i = budget; i < at.size(); ++i)
      result = std::min(result, duration{at[i] - at[i - budget]});
    return result;
  }
};

} // namespace troupe::governor_tests
