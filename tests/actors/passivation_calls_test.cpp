#define CAF_SUITE actors_passivation_calls
#include "actors/bots/bots.hpp"
#include "runtime/log/capture.hpp"
#include "tests/actors/bot_fixture.hpp"

#include <algorithm>

namespace troupe::passivation_calls_suite {

using namespace std::literals;

namespace {

/// Real bots below their shard, among services that do as the test says, and a client that does
/// what gateways do: it looks a bot up, brings it back if it is passive, and goes to the next
/// incarnation with a call whose bot ended under it.
struct fixture : bot_tests::fixture {
  log::capture quiet{log::level::error};
  std::shared_ptr<directory> names =
    std::make_shared<directory>(directory_limits{}, sched.clock().now());
  supervisor_actor top;
  int granted = 0;
  int answered = 0;

  fixture() {
    bots_config cfg;
    cfg.passivation.policy = passivation_kind::lru;
    cfg.spawn = [this](caf::actor_system& sys, const start_bot& spec, std::uint32_t n) {
      return spawn_bot(sys, spec, n, found, config);
    };
    supervisor_spec spec;
    spec.name = "test";
    spec.children.push_back(supervise_bots(0, cfg, names, found));
    top = spawn_supervisor(sys, std::move(spec));
    sched.run();
    auto token = token_hash({1, 2}, "42:secret");
    names->put(token, 42, 1, true, sched.clock().now());
    start_bot what;
    what.bot = 42;
    what.token_hash = token.key;
    caf::anon_send(found->bots_of(42), what);
    settle();
    advance(1s);
  }

  ~fixture() {
    caf::anon_send_exit(top, caf::exit_reason::kill);
    top = nullptr;
    found->bots[0].publish({});
    settle();
  }

  bot_actor now() const { return names->find(42)->actor; }

  void later() {
    client->run_delayed(1ms, [this] { go(); });
  }

  void go() {
    client->context(nullptr);
    auto to = now();
    if (!to) {
      auto shard = found->bots_of(42);
      if (!shard)
        return later();
      client->request(shard, caf::infinite, activate_bot{42, false})
        .then([this](const caf::strong_actor_ptr&) { go(); },
              [this](const caf::error&) { later(); });
      return;
    }
    client->request(to, caf::infinite, make_call(1))
      .then(
        [this, to](const grant& x) {
          ++granted;
          ++answered;
          client->send(to, call_done{1, x.session, ok()});
        },
        [this](const caf::error& why) {
          if (why.category() == caf::type_id_v<caf::sec>)
            return later();
          ++answered;
        });
  }
};

enum class blow { leave, kill_bot, kill_shard };

/// One call; after `step` messages the blows fall, one message apart. @returns whether the story
/// was that long
bool story(int step, std::vector<blow> blows) {
  fixture f;
  f.go();
  int handled = 0;
  auto strike = [&f](blow what) {
    auto bot = f.now();
    if (what == blow::kill_shard && f.found->bots_of(42))
      kill_now(caf::actor_cast<caf::strong_actor_ptr>(f.found->bots_of(42)));
    else if (what == blow::kill_bot && bot)
      kill_now(caf::actor_cast<caf::strong_actor_ptr>(bot));
    else if (what == blow::leave && bot)
      caf::anon_send(bot, passivate{0xffffffffu, {}});
  };
  std::size_t struck = 0;
  for (int i = 0; i < 100; ++i) {
    while (f.sched.has_job()) {
      if (handled++ >= step && struck < blows.size())
        strike(blows[struck++]);
      f.sched.run_once();
    }
    f.sched.advance_time(5ms);
  }
  f.advance(3s);
  CHECK_EQ(f.answered, 1);
  CHECK_EQ(f.granted, 1);
  // Every lease went back; those of the killed the pool would take, which this one does not.
  CHECK(f.s->open.empty() || std::ranges::any_of(blows, [](auto x) { return x != blow::leave; }));
  auto entry = f.names->find(42);
  CHECK(entry->actor ? entry->phase == bot_phase::active : entry->phase == bot_phase::passive);
  return struck == blows.size();
}

} // namespace

SCENARIO(
  "a call that meets a bot which leaves, at any step, is answered once by whoever comes next") {
  int long_enough = 0;
  for (auto first : {blow::leave, blow::kill_bot, blow::kill_shard})
    for (auto second : {blow::leave, blow::kill_bot, blow::kill_shard})
      for (int step = 0; step < 12; ++step)
        long_enough += story(step, {blow::leave, first, second}) ? 1 : 0;
  CHECK(long_enough > 9 * 4);
}

SCENARIO("a call for a passive bot brings it back, and that is neither a crash nor a restart") {
  fixture f;
  caf::anon_send(f.now(), passivate{0xffffffffu, {}});
  f.settle();
  CHECK(!f.now());
  CHECK(f.names->find(42)->phase == bot_phase::passive);
  f.go();
  f.settle();
  CHECK_EQ(f.granted, 1);
  CHECK(f.names->find(42)->phase == bot_phase::active);
}

} // namespace troupe::passivation_calls_suite
