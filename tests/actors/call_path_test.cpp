#define CAF_SUITE call_path

#include "tests/actors/call_path_clients.hpp"

#include <algorithm>
#include <random>

namespace troupe::call_path_suite {

// The real graph of a call, without network. Whoever is killed, after whatever message of whatever
// kind of call: everybody is answered once, and nothing is left behind.

using namespace troupe::call_path_tests;

namespace {

constexpr auto tick = 25ms; ///< Clients look around so often.

using find_victim = caf::strong_actor_ptr (*)(clients&);

/// Who dies.
constexpr std::pair<const char*, find_victim> victims[] = {
  {"the bot", [](clients& x) { return caf::actor_cast<caf::strong_actor_ptr>(x.bot()); }},
  {"the pool",
   [](clients& x) { return caf::actor_cast<caf::strong_actor_ptr>(x.found->session_pool.get()); }},
  {"the governor",
   [](clients& x) { return caf::actor_cast<caf::strong_actor_ptr>(x.found->rate_governor.get()); }},
  {"health",
   [](clients& x) { return caf::actor_cast<caf::strong_actor_ptr>(x.found->health.get()); }},
  {"the shard's supervisor",
   [](clients& x) { return caf::actor_cast<caf::strong_actor_ptr>(x.found->bots_of(the_bot)); }},
};

void set_limits(clients& x, std::uint32_t connections, std::uint32_t rps) {
  pool_limits pool;
  pool.max_connections = connections;
  caf::anon_send(x.found->session_pool.get(), pool);
  rate_limits budgets;
  budgets.global_rps = rps;
  budgets.group_rpm = 2;
  caf::anon_send(x.found->rate_governor.get(), budgets);
}

/// As victims they are nobody.
caf::strong_actor_ptr lower_limits(clients& x) {
  set_limits(x, 2, 1);
  return nullptr;
}

caf::strong_actor_ptr raise_limits(clients& x) {
  set_limits(x, places, 0);
  return nullptr;
}

/// Who dies after how many messages.
using deaths = std::vector<std::pair<std::size_t, find_victim>>;

/// Calls to make in run number `n`, which has chats of its own.
using script = std::function<std::vector<plan>(std::int64_t n)>;

class world : public clients {
public:
  explicit world(const terms& options = {}) : clients(options) {}

  /// Lets the script run without a kill, then kills every victim after every single message of it.
  /// Fails the test at what is wrong.
  void kill_everywhere(const script& make) {
    undisturbed(make); // The first of all finds nothing ready: no sessions, no windows.
    auto length = undisturbed(make);
    CHECK_GT(length, 20u);
    for (const auto& [name, find] : victims) {
      std::size_t step = 0;
      for (bool again = true; again; ++step) {
        run(make(++runs), {{step, find}});
        again = killed > 0;
        if (auto wrong = complaints(); !wrong.empty())
          FAIL(name << " killed after " << step << " of " << length << " messages: " << wrong);
        close_breakers();
      }
      CHECK_GT(step, length); // The kills went on to the very end.
      CAF_MESSAGE(name << " killed after each of " << step - 1 << " messages");
    }
  }

  /// Lowers the limits of pool and governor after every single message, and raises them a few
  /// messages later. Nobody is killed.
  void change_limits_everywhere(const script& make) {
    auto length = undisturbed(make);
    for (std::size_t step = 0; step < length; ++step) {
      run(make(++runs), {{step, &lower_limits}, {step + 5, &raise_limits}});
      raise_limits(*this); // The run may have been too short for that.
      advance(1s);
      if (auto wrong = complaints(); !wrong.empty())
        FAIL("limits changed after " << step << " of " << length << " messages: " << wrong);
    }
  }

  /// Runs the script with several deaths each time, at random.
  void kill_at_random(const script& make, int times) {
    auto length = undisturbed(make);
    std::mt19937 rng{4711};
    for (int i = 0; i < times; ++i) {
      deaths kills;
      std::string names;
      for (auto n = 2 + rng() % 4; n > 0; --n) {
        const auto& [name, find] = victims[rng() % std::size(victims)];
        kills.emplace_back(rng() % length, find);
        names += std::string{name} + " (" + std::to_string(kills.back().first) + "), ";
      }
      std::sort(kills.begin(), kills.end(),
                [](const auto& x, const auto& y) { return x.first < y.first; });
      run(make(++runs), kills);
      if (auto wrong = complaints(); !wrong.empty())
        FAIL("killed in round " << i << ": " << names << wrong);
      close_breakers();
    }
    CAF_MESSAGE(times << " runs of about " << length << " messages");
  }

  /// The messages of a run without a kill.
  std::size_t undisturbed(const script& make) {
    run(make(++runs), {});
    if (auto wrong = complaints(); !wrong.empty())
      FAIL("without a kill: " << wrong);
    auto result = steps;
    close_breakers();
    return result;
  }

private:
  /// Lets these calls run until half a second after the last answer, message by message.
  /// @param kills in the order of their steps
  void run(const std::vector<plan>& plans, const deaths& kills) {
    begin(plans);
    steps = 0;
    killed = 0;
    auto kill_who_is_due = [&] {
      for (; killed < kills.size() && kills[killed].first <= steps; ++killed)
        if (auto whom = kills[killed].second(*this))
          caf::anon_send_exit(whom, caf::exit_reason::kill);
    };
    auto quiet = 0ms;
    for (auto passed = 0ms; passed < 20s && quiet < 500ms; passed += tick) {
      act();
      kill_who_is_due();
      while (sched.has_job()) {
        sched.run_once();
        ++steps;
        kill_who_is_due();
      }
      quiet = over() ? quiet + tick : 0ms;
      sched.advance_time(tick);
    }
    for (auto passed = 0ms; passed < 2s;
         passed += tick) // Restarts have their turns, windows empty.
      advance(tick);
  }

  std::string complaints() {
    return answered_once() ? leftovers() : "a call without its one answer; " + leftovers();
  }

  /// Breakers that a run has opened close again when calls succeed.
  void close_breakers() {
    plan probe;
    probe.what.patience = 1s;
    probe.attempts = {answered(200)};
    for (int i = 0; i < 10 && !breakers_closed(); ++i)
      run({probe}, {});
    if (!breakers_closed())
      FAIL("a breaker stays open");
  }

  std::int64_t runs = 0;
  std::size_t steps = 0;  ///< Messages of the last run.
  std::size_t killed = 0; ///< Deaths that it was long enough for.
};

plan request(std::vector<outcome> attempts = {answered(200)}, bool repeatable = false) {
  plan x;
  x.what.patience = 10s;
  x.what.repeatable = repeatable;
  x.attempts = std::move(attempts);
  return x;
}

plan other(call_kind kind, caf::timespan takes) {
  auto x = request({answered(200)}, true);
  x.what.kind = kind;
  x.takes = takes;
  return x;
}

plan message(std::int64_t chat, std::vector<outcome> attempts = {answered(200)}) {
  auto x = request(std::move(attempts));
  x.what.produces_message = true;
  x.what.chat = {chat, false};
  return x;
}

/// Two a minute go; the others wait for longer than any run takes.
plan to_group(std::int64_t chat) {
  auto x = message(chat);
  x.what.chat.group = true;
  x.what.patience = 70s;
  return x;
}

plan leaving(plan x, caf::timespan after) {
  x.leaves = after;
  return x;
}

plan later(plan x, caf::timespan after) {
  x.starts = after;
  return x;
}

template <class... Lists>
std::vector<plan> all(Lists... lists) {
  std::vector<plan> result;
  (result.insert(result.end(), lists.begin(), lists.end()), ...);
  return result;
}

std::vector<plan> times(std::size_t n, const plan& x) {
  return std::vector<plan>(n, x);
}

} // namespace

SCENARIO("kills at every step of plain calls") {
  world w;
  w.kill_everywhere([](std::int64_t) { return times(12, request()); });
  CHECK_GT(w.endings["200"], 0u);
  CHECK_EQ(w.endings["no_session"], 0u); // Whose pool had no place for them asked the next one.
}

SCENARIO("kills at every step of long polls, some more than the bot may have") {
  world w;
  w.kill_everywhere([](std::int64_t) {
    return all(times(5, other(call_kind::long_poll, 300ms)), times(2, request()));
  });
  CHECK_GT(w.endings["queue_full"], 0u);
  CHECK_GT(w.endings["aborted"], 0u);
}

SCENARIO("kills at every step of file downloads that wait for each other") {
  world w;
  w.kill_everywhere(
    [](std::int64_t) { return all(times(4, other(call_kind::file, 100ms)), times(2, request())); });
  CHECK_GT(w.endings["aborted"], 0u);
}

SCENARIO("kills at every step of retries after a 429") {
  world w;
  w.kill_everywhere([](std::int64_t n) {
    return all(times(2, message(10 * n, {answered(429, 1s), answered(200)})),
               times(2, message(10 * n + 1)));
  });
  CHECK_GT(w.endings["200"], 0u);
  CHECK_GT(w.endings["429"], 0u); // Their bot died with them.
}

SCENARIO("kills at every step of retries after a 500 and after a timeout") {
  world w;
  w.kill_everywhere([](std::int64_t) {
    return all(times(3, request({answered(500), broke(failure::timeout), answered(200)}, true)),
               times(1, request({answered(500)}, true)), times(1, request({answered(500)})));
  });
  CHECK_GT(w.endings["200"], 0u);
  CHECK_GT(w.endings["500"], 0u);
}

SCENARIO("kills at every step of retries of what was not sent") {
  world w;
  w.kill_everywhere([](std::int64_t) {
    return all(times(3, request({broke(failure::not_sent), answered(200)})),
               times(1, request({broke(failure::not_sent)})),
               times(1, request({broke(failure::broken)})));
  });
  CHECK_GT(w.endings["200"], 0u);
  CHECK_GT(w.endings["not_sent"], 0u);
  CHECK_GT(w.endings["broken"], 0u);
}

SCENARIO("kills at every step of calls whose clients go away") {
  world w;
  w.kill_everywhere([](std::int64_t n) {
    auto waits = leaving(message(n), 100ms); // Three go at once, the others wait.
    auto polls = leaving(other(call_kind::long_poll, 5s), 75ms);
    auto loads = leaving(other(call_kind::file, 5s), 50ms); // The second waits for the first.
    auto pauses = leaving(request({answered(500)}, true), 75ms);
    auto early = leaving(request(), 0ms);
    return all(times(4, leaving(to_group(-n), 100ms)), times(5, waits), times(1, message(n)),
               times(1, polls), times(2, loads), times(2, pauses), times(1, early));
  });
  CHECK_GT(w.endings["200"], 0u);
  CHECK_GT(w.endings["cancelled"], 0u);
  CHECK_GT(w.endings["aborted"], 0u);
}

SCENARIO("kills at every step of calls to a chat whose window is full") {
  world w;
  w.kill_everywhere([](std::int64_t n) {
    auto hasty = message(n);
    hasty.what.patience = 200ms; // Not as long as it would have to wait.
    return all(times(7, message(n)), times(1, hasty));
  });
  CHECK_GT(w.endings["200"], 0u);
  CHECK_GT(w.endings["budget_wait_too_long"], 0u);
}

SCENARIO("kills at every step while breakers open, half-open and close") {
  world w{{.failure_threshold = 5}};
  w.kill_everywhere([](std::int64_t) {
    return all(times(5, request({answered(500)})), times(2, later(request(), 400ms)),
               times(2, later(request({answered(500)}), 1200ms)),
               times(2, later(request(), 2500ms)), times(2, later(request(), 2700ms)),
               times(1, later(other(call_kind::long_poll, 50ms), 2500ms)));
  });
  CHECK_GT(w.endings["200"], 0u);
  CHECK_GT(w.endings["500"], 0u);
  CHECK_GT(w.endings["breaker_open"], 0u);
}

SCENARIO("limits that change at every step of calls and downloads refuse nobody") {
  world w;
  w.change_limits_everywhere(
    [](std::int64_t) { return all(times(12, request()), times(3, other(call_kind::file, 50ms))); });
  CHECK_GT(w.endings["200"], 0u);
  CHECK_EQ(w.endings.size(), 1u);
}

SCENARIO("several deaths at random among calls of every kind") {
  world w{{.failure_threshold = 5}};
  w.kill_at_random(
    [](std::int64_t n) {
      auto leaves = leaving(message(10 * n), 100ms);
      auto poll = other(call_kind::long_poll, 500ms);
      auto file = other(call_kind::file, 100ms);
      auto flooded = message(10 * n + 1, {answered(429, 1s), answered(200)});
      auto failing = request({broke(failure::timeout), answered(500), answered(200)}, true);
      return all(times(5, message(10 * n)), times(2, leaves), times(2, poll),
                 times(1, leaving(poll, 300ms)), times(3, file), times(2, flooded),
                 times(3, failing), times(4, later(request(), 300ms)),
                 times(2, later(request({broke(failure::not_sent), answered(200)}), 200ms)));
    },
    400);
  for (const auto* ending : {"200", "429", "aborted", "cancelled"})
    CHECK_GT(w.endings[ending], 0u);
}

} // namespace troupe::call_path_suite
