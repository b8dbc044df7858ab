#define CAF_SUITE api.peer_bounds
#include "runtime/api/context.hpp"
#include "runtime/api/peer.hpp"
#include "runtime/api/routes.hpp"
#include "runtime/registry/event_hub.hpp"

#include <caf/all.hpp>
#include <caf/test/bdd_dsl.hpp>

/// Those who watch bots here from other nodes are not remembered without end.
namespace troupe::peer_bounds_suite {

using namespace std::literals;

namespace {

struct fixture : test_coordinator_fixture<> {
  fixture() {
    api::ports p;
    p.system = &sys;
    p.events = hub;
    ctx = api::make_context(std::move(p));
    peer = api::spawn_peer(sys, ctx);
  }
  ~fixture() {
    caf::anon_send_exit(peer, caf::exit_reason::kill);
    sched.run();
  }
  /// @returns whether it was let in, once it was answered
  std::optional<bool> ask(std::uint64_t watcher, bot_id bot, caf::timespan patience = 0s) {
    auto in = std::make_shared<std::optional<bool>>();
    sys.spawn([=, to = peer](caf::event_based_actor* me) {
      me->request(to, caf::infinite, events_take{watcher, bot, patience})
        .then([in](const events_said&) { *in = true; }, [in](const caf::error&) { *in = false; });
    });
    sched.run();
    advance(1ms);
    return *in;
  }
  void advance(caf::timespan by) {
    sched.advance_time(by);
    sched.run();
  }

  std::shared_ptr<event_hub> hub = std::make_shared<event_hub>();
  std::shared_ptr<api::context> ctx;
  api_peer_actor peer;
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a thousand watch from other nodes; a further one is refused until one has gone") {
  for (std::uint64_t i = 1; i <= 1000; ++i)
    CHECK(ask(i, 7).value_or(false));
  CHECK_EQ(ask(1001, 7), false);
  CHECK_EQ(ask(500, 7), true); // One of them.
  CHECK_EQ(hub->known(), 1000u);
  for (int i = 0; i < 4; ++i) {
    advance(40s);
    CHECK_EQ(ask(500, 7), true);
  }
  hub->publish(7, "call", [] { return std::string{"{}"}; });
  CHECK_EQ(hub->known(), 1u); // Who asks stays.
  CHECK_EQ(ask(1001, 7), true);
}

SCENARIO("who waits is answered after his patience, half a minute at most, and is not forgotten") {
  auto until_answered = [&](std::uint64_t watcher, caf::timespan patience) {
    auto over = std::make_shared<bool>(false);
    sys.spawn([=, to = peer](caf::event_based_actor* me) {
      me->request(to, caf::infinite, events_take{watcher, 7, patience})
        .then([over](const events_said& x) { *over = x.events.empty(); });
    });
    sched.run();
    int seconds = 0;
    for (; !*over && seconds < 100; ++seconds)
      advance(1s);
    return seconds;
  };
  CHECK_EQ(until_answered(1, 15s), 15);
  CHECK_EQ(until_answered(1, 1h), 30);
}

END_FIXTURE_SCOPE()

} // namespace troupe::peer_bounds_suite
