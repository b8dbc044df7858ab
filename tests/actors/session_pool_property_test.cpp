#define CAF_SUITE session_pool_property

#include "tests/actors/session_pool_fixture.hpp"

#include "runtime/log/capture.hpp"

#include <algorithm>
#include <map>
#include <random>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::session_pool_property_suite {

using namespace troupe::test;
using namespace std::literals;

namespace {

/// Random bots doing random things, step by step; between steps the pool must add up.
struct crowd : pool_fixture {
  static constexpr int bots_at_once = 6;

  void begin(std::uint32_t seed) {
    random.seed(seed);
    start_governor();
    start_pool();
    for (int i = 0; i < bots_at_once; ++i)
      alive.push_back(&add_bot(i + 1, static_cast<tenant_id>(i % 2 + 1)));
  }

  void end() {
    for (auto* bot : alive)
      kill(*bot);
    alive.clear();
    advance_time(1s);
    sched.run();
    auto now = report();
    CHECK_EQ(now.leased, 0u);
    CHECK_EQ(now.polls, 0u);
    CHECK_EQ(now.waiting, 0u);
    CHECK_EQ(book->credits, 9u);
    caf::anon_send_exit(*pool, caf::exit_reason::kill);
    sched.run();
    stop_governor();
  }

  std::size_t upto(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>{0, n - 1}(random);
  }
  fake_bot_handle& some_bot() { return *alive[upto(alive.size())]; }

  void step() {
    auto& bot = some_bot();
    switch (upto(12)) {
    case 0:
    case 1:
    case 2:
      if (book->credits > 0)
        ask(bot, call_kind::request, {.lane = static_cast<std::uint16_t>(upto(2))});
      break;
    case 3:
    case 4:
      ask(bot, call_kind::long_poll,
          {.lane = static_cast<std::uint16_t>(upto(2)), .patience = 1s * (upto(9) + 1)});
      break;
    case 5:
      ask(bot, call_kind::file, {.patience = 1s * (upto(9) + 1)});
      break;
    case 6:
    case 7:
    case 8:
      if (!bot.leases().empty()) // Often one that is over already.
        caf::anon_send(bot.handle,
                       lease_return{bot.leases()[upto(bot.leases().size())].id, upto(4) != 0});
      break;
    case 9:
      caf::anon_send(bot.handle, lease_cancel{bot.id, calls - upto(5)});
      break;
    case 10:
      advance_time(100ms * upto(30));
      break;
    default:
      rare(bot);
    }
    // Some of what is on its way arrives.
    for (auto n = upto(6); n > 0 && sched.try_run_once(); --n) {
    }
  }

  void rare(fake_bot_handle& bot) {
    auto what = upto(10);
    if (what < 3) {
      caf::anon_send_exit(bot.handle, caf::exit_reason::kill);
      auto place = std::find(alive.begin(), alive.end(), &bot);
      *place = &add_bot(bot.id, bot.tenant);
    } else if (what == 3) {
      caf::anon_send_exit(std::exchange(governor, {}), caf::exit_reason::kill);
      book = std::make_shared<treasury>();
      governor = sys.spawn(fake_governor, book);
    }
  }

  // With nothing on its way.
  void check() {
    sched.run();
    auto now = report();
    std::map<call_kind, std::uint32_t> busy;
    std::map<bot_id, std::uint32_t> polls_of;
    for (const auto& x : now.sessions)
      if (x.lessee != 0) {
        ++busy[x.kind];
        if (x.kind == call_kind::long_poll)
          ++polls_of[x.lessee];
      }
    CHECK_EQ(busy[call_kind::request] + busy[call_kind::file], now.leased);
    CHECK_EQ(busy[call_kind::file], now.downloads);
    CHECK_EQ(busy[call_kind::long_poll], now.polls);
    CHECK_LE(busy[call_kind::request], 9u);
    CHECK_LE(busy[call_kind::file], 1u);
    CHECK_LE(now.polls, 3u);
    CHECK_LE(now.sessions.size(), 13u);
    CHECK_EQ(now.sessions.size(), now.leased + now.polls + now.idle);
    CHECK_EQ(now.opened_total - now.closed_total, now.sessions.size());
    CHECK_EQ(port->closed.size(), closed_before + now.closed_total);
    for (const auto& [bot, n] : polls_of)
      CHECK_LE(n, 2u);
    // Every credit is somewhere; a governor's straggler may count twice for a while.
    if (book->epoch != 0)
      CHECK_GE(book->credits + busy[call_kind::request], 9u);
    check_nobody_waits_in_vain(now, busy, polls_of);
  }

  // Bot ids are used again after a death, so `polls_of` counts what the living hold.
  void check_nobody_waits_in_vain(const pool_report& now, std::map<call_kind, std::uint32_t>& busy,
                                  std::map<bot_id, std::uint32_t>& polls_of) {
    std::uint32_t waiting = 0;
    for (auto* bot : alive) {
      const auto& open = bot->got->open;
      CHECK_EQ(open[static_cast<std::size_t>(call_kind::request)], 0u);
      if (auto n = open[static_cast<std::size_t>(call_kind::long_poll)]; n > 0) {
        waiting += n;
        CHECK(now.polls == 3 || polls_of[bot->id] == 2);
      }
      if (auto n = open[static_cast<std::size_t>(call_kind::file)]; n > 0) {
        waiting += n;
        CHECK_EQ(busy[call_kind::file], 1u);
      }
    }
    CHECK_EQ(now.waiting, waiting);
  }

  std::mt19937 random;
  std::vector<fake_bot_handle*> alive;
  std::size_t closed_before = 0;
};

} // namespace

BEGIN_FIXTURE_SCOPE(crowd)

SCENARIO("whatever bots do, leases and places and credits add up") {
  log::capture quiet;
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    closed_before = port->closed.size();
    begin(seed);
    for (int i = 0; i < 400; ++i) {
      step();
      if (i % 5 == 0)
        check();
    }
    end();
  }
}

END_FIXTURE_SCOPE()

} // namespace troupe::session_pool_property_suite
