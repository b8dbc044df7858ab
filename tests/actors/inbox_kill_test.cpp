#define CAF_SUITE actors_inbox_kill
#include "tests/actors/inbox_fixture.hpp"

namespace troupe::inbox_kill_suite {

using namespace troupe::inbox_tests;

namespace {

enum class victim { bot, delivery, journal };

struct kill_fixture {
  /// Runs a story of 24 updates and kills `who` after `after` messages. @returns whether the story
  /// was that long
  static bool run(victim who, int after) {
    fixture f;
    int handled = 0;
    bool killed = false;
    auto step = [&] {
      if (!f.sched.has_job())
        return false;
      f.sched.run_once();
      if (++handled == after && !killed) {
        killed = true;
        kill(f, who);
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
      f.sched.advance_time(std::chrono::milliseconds{100});
    }
    std::size_t ended_once = 0;
    for (const auto& [seq, ends] : f.store->ended)
      ended_once += ends.size() == 1 && ends[0].how == update_verdict::delivered ? 1 : 0;
    CHECK_EQ(f.store->pending.size(), 0u);
    CHECK_EQ(ended_once, 24u);
    CHECK(f.in_order());
    CHECK(f.receiver->got.size() >= 24u);
    // What was with the receiver, or told and not stored: one update of each chat and kind at most.
    CHECK(f.receiver->got.size() <= 24u + (killed ? 24u : 0u));
    if (!killed)
      CHECK_EQ(f.receiver->got.size(), 24u);
    return killed;
  }

  static void kill(fixture& f, victim who) {
    switch (who) {
    case victim::bot:
      caf::anon_send_exit(f.bot, caf::exit_reason::kill);
      f.start_bot_again();
      f.tell_bot(); // As the journal does, which monitors it.
      return;
    case victim::delivery:
      caf::anon_send_exit(f.delivery, caf::exit_reason::kill);
      f.start_delivery();
      return;
    case victim::journal:
      caf::anon_send_exit(f.journal, caf::exit_reason::kill);
      f.start_journal();
      f.tell_bot(); // As a new journal does.
      return;
    }
  }
};

int kill_after_every_message(victim who) {
  int after = 1;
  while (kill_fixture::run(who, after))
    ++after;
  return after;
}

} // namespace

SCENARIO("a bot killed after any message loses nothing and skips nothing") {
  CHECK(kill_after_every_message(victim::bot) > 100);
}

SCENARIO("a delivery service killed after any message loses nothing and skips nothing") {
  CHECK(kill_after_every_message(victim::delivery) > 100);
}

SCENARIO("a journal killed after any message loses nothing and skips nothing") {
  CHECK(kill_after_every_message(victim::journal) > 100);
}

} // namespace troupe::inbox_kill_suite
