#define CAF_SUITE policy_basics
#include "runtime/policy/backoff.hpp"
#include "runtime/policy/breaker.hpp"
#include "runtime/policy/restart_budget.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <random>

namespace troupe::basics_suite {

using namespace std::literals;

namespace {

constexpr auto start = time_point{1h};

struct breaker_model { // Straight from the rules, without laziness.
  breaker_limits limits;
  breaker_phase phase = breaker_phase::closed;
  time_point opened{}, probe_began{};
  bool probe_out = false;
  std::uint32_t failures = 0, successes = 0;

  void tick(time_point now) {
    if (phase == breaker_phase::open && now - opened >= limits.open_timeout) {
      phase = breaker_phase::half_open;
      successes = 0;
      probe_out = false;
    }
    if (probe_out && now - probe_began >= limits.probe_timeout)
      probe_out = false;
  }

  bool admit(time_point now) {
    tick(now);
    if (phase != breaker_phase::half_open)
      return phase == breaker_phase::closed;
    if (probe_out)
      return false;
    probe_out = true;
    probe_began = now;
    return true;
  }

  void end(time_point now, bool ok, bool probe) {
    tick(now);
    if (phase == breaker_phase::closed) {
      failures = ok ? 0 : failures + 1;
      if (failures >= limits.failure_threshold) {
        phase = breaker_phase::open;
        opened = now;
      }
    } else if (probe && ok) {
      if (phase == breaker_phase::open) {
        phase = breaker_phase::half_open;
        successes = 0;
      }
      probe_out = false;
      if (++successes >= limits.success_threshold) {
        phase = breaker_phase::closed;
        failures = 0;
      }
    } else if (probe && phase == breaker_phase::half_open) {
      phase = breaker_phase::open;
      opened = now;
      probe_out = false;
    }
  }
};

} // namespace

SCENARIO("a restart budget is spent by one restart too many within the period") {
  restart_budget budget{3, 60s};
  CHECK(budget.record(start));
  CHECK(budget.record(start + 1s));
  CHECK(budget.record(start + 2s));
  CHECK(!budget.record(start + 3s));
  CHECK(!budget.record(start + 60s));
  CHECK(budget.record(start + 200s));
  CHECK_EQ(budget.used(start + 200s), 1u);
  budget.reset();
  CHECK_EQ(budget.used(start + 200s), 0u);
}

SCENARIO("a restart budget agrees with a plain list of restarts") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 rng{seed};
    auto intensity = rng() % 6;
    restart_budget budget{intensity, 10s};
    std::vector<time_point> all;
    auto now = start;
    for (int i = 0; i < 200; ++i) {
      now += std::chrono::milliseconds{rng() % 6000};
      all.push_back(now);
      auto within = std::count_if(all.begin(), all.end(), [&](auto at) { return now - at <= 10s; });
      auto fine = static_cast<std::size_t>(within) <= intensity;
      if (budget.record(now) != fine)
        FAIL("seed " << seed << ", step " << i);
    }
  }
  CHECK(true);
}

SCENARIO("backoff doubles from one second, with jitter, to at most thirty") {
  backoff retry;
  CHECK_EQ(retry.delay(1, 0.0), 500ms);
  CHECK_EQ(retry.delay(1, 0.5), 1s);
  CHECK_EQ(retry.delay(2, 0.5), 2s);
  CHECK_EQ(retry.delay(3, 0.0), 2s);
  CHECK_EQ(retry.delay(5, 0.5), 16s);
  CHECK_EQ(retry.delay(6, 0.0), 15s);
  CHECK_EQ(retry.delay(6, 1.0), 30s);
  CHECK_EQ(retry.delay(4'000'000'000u, 1.0), 30s);
  std::mt19937 rng{7};
  std::uniform_real_distribution<double> unit;
  for (std::uint32_t n = 1; n < 40; ++n) {
    auto d = retry.delay(n, unit(rng));
    CHECK(d >= 500ms && d <= 30s);
  }
}

SCENARIO("a breaker opens after five failures in a row, probes after a minute, closes after two "
         "successes") {
  breaker b{breaker_limits{}};
  auto now = start;
  for (int i = 0; i < 4; ++i)
    CHECK(!b.failure(now));
  b.success(now);
  for (int i = 0; i < 4; ++i)
    CHECK(!b.failure(now));
  CHECK(b.failure(now));
  CHECK(!b.admit(now));
  CHECK_EQ(b.opens_in(now + 10s), 50s);
  now += 60s;
  CHECK(b.phase(now) == breaker_phase::half_open);
  CHECK(b.admit(now));
  CHECK(!b.admit(now));
  CHECK(!b.success(now, true));
  CHECK(b.admit(now));
  CHECK(b.success(now, true));
  CHECK(b.phase(now) == breaker_phase::closed);
}

SCENARIO("one failed probe opens a breaker again, a lost one is replaced") {
  breaker b{breaker_limits{.failure_threshold = 1}};
  b.failure(start);
  auto now = start + 60s;
  CHECK(b.admit(now));
  CHECK(b.failure(now, true));
  CHECK(b.phase(now + 59s) == breaker_phase::open);
  now += 60s;
  CHECK(b.admit(now));
  CHECK(!b.admit(now + 89s));
  CHECK(b.admit(now + 90s));
  b.probe_lost();
  CHECK(b.admit(now + 91s));
}

SCENARIO(
  "of two probes that fail the second neither opens a breaker again nor keeps it open for longer") {
  breaker b{breaker_limits{.failure_threshold = 1}};
  b.failure(start);
  auto now = start + 60s;
  CHECK(b.admit(now)); // Beside it, a poll.
  CHECK(b.failure(now + 1s, true));
  CHECK(!b.failure(now + 20s, true));
  CHECK_EQ(b.opens_in(now + 20s), 41s);
}

SCENARIO("late outcomes of earlier requests move only a closed breaker") {
  breaker b{breaker_limits{.failure_threshold = 1, .success_threshold = 1}};
  b.failure(start);
  CHECK(!b.success(start + 1s));
  CHECK(b.phase(start + 1s) == breaker_phase::open);
  CHECK(!b.failure(start + 61s));
  CHECK(b.phase(start + 61s) == breaker_phase::half_open);
}

SCENARIO("a breaker agrees with its rules written out") {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 rng{seed};
    breaker_limits limits{1 + static_cast<std::uint32_t>(rng() % 4), 10s,
                          1 + static_cast<std::uint32_t>(rng() % 3), 7s};
    breaker b{limits};
    breaker_model model{limits};
    auto now = start;
    for (int i = 0; i < 300; ++i) {
      now += std::chrono::milliseconds{rng() % 3000};
      auto ok = rng() % 3 == 0;
      auto probe = rng() % 2 == 0;
      if (rng() % 2 == 0) {
        if (b.admit(now) != model.admit(now))
          FAIL("admit: seed " << seed << ", step " << i);
      } else {
        model.end(now, ok, probe);
        ok ? b.success(now, probe) : b.failure(now, probe);
      }
      model.tick(now);
      if (b.phase(now) != model.phase)
        FAIL("phase: seed " << seed << ", step " << i);
    }
  }
  CHECK(true);
}

} // namespace troupe::basics_suite
