#define CAF_SUITE actors_bot_passivation
#include "tests/actors/inbox_fixture.hpp"

namespace troupe::bot_passivation_suite {

using namespace std::literals;

namespace {

/// Asks the bot to leave. @returns what it said; nothing: it was gone before
std::optional<passivation> ask(test_coordinator_fixture<>& f, const bot_actor& bot,
                               passivate how = {0xffffffffu, {}}) {
  auto said = std::make_shared<std::optional<passivation>>();
  f.sys.spawn([said, bot, how](caf::event_based_actor* me) {
    me->request(bot, caf::infinite, how)
      .then([said](const passivation& x) { *said = x; }, [](const caf::error&) {});
  });
  f.sched.run();
  return *said;
}

bool goes(test_coordinator_fixture<>& f, const bot_actor& bot, passivate how = {0xffffffffu, {}}) {
  auto said = ask(f, bot, how);
  return said && said->goes;
}

struct fixture : bot_tests::fixture {
  fixture() { advance(1s); } // Whoever it was started for would have come by now.
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO(
  "an idle bot goes when it is asked, with its own reason, and tells health what it had to tell") {
  ask(1, make_call(1));
  done(1, ok());
  caf::error why;
  bot->attach_functor([&why](const caf::error& x) { why = x; });
  CHECK(goes(*this, bot));
  CHECK_EQ(why, caf::error{ec::passivated});
  REQUIRE_EQ(s->batches.size(), 1u);
  CHECK_EQ(s->batches[0].samples.size(), 1u);
  CHECK(s->open.empty());
}

SCENARIO("a bot stays while a call waits, is under way, or is to be tried again") {
  s->governor = bot_tests::script::mode::hold;
  ask(1, make_call(1, true));
  CHECK(!goes(*this, bot));
  grant_held();
  CHECK(!goes(*this, bot));
  failed(1, status(502));
  CHECK(!goes(*this, bot)); // It pauses.
  advance(5s);
  CHECK(!goes(*this, bot)); // It waits again.
  grant_held();
  done(1, ok());
  CHECK(goes(*this, bot));
}

SCENARIO("a bot stays while a client's long poll of Telegram is under way") {
  auto poll = make_call(1);
  poll.kind = call_kind::long_poll;
  ask(1, poll);
  CHECK(!goes(*this, bot));
  done(1, ok());
  CHECK(goes(*this, bot));
}

SCENARIO("a bot that was just started waits for whoever needs it") {
  start_bot spec;
  spec.bot = 7;
  bot = spawn(spec, 2);
  CHECK(!goes(*this, bot));
  advance(199ms);
  CHECK(!goes(*this, bot));
  advance(1ms);
  CHECK(goes(*this, bot));
}

SCENARIO("uses are counted from one question to the next; the one it was started for is none") {
  auto once = [this](call_id id) {
    ask(id, make_call(id));
    done(id, ok());
  };
  once(1);
  auto said = troupe::bot_passivation_suite::ask(*this, bot, {0, 1h});
  CHECK_EQ(said->uses, 0u);
  once(2);
  once(3);
  advance(7s);
  said = troupe::bot_passivation_suite::ask(*this, bot, {1, {}});
  CHECK(!said->goes);
  CHECK_EQ(said->uses, 2u);
  CHECK_EQ(said->unused_for, caf::timespan{7s});
  CHECK(!goes(*this, bot, {0, 8s}));
  CHECK(goes(*this, bot, {0, 7s}));
}

SCENARIO("a suspended bot does not go: an operator holds it") {
  tell(bot_command{7, bot_phase::suspended});
  CHECK(!goes(*this, bot));
}

SCENARIO("an open breaker is open for the next incarnation, too") {
  tell(breaker_change{7, breaker_state::open, 60s});
  CHECK(goes(*this, bot));
  s->known = breaker_change{7, breaker_state::open, 30s};
  start_bot spec;
  spec.bot = 7;
  bot = spawn(spec, 2);
  ask(1, make_call(1));
  CHECK_EQ(got.refused[1], caf::error{ec::breaker_open});
}

END_FIXTURE_SCOPE()

namespace {

using inbox_fixture = inbox_tests::fixture;

/// A bot that is brought back when it left, as its shard does it for the journal.
struct updates_fixture : inbox_fixture {
  updates_fixture() { advance(1s); }
};

} // namespace

BEGIN_FIXTURE_SCOPE(updates_fixture)

SCENARIO(
  "a bot stays while an update is with its receiver, until the journal knows that it ended") {
  receiver->holds = true;
  store_update(1);
  tell_bot();
  sched.run();
  CHECK(!goes(*this, bot));
  store->unavailable = true;
  answer_held();
  CHECK(!goes(*this, bot)); // Delivered; the journal does not know.
  store->unavailable = false;
  CHECK(finish());
  CHECK(goes(*this, bot));
  CHECK_EQ(store->count(update_verdict::delivered), 1u);
}

SCENARIO("a bot stays while an update waits to be tried again") {
  receiver->answers = [](const relay_request&) { return inbox_tests::tenant::status(500); };
  relay_to("https://tenant.test/", 10);
  store_update(1);
  tell_bot();
  sched.run();
  CHECK(!goes(*this, bot));
  receiver->answers = [](const relay_request&) { return inbox_tests::tenant::status(200); };
  CHECK(finish());
  sched.run();
  CHECK(goes(*this, bot));
}

SCENARIO("a bot stays while a client waits for updates, and while it may still confirm some") {
  pull();
  auto waiting = poll();
  CHECK(!goes(*this, bot));
  store_update(1);
  tell_bot();
  sched.run();
  CHECK_EQ(waiting->got.size(), 1u);
  CHECK(!goes(*this, bot));
  advance(11min);
  CHECK(goes(*this, bot));
}

END_FIXTURE_SCOPE()

namespace {

/// 24 updates; after `after` messages the bot is asked to leave, 60 times unless it does before,
/// and comes back as its shard brings it back. @returns whether the story was that long
bool leave_after(int after) {
  inbox_fixture f;
  f.advance(1s);
  int handled = 0;
  int asked = 0;
  int left = 0;
  auto gone = std::make_shared<bool>(false);
  auto watch = [&] {
    *gone = false;
    f.bot->attach_functor([gone](const caf::error& why) { *gone = why == ec::passivated; });
  };
  watch();
  auto step = [&] {
    if (!f.sched.has_job())
      return false;
    f.sched.run_once();
    ++handled;
    if (handled >= after && left == 0 && asked++ < 60)
      caf::anon_send(f.bot, passivate{0xffffffffu, {}});
    if (*gone) {
      ++left;
      f.start_bot_again();
      watch();
      if (!f.store->pending.empty()) // As the journal does, which monitors it.
        f.tell_bot();
    }
    return true;
  };
  for (int i = 0; i < 24; ++i) {
    f.store_update(i % 4, i % 6 == 5);
    f.tell_bot();
    for (int n = 0; n < 3; ++n)
      step();
  }
  for (int i = 0; i < 600 && !(f.store->pending.empty() && !f.sched.has_job()); ++i) {
    while (step())
      ;
    f.sched.advance_time(100ms);
  }
  CHECK_EQ(f.store->pending.size(), 0u);
  CHECK_EQ(f.store->count(update_verdict::delivered), 24u);
  CHECK_EQ(f.receiver->got.size(),
           24u); // Nothing twice either: it leaves when nothing is under way.
  CHECK(f.in_order());
  return handled > after;
}

} // namespace

SCENARIO("a bot that is asked to leave after any message delivers every update, once") {
  int after = 1;
  while (after < 400 && leave_after(after))
    ++after;
  CHECK(after > 50);
}

} // namespace troupe::bot_passivation_suite
