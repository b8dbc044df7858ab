#define CAF_SUITE registrar_kills
#include "tests/durable/registrar_fixture.hpp"

#include <set>

namespace troupe::registrar_kills_suite {

using namespace troupe::durable_tests;
using store::test_store;

namespace {

/// An operation on a bot of its own, which `prepare` makes.
struct operation {
  const char* name;
  std::function<void(bot_id)> prepare;
  std::function<void(bot_id)> begin;
  std::string between = {}; ///< A state that is neither before nor after, and whole all the same.
};

struct kills_fixture : registrar_fixture {
  /// Everything that is stored of a bot, and the trail of it.
  std::string state_of(bot_id bot) {
    auto trail_of = [&] {
      std::string result;
      for (const auto& x : trail("bot:" + std::to_string(bot)))
        result += ' ' + x.action + '=' + x.outcome;
      return result;
    };
    auto found = get<bot_batch>(bot_lookup{0, {bot}}).bots;
    if (found.empty())
      return "none" + trail_of();
    const auto& row = found[0];
    auto tokens = get<page<virtual_token_row>>(virtual_token_query{0, bot, 0, 100}).rows;
    auto alive = std::ranges::count(tokens, 0, &virtual_token_row::revoked);
    auto at = vault->find(bot);
    return to_string(row.phase) + " rps=" + std::to_string(row.rps)
           + (row.verified != 0 ? " verified" : "") + " tokens=" + std::to_string(alive)
           + " key=" + (at ? at->substr(at->size() - 1) : "none") + trail_of();
  }

  /// The process ends: nothing but the database is left. Then it starts again.
  void die(test_store& on) {
    caf::anon_send_exit(registrar, caf::exit_reason::kill);
    stop();
    sql = std::make_shared<inline_sql>(on);
    spawn();
    boot();
  }

  /// What the node serves is what is stored, nothing more and nothing less.
  void check_served() {
    auto rows = stored();
    std::size_t tokens = 0;
    for (const auto& row : rows) {
      auto token = vault->find(row.id);
      REQUIRE(token != nullptr);
      auto served = entry(*token);
      REQUIRE(served.has_value());
      CHECK_EQ(served->home, row.id);
      bool runs = row.phase == bot_phase::active || row.phase == bot_phase::pending;
      CHECK_EQ(served->actor != nullptr, runs);
      CHECK_EQ(std::ranges::count(notes->starts, row.id, &start_bot::bot), runs ? 1 : 0);
      for (const auto& x : get<page<virtual_token_row>>(virtual_token_query{0, row.id, 0, 9}).rows)
        tokens += x.revoked == 0 ? 1 : 0;
    }
    CHECK_EQ(names->size(), rows.size());
    CHECK_EQ(virtuals->size(), tokens);
    CHECK_EQ(want<registrar_report>(get_report{}).bots, rows.size());
  }

  template <class Request>
  void begin(Request x) {
    self->request(registrar, caf::infinite, std::move(x));
  }

  std::vector<operation> operations() {
    auto active = [this](bot_id bot) { enrol(bot); };
    auto pending = [this](bot_id bot) { want<bot_row>(registration(bot, false)); };
    auto ordered = [this](bot_order_kind what) {
      return [this, what](bot_id bot) { begin(order(bot, what, true)); };
    };
    auto made = std::make_shared<std::int64_t>(0);
    auto code = std::make_shared<std::string>();
    return {
      {"register", [](bot_id) {}, [this](bot_id bot) { begin(registration(bot)); }},
      {"activate", pending, ordered(bot_order_kind::activate)},
      {"suspend", active, ordered(bot_order_kind::suspend)},
      {"resume",
       [this](bot_id bot) {
         enrol(bot);
         want<bot_row>(order(bot, bot_order_kind::suspend));
       },
       ordered(bot_order_kind::resume)},
      {"restart",
       [this](bot_id bot) {
         enrol(bot);
         note_phase(registrar, bot, bot_phase::quarantined, 3600s, "crashed", 3);
         sched.run();
       },
       ordered(bot_order_kind::restart)},
      {"rotate", active,
       [this](bot_id bot) {
         known(bot, 'B');
         begin(bot_rotate{ada(), 1, bot, {token_of(bot, 'B')}, {}});
       }},
      {"change", active,
       [this](bot_id bot) {
         begin(bot_change{ada(), 1, bot, 0, "x", 7, 7, "{}"});
       }},
      {"remove", active,
       [this](bot_id bot) {
         begin(bot_remove{ada(), 1, bot});
       }},
      {"make token", active,
       [this](bot_id bot) {
         begin(virtual_token_make{ada(), 1, bot, "ci", {}, 0});
       }},
      {"revoke",
       [this, made](bot_id bot) {
         enrol(bot);
         *made = want<made_virtual_token>(virtual_token_make{ada(), 1, bot, "ci", {}, 0}).row.id;
       },
       [this, made](bot_id bot) {
         begin(virtual_token_revoke{ada(), 1, bot, *made});
       }},
      {"verify",
       [this, code](bot_id bot) {
         want<bot_row>(registration(bot, false));
         *code = get<verification_row>(verification_make{ada(), 1, bot}).code.text;
       },
       [this, code](bot_id bot) {
         begin(verification_try{bot, *code, 5});
       },
       // The proof is stored, and whoever orders the activation gets it.
       "pending rps=0 verified tokens=0 key=A verification.try=ok verification.make=ok "
       "bot.register=ok"},
    };
  }

  /// Kills at every step of every operation.
  void kill_everywhere(test_store& on) {
    open(on);
    bot_id bot = 100;
    for (const auto& one : operations()) {
      one.prepare(++bot);
      auto before = state_of(bot);
      one.begin(bot);
      sched.run();
      auto after = state_of(bot);
      CHECK_NE(before, after);
      std::set<std::string> seen;
      bool all = false;
      for (std::size_t steps = 0; !all; ++steps) {
        MESSAGE(one.name << " killed after " << steps << " steps");
        one.prepare(++bot);
        CHECK_EQ(state_of(bot), before);
        sql->hold = true;
        one.begin(bot);
        sched.run();
        for (std::size_t i = 0; i < steps && !all; ++i) {
          all = sql->held() == 0;
          if (!all)
            sql->release_one();
          sched.run();
        }
        die(on);
        auto now = state_of(bot);
        seen.insert(now);
        if (now != before && now != after && now != one.between)
          FAIL(one.name << " is half done: " << now);
        check_served();
      }
      CHECK(seen.contains(before));
      CHECK(seen.contains(after));
      CHECK_EQ(seen.contains(one.between), !one.between.empty());
    }
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(kills_fixture)

SCENARIO("killed between any two steps, every operation was done or was not, on SQLite") {
  test_store on{store::backend::sqlite};
  kill_everywhere(on);
}

SCENARIO("killed between any two steps, every operation was done or was not, on PostgreSQL") {
  test_store on{store::backend::postgresql};
  kill_everywhere(on);
}

END_FIXTURE_SCOPE()

} // namespace troupe::registrar_kills_suite
