#define CAF_SUITE actors_rate_governors
#include "runtime/registry/slice_desk.hpp"
#include "tests/actors/rate_governor_fixture.hpp"

#include <random>

namespace troupe::rate_governors_suite {

using namespace std::literals;
using governor_tests::ask_for;
using governor_tests::fake_pool;
using governor_tests::outcomes;

namespace {

constexpr std::size_t count = 4;

/// What all nodes share: the leader's book, and a network that loses, delays and doubles.
struct web {
  slice_desk book{{.budget = 20}};
  std::mt19937 rng;
  std::array<bool, count> cut{};
  std::array<std::int64_t, count> revision{};
  double lost = 0;
  double late = 0;
  std::uint64_t asked = 0;

  bool chance(double p) { return std::uniform_real_distribution<>{}(rng) < p; }

  static cluster_actor::behavior_type behave(cluster_actor::pointer self, std::shared_ptr<web> w,
                                             std::size_t node) {
    return {
      [](get_report) { return cluster_report{}; },
      [](const cluster_drain&) { return done{}; },
      [](cluster_leave) { return done{}; },
      [](const cluster_renew&) { return done{}; },
      [](const peer_hello&) { return peer_welcome{}; },
      [](const cluster_budget&) {},
      [=](const slice_ask& x) -> caf::result<slice_given> {
        ++w->asked;
        auto promise = self->make_response_promise<slice_given>();
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
      },
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

struct fixture : governor_tests::fixture {
  std::array<node, count> nodes;
  std::shared_ptr<web> between = std::make_shared<web>();
  std::uint64_t holders = 0;
  std::uint64_t epochs = 0;

  fixture() {
    config.global_rps = 20;
    config.bot_rps = 0;
  }

  void start_all(std::uint32_t seed) {
    stop_all();
    *between = web{};
    between->rng.seed(seed);
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

  ~fixture() override { stop_all(); }

  void demand(std::size_t i) {
    permit_request x;
    x.bot = 1 + static_cast<bot_id>(i);
    x.id = ++calls;
    x.patience = 2s;
    caf::anon_send(nodes[i].bot, x);
  }

  std::vector<std::int64_t> permits() const {
    std::vector<std::int64_t> result;
    for (auto& n : nodes)
      for (auto& one : n.pool->leases)
        result.push_back(one.what.permitted_at);
    std::sort(result.begin(), result.end());
    return result;
  }

  /// The shortest time in which one more than the budget went.
  static duration closest(const std::vector<std::int64_t>& at) {
    auto result = duration::max();
    for (std::size_t i = 20; i < at.size(); ++i)
      result = std::min(result, duration{at[i] - at[i - 20]});
    return result;
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("over all nodes no window holds more than the budget, whatever happens to them") {
  std::size_t granted = 0;
  for (std::uint32_t seed = 1; seed <= 100; ++seed) {
    start_all(seed);
    auto& rng = between->rng;
    between->lost = seed % 3 == 0 ? 0.2 : 0.01;
    between->late = seed % 2 == 0 ? 0.2 : 0.02;
    for (int step = 0; step < 400; ++step) {
      auto i = rng() % count;
      switch (between->chance(0.08) ? rng() % 7 : 99) {
      case 0:
        between->cut[i] = true;
        break;
      case 1:
        between->cut = {};
        break;
      case 2:
        crash(i, true);
        break;
      case 3:
        crash(i, false);
        break;
      case 4:
        between->book.deposed();
        between->book.elected(++epochs, now());
        break;
      case 5:
        between->revision[i] = between->revision[i] == 0 ? step : 0;
        break;
      default:
        break;
      }
      for (std::size_t n = 0; n < count; ++n)
        for (auto more = rng() % 4; more > 0; --more)
          demand(n);
      run_for(50ms);
    }
    auto at = permits();
    granted += at.size();
    CHECK(closest(at) >= 1s);
  }
  CHECK(granted > 6000);
}

SCENARIO("under steady demand 95 % of the budget is used, and messages do not grow with calls") {
  start_all(1);
  for (int step = 0; step < 1400; ++step) {
    if (step == 200) {
      between->asked = 0;
      for (auto& n : nodes)
        n.pool->leases.clear();
    }
    for (std::size_t n = 0; n < count; ++n)
      demand(n);
    run_for(50ms);
  }
  auto used = static_cast<double>(permits().size()) / (60 * 20);
  MESSAGE("used: " << used << ", questions: " << between->asked);
  CHECK(used >= 0.95);
  CHECK(closest(permits()) >= 1s);
  CHECK(between->asked <= 60 * 5 * count);
}

END_FIXTURE_SCOPE()

} // namespace troupe::rate_governors_suite
