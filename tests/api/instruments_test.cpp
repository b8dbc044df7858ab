#define CAF_SUITE api.instruments
#include "runtime/metrics/instruments.hpp"
#include "runtime/metrics/render.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <thread>

namespace troupe::instruments_suite {

using namespace std::literals;

namespace {

struct fixture {
  caf::telemetry::metric_registry registry;
  std::array<std::string_view, 3> methods{"", "getMe", "sendMessage"};
  std::shared_ptr<metrics::instruments> all = metrics::make(registry, methods);
  metrics::exporter exporter{registry};

  bool shows(const std::string& line) { return exporter.render().find(line) != std::string::npos; }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("calls are counted by method and outcome, unknown ones together") {
  all->count_call(1, "ok");
  all->count_call(1, "ok");
  all->count_call(2, "queue_full");
  all->count_call(0, "ok");
  all->count_call(999, "ok");
  all->count_call(2, "no such label");
  CHECK(shows("troupe_calls_total{method=\"getMe\",outcome=\"ok\"} 2 "));
  CHECK(shows("troupe_calls_total{method=\"sendMessage\",outcome=\"queue_full\"} 1 "));
  CHECK(shows("troupe_calls_total{method=\"other\",outcome=\"ok\"} 2 "));
  CHECK(shows("troupe_calls_total{method=\"sendMessage\",outcome=\"other\"} 1 "));
  CHECK(!shows("outcome=\"timeout\""));
}

SCENARIO("no count is lost when many threads meet a label's first use") {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([this] {
      for (int i = 0; i < 10'000; ++i)
        all->count_call(1, "ok");
    });
  for (auto& one : threads)
    one.join();
  CHECK(shows("troupe_calls_total{method=\"getMe\",outcome=\"ok\"} 40000 "));
}

SCENARIO("histograms are in seconds") {
  all->observe_call(30ms);
  all->observe_permit_wait(2s);
  CHECK(shows("troupe_call_seconds_bucket{le=\"0.050000\"} 1"));
  CHECK(shows("troupe_call_seconds_bucket{le=\"0.025000\"} 0"));
  CHECK(shows("troupe_call_seconds_sum 0.03"));
  CHECK(shows("troupe_permit_wait_seconds_bucket{le=\"+Inf\"} 1"));
}

SCENARIO("every instrument of the contract is there from the start") {
  for (auto name :
       {"troupe_throttled_total{scope=\"global\"}", "troupe_sessions{state=\"idle\"}",
        "troupe_leases ", "troupe_leases_reclaimed_total ", "troupe_bots{phase=\"active\"}",
        "troupe_breakers{state=\"half-open\"}", "troupe_updates_total{stage=\"received\"}",
        "troupe_update_lag_seconds_count", "troupe_journal_pending ", "troupe_dead_letters ",
        "troupe_call_seconds_count", "troupe_permit_wait_seconds_count"})
    CHECK(shows(name));
}

END_FIXTURE_SCOPE()

} // namespace troupe::instruments_suite
