#define CAF_SUITE bot

#include "actors/bot/life_cycle.hpp"
#include "tests/actors/bot_fixture.hpp"

namespace troupe::bot_suite {

using namespace std::literals;

namespace {

start_bot seven() {
  start_bot spec;
  spec.bot = 7;
  return spec;
}

struct fixture : bot_tests::fixture {
  /// Two calls come to a new bot, which asks a health that does not answer.
  caf::timespan retry_after(call_id id) {
    auto context = caf::make_const_typed_message_view<refusal>(got.refused[id].context());
    return context ? get<0>(context).retry_after : caf::timespan{-1};
  }

  void ask_silent_health() {
    caf::anon_send_exit(bot, caf::exit_reason::user_shutdown);
    auto before = found->health.get();
    found->health.publish(sys.spawn([](health_actor::pointer self) -> health_actor::behavior_type {
      auto open = std::make_shared<std::vector<caf::typed_response_promise<void>>>();
      return {[](const outcome_batch&) {},
              [=](const bot_started&) -> caf::result<void> {
                open->push_back(self->make_response_promise<void>());
                return open->back();
              },
              [](const stop_bot&) {}, [](const health_limits&) {}, [](const bot_health_request&) { return bot_health{}; },
              [](const get_report&) { return health_report{}; }};
    }));
    caf::anon_send_exit(before, caf::exit_reason::user_shutdown);
    bot = spawn(seven());
    ask(1, make_call(1));
    ask(2, make_call(2));
    CHECK_EQ(got.count(1) + got.count(2), 0u);
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a call gets a permit and a session, and gives both back") {
  ask(1, make_call(1));
  REQUIRE_EQ(got.granted.count(1), 1u);
  CHECK_EQ(s->permits.size(), 1u);
  CHECK_EQ(s->permits[0].bot, 7);
  CHECK_EQ(s->open.size(), 1u);
  done(1, ok());
  CHECK(s->open.empty());
  CHECK(s->returned.begin()->second);
}

SCENARIO("a call beyond the queue is refused at once, and room is made by grants") {
  s->governor = bot_tests::script::mode::hold;
  for (call_id id = 1; id <= 3; ++id)
    ask(id, make_call(id));
  REQUIRE_EQ(got.refused.count(3), 1u);
  CHECK_EQ(got.refused[3], ec::queue_full);
  CHECK_EQ(retry_after(3), 4s); // As the governor said: it would have to wait so long.
  CHECK_EQ(s->held.size(), 2u);
  grant_held();
  CHECK_EQ(got.granted.count(1), 1u);
  ask(4, make_call(4));
  CHECK_EQ(got.refused.count(4), 0u);
  CHECK_EQ(s->held.size(), 2u);
}

SCENARIO("calls that wait for a full chat hold up no call to another chat") {
  s->governor = bot_tests::script::mode::hold;
  ask(1, make_call(1));
  s->governor = bot_tests::script::mode::grant;
  ask(2, make_call(2));
  CHECK_EQ(got.count(1), 0u);
  CHECK_EQ(got.granted.count(2), 1u);
}

SCENARIO("a call that governor and pool forgot is refused soon after its deadline, and only once") {
  s->governor = bot_tests::script::mode::hold;
  ask(1, make_call(1));
  advance(10s);
  CHECK_EQ(got.count(1), 0u);
  advance(1s);
  REQUIRE_EQ(got.refused.count(1), 1u);
  CHECK_EQ(got.refused[1], ec::deadline_passed);
  CHECK_EQ(s->cancels.size(), 1u);
}

SCENARIO("a cancelled call gives up its place in the governor and is never granted") {
  s->governor = bot_tests::script::mode::hold;
  ask(1, make_call(1));
  tell(call_cancelled{1});
  CHECK_EQ(s->cancels.size(), 1u);
  CHECK_EQ(got.refused[1], ec::cancelled);
  WHEN("the governor had granted it already") {
    grant_held();
    THEN("session and permit go back unused") {
      CHECK(s->open.empty());
      CHECK_EQ(s->unused.size(), 1u);
      CHECK_EQ(got.granted.count(1), 0u);
    }
  }
}

SCENARIO("an open breaker refuses at once, lets one probe through, and closes when told") {
  tell(breaker_change{7, breaker_state::open, 60s});
  ask(1, make_call(1));
  CHECK_EQ(got.refused[1], ec::breaker_open);
  CHECK(s->permits.empty());
  advance(60s);
  ask(2, make_call(2));
  CHECK_EQ(got.granted.count(2), 1u);
  ask(3, make_call(3));
  CHECK_EQ(got.refused[3], ec::breaker_open);
  done(2, ok());
  REQUIRE_EQ(s->batches.size(), 1u);
  CHECK(s->batches[0].samples[0].probe);
  tell(breaker_change{7, breaker_state::closed, 0s});
  ask(4, make_call(4));
  ask(5, make_call(5));
  CHECK_EQ(got.granted.count(4) + got.granted.count(5), 2u);
}

SCENARIO("an opening breaker refuses what waits, not what runs") {
  s->governor = bot_tests::script::mode::hold;
  ask(1, make_call(1));
  ask(2, make_call(2));
  grant_held();
  ask(3, make_call(3));
  tell(breaker_change{7, breaker_state::open, 60s});
  CHECK_EQ(got.granted.count(1), 1u);
  CHECK_EQ(got.refused.count(1), 0u);
  CHECK_EQ(got.refused[2], ec::breaker_open);
  CHECK_EQ(got.refused[3], ec::breaker_open);
}

SCENARIO("failures reach health at once, successes in batches") {
  ask(1, make_call(1));
  done(1, ok());
  CHECK(s->batches.empty());
  advance(200ms);
  CHECK_EQ(s->batches.size(), 1u);
  ask(2, make_call(2));
  done(2, broke(failure::timeout));
  CHECK_EQ(s->batches.size(), 2u);
}

SCENARIO("a call whose exchange nobody reports on is given up and its session closed") {
  ask(1, make_call(1));
  advance(limits.lease_timeout + 1s);
  CHECK(s->open.empty());
  CHECK_EQ(s->returned.begin()->second, false);
}

SCENARIO("long polls take the pool's own places and none of the bot's") {
  auto poll = make_call(1);
  poll.kind = call_kind::long_poll;
  ask(1, poll);
  ask(2, make_call(2));
  ask(3, make_call(3));
  CHECK_EQ(got.granted.size(), 3u);
  CHECK_EQ(s->direct.size(), 1u);
  CHECK_EQ(s->permits.size(), 2u);
}

SCENARIO("a suspended bot refuses, and takes calls again when resumed") {
  tell(bot_command{7, bot_phase::suspended});
  ask(1, make_call(1));
  CHECK_EQ(got.refused[1], ec::suspended);
  tell(bot_command{7, bot_phase::active});
  ask(2, make_call(2));
  CHECK_EQ(got.granted.count(2), 1u);
}

SCENARIO("an adopted bot takes its number once the upstream accepted the token") {
  start_bot spec;
  spec.bot = -99;
  spec.claimed = 123;
  spec.proven = false;
  bot = spawn(spec);
  ask(1, make_call(1));
  done(1, status(401));
  CHECK(s->proofs.empty());
  ask(2, make_call(2));
  done(2, ok());
  REQUIRE_EQ(s->proofs.size(), 1u);
  CHECK_EQ(s->proofs[0].from, -99);
  CHECK_EQ(s->proofs[0].to, 123);
  ask(3, make_call(3));
  CHECK_EQ(s->permits.back().bot, 123);
}

SCENARIO("while the governor is away calls wait for its successor") {
  auto old = found->rate_governor.get();
  s->governor = bot_tests::script::mode::hold;
  ask(1, make_call(1));
  caf::anon_send_exit(old, caf::exit_reason::kill);
  settle();
  s->held.clear(); // Its promises break with it.
  found->rate_governor.publish({});
  settle();
  advance(100ms);
  CHECK_EQ(got.count(1), 0u);
  s->governor = bot_tests::script::mode::grant;
  found->rate_governor.publish(sys.spawn(bot_tests::fake_governor, s));
  advance(25ms);
  CHECK_EQ(got.granted.count(1), 1u);
}

SCENARIO("a call that need not wait passes a full queue") {
  s->governor = bot_tests::script::mode::hold;
  ask(1, make_call(1));
  ask(2, make_call(2));
  s->governor = bot_tests::script::mode::grant; // It has budget for another chat.
  ask(3, make_call(3));
  CHECK_EQ(s->permits.back().patience.count(), 0);
  CHECK_EQ(got.granted.count(3), 1u);
  s->governor = bot_tests::script::mode::hold;
  ask(4, make_call(4));
  CHECK_EQ(got.refused[4], ec::queue_full);
  failed(3, broke(failure::not_sent));
  advance(2s);
  CHECK_EQ(s->held.size(), 3u); // As one that was let in it may wait for its second attempt.
}

SCENARIO("a full queue without a governor to ask refuses at once") {
  s->governor = bot_tests::script::mode::hold;
  ask(1, make_call(1));
  ask(2, make_call(2));
  auto governor = found->rate_governor.get();
  found->rate_governor.publish({});
  ask(3, make_call(3));
  CHECK_EQ(got.refused[3], ec::queue_full);
  CHECK_EQ(retry_after(3), 1s);
  found->rate_governor.publish(governor);
}

SCENARIO("a call for which no session will be free in time is not asked for again") {
  s->governor = bot_tests::script::mode::refuse;
  s->refusal_code = ec::no_session;
  ask(1, make_call(1));
  CHECK_EQ(got.refused[1], ec::no_session);
  CHECK_EQ(retry_after(1), 7s);
  CHECK_EQ(s->permits.size(), 1u);
  CHECK(s->unused.empty()); // It had no permit.
}

SCENARIO("a permit whose lease is refused goes back, and the call asks again") {
  s->governor = bot_tests::script::mode::hold;
  s->refusal_code = ec::no_session;
  ask(1, make_call(1));
  refuse_held();
  CHECK_EQ(got.count(1), 0u);
  REQUIRE_EQ(s->unused.size(), 1u);
  CHECK_EQ(s->unused[0].id, 1u);
  CHECK_EQ(s->unused[0].permitted_at, 0);
  CHECK_EQ(s->unused[0].after, 0);
  CHECK_EQ(s->permits.size(), 2u);
  grant_held();
  CHECK_EQ(got.granted.count(1), 1u);
  failed(1, broke(failure::not_sent));
  advance(2s);
  REQUIRE_EQ(s->held.size(), 1u);
  refuse_held();
  REQUIRE_EQ(s->unused.size(), 2u);
  CHECK_EQ(s->unused[1].after, 1); // The permit of the first attempt was used: all stamps are 1.
}

SCENARIO("a lease refused at the deadline gives its permit back and ends the call") {
  s->governor = bot_tests::script::mode::hold;
  s->refusal_code = ec::no_session;
  ask(1, make_call(1));
  advance(10s);
  refuse_held();
  CHECK_EQ(s->unused.size(), 1u);
  CHECK_EQ(s->permits.size(), 1u);
  CHECK_EQ(got.refused[1], ec::no_session);
}

SCENARIO("a lease refused after its call was given up gives the permit back all the same") {
  s->governor = bot_tests::script::mode::hold;
  s->refusal_code = ec::no_session;
  ask(1, make_call(1));
  tell(call_cancelled{1});
  refuse_held();
  CHECK_EQ(s->unused.size(), 1u);
  CHECK_EQ(s->permits.size(), 1u);
  CHECK_EQ(got.refused[1], ec::cancelled);
}

SCENARIO("a permit of a call whose pool died goes back, too") {
  s->governor = bot_tests::script::mode::hold;
  auto governor = found->rate_governor.get();
  ask(1, make_call(1));
  // Another governor takes over; the first one's end answers as a dead pool does.
  found->rate_governor.publish(sys.spawn(bot_tests::fake_governor, s));
  caf::anon_send_exit(governor, caf::exit_reason::kill);
  settle();
  s->held.clear(); // Its promises break with it.
  settle();
  REQUIRE_EQ(s->unused.size(), 1u);
  CHECK_EQ(s->unused[0].id, 1u);
  advance(25ms);
  CHECK_EQ(s->permits.size(), 2u);
}

SCENARIO("a file that finds no place is not asked for again") {
  start_bot spec;
  spec.bot = 7;
  found->session_pool.publish(sys.spawn([](session_pool_actor::pointer) {
    return session_pool_actor::behavior_type{
      [](const lease_request&) -> caf::result<lease> { return caf::make_error(ec::no_session); },
      [](const lease_return&) {},
      [](const lease_cancel&) {},
      [](const credit_request&) { return pool_capacity{}; },
      [](const pool_limits&) {},
      [](const get_report&) { return pool_report{}; }};
  }));
  auto c = make_call(1);
  c.kind = call_kind::file;
  ask(1, c);
  CHECK_EQ(got.refused[1], ec::no_session);
}

SCENARIO("a bot that starts asks health for its breaker and obeys it") {
  s->started.clear();
  s->known = breaker_change{7, breaker_state::open, 10s};
  auto first = std::exchange(bot, spawn(seven()));
  CHECK_EQ(s->started, std::vector<bot_id>{7});
  ask(1, make_call(1));
  CHECK_EQ(got.refused[1], ec::breaker_open);
  CHECK(s->permits.empty());
  advance(10s);
  ask(2, make_call(2));
  CHECK_EQ(got.granted.count(2), 1u);
  caf::anon_send_exit(first, caf::exit_reason::user_shutdown);
}

SCENARIO("calls that come before a bot knows its breaker wait for health, but not for long") {
  ask_silent_health();
  advance(100ms);
  CHECK_EQ(got.granted.count(1) + got.granted.count(2), 2u);
}

SCENARIO("calls that came before a bot knew that its breaker is open are refused") {
  ask_silent_health();
  tell(breaker_change{7, breaker_state::open, 10s});
  CHECK_EQ(got.refused[1], ec::breaker_open);
  CHECK_EQ(got.refused[2], ec::breaker_open);
  advance(100ms);
  CHECK(s->permits.empty());
}

SCENARIO("of the calls that came before a bot knew that its breaker is half open one goes out") {
  ask_silent_health();
  tell(breaker_change{7, breaker_state::half_open, 0s});
  advance(100ms);
  CHECK_EQ(got.granted.count(1), 1u);
  CHECK_EQ(got.refused[2], ec::breaker_open);
}

SCENARIO("a client that leaves before its bot knows its breaker takes its call with it") {
  ask_silent_health();
  tell(call_cancelled{1});
  CHECK_EQ(got.refused[1], ec::cancelled);
  advance(100ms);
  CHECK_EQ(got.granted.count(2), 1u);
  CHECK_EQ(s->permits.size(), 1u);
}

SCENARIO("a late word that the breaker is half open lets no second probe out") {
  tell(breaker_change{7, breaker_state::open, 60s});
  advance(60s);
  ask(1, make_call(1));
  CHECK_EQ(got.granted.count(1), 1u);
  tell(breaker_change{7, breaker_state::half_open, 0s});
  ask(2, make_call(2));
  CHECK_EQ(got.refused[2], ec::breaker_open);
  done(1, ok());
  ask(3, make_call(3));
  CHECK_EQ(got.granted.count(3), 1u);
  tell(breaker_change{7, breaker_state::open, 60s}); // By a call of before.
  advance(60s);
  ask(4, make_call(4));
  CHECK_EQ(got.refused[4], ec::breaker_open); // The last probe is still out.
  tell(breaker_change{7, breaker_state::closed, 0s});
  tell(breaker_change{7, breaker_state::open, 60s});
  advance(60s);
  ask(5, make_call(5));
  CHECK_EQ(got.granted.count(5), 1u); // That was a probe of another time.
}

SCENARIO("a permit goes back when its client left before anything was written") {
  for (call_id id = 1; id <= 3; ++id) {
    auto c = make_call(id);
    c.produces_message = true;
    c.chat = {5, false};
    ask(id, c);
  }
  auto gone = broke(failure::aborted);
  done(1, gone); // In the middle of it.
  CHECK(s->unused.empty());
  gone.unsent = true;
  done(2, gone);
  REQUIRE_EQ(s->unused.size(), 1u);
  CHECK_EQ(s->unused[0].permitted_at, 1);
  CHECK_EQ(s->unused[0].chat.key, 5);
  tell(call_done{3, {}, broke(failure::aborted)}); // The grant never reached its gateway.
  CHECK_EQ(s->unused.size(), 2u);
  CHECK(s->open.empty());
}

SCENARIO("a download of a bot that was proven meanwhile leaves the pool under its old name") {
  start_bot spec;
  spec.bot = -77;
  spec.claimed = 9;
  spec.proven = false;
  auto first = std::exchange(bot, spawn(spec));
  s->pool_holds = true;
  auto file = make_call(1);
  file.kind = call_kind::file;
  ask(1, file);
  ask(2, make_call(2));
  done(2, ok());
  REQUIRE_EQ(s->proofs.size(), 1u);
  tell(call_cancelled{1});
  CHECK_EQ(got.refused[1], ec::cancelled);
  REQUIRE_EQ(s->left.size(), 1u);
  CHECK_EQ(s->left[0].bot, -77);
  CHECK_EQ(s->left[0].id, 1u);
  s->in_pool.clear();
  caf::anon_send_exit(first, caf::exit_reason::user_shutdown);
}

SCENARIO("changed settings hold for all bots from the next call on") {
  s->governor = bot_tests::script::mode::hold;
  for (call_id id = 1; id <= 3; ++id)
    ask(id, make_call(id));
  CHECK_EQ(got.refused[3], ec::queue_full);
  limits.max_queue = 4;
  limits.retries = 0;
  limits.max_polls = 1;
  config->publish(limits);
  for (call_id id = 4; id <= 6; ++id)
    ask(id, make_call(id));
  CHECK_EQ(got.count(4) + got.count(5), 0u);
  CHECK_EQ(got.refused[6], ec::queue_full);
  grant_held();
  failed(1, broke(failure::not_sent));
  CHECK_EQ(got.refused[1], ec::not_retried);
  auto poll = make_call(7);
  poll.kind = call_kind::long_poll;
  ask(7, poll);
  CHECK_EQ(got.granted.count(7), 1u);
  poll.id = 8;
  ask(8, poll);
  CHECK_EQ(got.refused[8], ec::queue_full);
}

SCENARIO("nobody waits for ever for a governor that does not come back") {
  found->rate_governor.publish({});
  ask(1, make_call(1));
  for (int i = 0; i < 500; ++i)
    advance(25ms);
  CHECK_EQ(got.refused[1], ec::deadline_passed);
}

SCENARIO("a bot killed at any step of a call leaves nobody without an answer") {
  for (std::size_t steps = 0; steps < 12; ++steps) {
    got = {};
    start_bot spec;
    spec.bot = 7;
    bot = spawn(spec);
    client->context(nullptr);
    client->request(bot, caf::infinite, make_call(1))
      .then([this](const grant& x) { got.granted[1] = x; },
            [this](caf::error& why) { got.refused[1] = std::move(why); });
    for (std::size_t i = 0; i < steps && sched.has_job(); ++i)
      sched.run_once();
    caf::anon_send_exit(bot, caf::exit_reason::kill);
    settle();
    CHECK_EQ(got.count(1), 1u);
  }
}

SCENARIO("illegal phase changes cannot be made") {
  using enum bot_phase;
  CHECK(may_follow(active, suspended));
  CHECK(!may_follow(stopped, active));
  CHECK(!may_follow(unauthorized, active));
  CHECK(!takes_calls(suspended));
}

END_FIXTURE_SCOPE()

} // namespace troupe::bot_suite
