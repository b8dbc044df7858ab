#define CAF_SUITE actors_rate_governor_slices
#include "runtime/registry/slice_desk.hpp"
#include "tests/actors/rate_governor_fixture.hpp"

namespace troupe::rate_governor_slices_suite {

using namespace std::literals;

namespace {

/// What stands between the governor and the leader, and what the node owns.
struct others {
  slice_desk book{{.budget = 5}};
  bool silent = false;
  bool cut = false;
  std::uint32_t asked = 0;
  std::int64_t revision = 4;
  std::vector<caf::typed_response_promise<slice_given>> open;

  static cluster_actor::behavior_type behave(cluster_actor::pointer self,
                                             std::shared_ptr<others> o) {
    return {
      [](get_report) { return cluster_report{}; },
      [](const cluster_drain&) { return done{}; },
      [](cluster_leave) { return done{}; },
      [](const cluster_renew&) { return done{}; },
      [](const peer_hello&) { return peer_welcome{}; },
      [](const cluster_budget&) {},
      [=](const slice_ask& x) -> caf::result<slice_given> {
        ++o->asked;
        if (o->cut)
          return caf::make_error(ec::draining);
        if (o->silent) {
          o->open.push_back(self->make_response_promise<slice_given>());
          return o->open.back();
        }
        auto y = o->book.answer(x, self->clock().now());
        return y ? caf::result<slice_given>{*y} : caf::make_error(ec::draining);
      },
      [=](const slices_ask& x) -> caf::result<slices_given> {
        ++o->asked;
        auto y = o->cut ? std::nullopt : o->book.answer(x, self->clock().now());
        return y ? caf::result<slices_given>{*y} : caf::make_error(ec::draining);
      },
    };
  }
};

struct fixture : governor_tests::fixture {
  std::shared_ptr<others> around = std::make_shared<others>();
  cluster_actor cluster = sys.spawn(others::behave, around);

  fixture() {
    around->book.elected(1, now(), std::chrono::hours{1});
    config.global_rps = 5;
    clustered = [this](rate_governor_ports& ports) {
      ports.holder = 1;
      ports.cluster = [this] { return cluster; };
      ports.serves = [this](bot_id, time_point) { return around->revision; };
    };
    start();
    run_for(2s); // What other owners let through is over.
  }
  ~fixture() override {
    around->open.clear();
    kill(cluster);
    cluster = nullptr;
  }

  std::size_t granted_now(std::size_t n, caf::timespan patience = 10s) {
    auto before = notes->leases.size();
    for (std::size_t i = 0; i < n; ++i)
      ask(1, patience);
    return notes->leases.size() - before;
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO(
  "a governor of one node of many grants as many as its slice allows, and asks nobody per call") {
  ask(1);
  run_for(2s);
  auto slice = memory->slice->limit(now());
  CHECK(slice > 0 && slice <= 5);
  auto asked = around->asked;
  CHECK_EQ(granted_now(slice), slice);
  CHECK_EQ(around->asked, asked);
  run_for(20s);
  CHECK(around->asked - asked <= 21);
}

SCENARIO("a leader that is silent is asked again, and what was granted ends by itself") {
  ask(1);
  run_for(2s);
  around->silent = true;
  run_for(4s);
  CHECK_EQ(memory->slice->limit(now()), 0u);
  CHECK_EQ(granted_now(1, 2s), 0u);
  run_for(3s);
  CHECK(notes->code(calls) == ec::deadline_passed);
  CHECK(notes->retry_after(calls) == 1s);
  auto late = granted_now(1);
  CHECK_EQ(late, 0u);
  around->silent = false;
  run_for(2s);
  CHECK(granted(calls));
}

SCENARIO("a governor that is born again goes on with the slice as it was used") {
  ask(1);
  run_for(2s);
  auto slice = memory->slice->limit(now());
  CHECK_EQ(granted_now(slice), slice);
  around->cut = true;
  kill(*governor);
  sched.run();
  start_governor();
  CHECK_EQ(granted_now(1), 0u);
  CHECK_EQ(memory->slice->limit(now()), slice);
  run_for(1s);
  CHECK(granted(calls));
}

SCENARIO("a node that does not serve the bot, or whose lease is over, grants nothing") {
  ask(1);
  run_for(2s);
  around->revision = 0;
  auto call = ask(1);
  CHECK(notes->code(call) == ec::stopped);
  around->revision = 4;
  CHECK(granted(ask(1)));
}

SCENARIO("who waits when the bot's shard is lost is told so, even if the node has it again") {
  run_for(2s);
  granted_now(5);
  auto call = ask(1);
  CHECK(waits(call));
  around->revision = 9;
  run_for(1s);
  CHECK(notes->code(call) == ec::stopped);
}

SCENARIO("the first second after a shard was gained counts as full, the first minute for groups") {
  run_for(2s);
  around->revision = 9;
  auto call = ask(1);
  CHECK(waits(call));
  auto group = ask(1, 70s, chat_ref{-5, true});
  run_for(999ms);
  CHECK(waits(call));
  run_for(1ms);
  CHECK(granted(call));
  run_for(58s);
  CHECK(waits(group));
  run_for(2s);
  CHECK(granted(group));
}

SCENARIO("a leader that was deposed answers no more, and a new one waits before it grants") {
  ask(1);
  run_for(2s);
  around->book.deposed();
  run_for(4s);
  CHECK_EQ(memory->slice->limit(now()), 0u);
  around->book.elected(2, now());
  run_for(2s);
  CHECK(notes->code(ask(1, 1s)) == ec::budget_wait_too_long); // It is known how long.
  run_for(4s);
  CHECK(granted(ask(1)));
}

END_FIXTURE_SCOPE()

} // namespace troupe::rate_governor_slices_suite
