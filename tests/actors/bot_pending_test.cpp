#define CAF_SUITE bot_pending
#include "messages/store.hpp"
#include "tests/actors/bot_fixture.hpp"

namespace troupe::bot_pending_suite {

using namespace troupe::bot_tests;

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a bot that starts again says nothing of its limits: they may have changed meanwhile") {
  caf::anon_send_exit(bot, caf::exit_reason::kill);
  start_bot spec;
  spec.bot = 7;
  spec.rps = 5;
  spec.concurrent = 2;
  bot = spawn(spec, 2); // Before it hears that it may do less now, as the governor knows already.
  CHECK_EQ(s->limits_told, 0u);
  ask(1, make_call(1));
  CHECK_EQ(got.granted.count(1), 1u);
  done(1, ok());
}

SCENARIO("a bot whose owner is not proven takes the node's own calls alone, until it is") {
  caf::anon_send_exit(bot, caf::exit_reason::user_shutdown);
  start_bot spec;
  spec.bot = 7;
  spec.pending = true;
  bot = spawn(spec);
  auto own = [](call_id id) {
    auto c = make_call(id);
    c.own = true;
    return c;
  };
  ask(1, make_call(1));
  CHECK(got.refused[1] == store_refusal::not_verified);
  ask(2, own(2));
  CHECK_EQ(got.granted.count(2), 1u);
  done(2, ok());
  // It may be suspended, and come back as what it was.
  tell(bot_command{7, bot_phase::suspended});
  ask(3, own(3));
  CHECK_EQ(got.refused[3], ec::suspended);
  tell(bot_command{7, bot_phase::pending});
  ask(4, own(4));
  CHECK_EQ(got.granted.count(4), 1u);
  done(4, ok());
  ask(5, make_call(5));
  CHECK(got.refused[5] == store_refusal::not_verified);
  // Its owner is known.
  tell(bot_command{7, bot_phase::active});
  ask(6, make_call(6));
  CHECK_EQ(got.granted.count(6), 1u);
}

END_FIXTURE_SCOPE()

} // namespace troupe::bot_pending_suite
