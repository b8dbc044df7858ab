#define CAF_SUITE api.routes
#include "tests/api/fakes.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::routes_suite {

using namespace std::literals;

namespace {

struct fixture : fakes::node {
  std::shared_ptr<api::context> ctx = api::make_context(ports());

  api::response get(std::string_view path, std::string_view query = {}) {
    return fakes::run(ctx, path, query);
  }

  void use(api::ports changed) { ctx = api::make_context(std::move(changed)); }
};

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("sessions, budgets and health are the services' reports as JSON") {
  said->pool.leased = 2;
  said->pool.downloads = 1;
  said->pool.max_downloads = 10;
  said->pool.max_per_host = 30;
  said->pool.sessions.push_back({9, 1, call_kind::long_poll, 42, 5, 1500ms, 0ms});
  said->pool.sessions.push_back({10, 0, call_kind::request, 0, 0, 1s, 1s});
  said->governor.budgets.push_back({"global", 25, 1s, 3, 1, 17, true});
  said->governor.budgets.push_back({"tenant", 0, 1s, 3, 1, 0, false});
  said->governor.budgets.push_back({"global", 0, 1s, 0, 1, 0, true});
  said->health.bots = 3;
  said->health.by_status = {1, 1, 1, 0};
  said->health.worst.push_back({.bot = 42, .status = health_status::unhealthy, .error_rate = 0.75});
  auto pool = fakes::json_of(get("/v1/sessions"));
  CHECK_EQ(pool.at("leased").as_int64(), 2);
  CHECK_EQ(pool.at("downloads").as_int64(), 1);
  CHECK_EQ(pool.at("max_downloads").as_int64(), 10);
  auto& session = pool.at("sessions").as_array().at(0).as_object();
  CHECK_EQ(session.at("kind").as_string(), "long_poll");
  CHECK_EQ(session.at("bot").as_int64(), 42);
  CHECK_EQ(session.at("age_seconds").as_double(), 1.5);
  CHECK(pool.at("sessions").as_array().at(1).as_object().at("bot").is_null());
  auto budgets = fakes::json_of(get("/v1/budgets")).at("budgets").as_array();
  CHECK_EQ(budgets.at(0).as_object().at("scope").as_string(), "global");
  CHECK_EQ(budgets.at(0).as_object().at("limit").as_int64(), 25);
  CHECK(budgets.at(1).as_object().at("limit").is_null());
  CHECK_EQ(budgets.at(2).as_object().at("limit").to_number<int>(), 0); // Nothing may go from here.
  auto health = fakes::json_of(get("/v1/health"));
  CHECK_EQ(health.at("by_status").as_object().at("degraded").to_number<int>(), 1);
  auto& worst = health.at("worst").as_array().at(0).as_object();
  CHECK_EQ(worst.at("status").as_string(), "unhealthy");
  CHECK_EQ(worst.at("error_rate").as_double(), 0.75);
  CHECK(worst.at("since_success_seconds").is_null());
}

SCENARIO("the supervision tree is walked through every supervisor in it") {
  auto tree = fakes::json_of(get("/v1/supervision"));
  CHECK_EQ(tree.at("name").as_string(), "troupe.root");
  auto& services = tree.at("children").as_array().at(0).as_object();
  CHECK_EQ(services.at("restarts").to_number<int>(), 1);
  auto& below = services.at("supervisor").as_object();
  CHECK_EQ(below.at("strategy").as_string(), "one_for_one");
  CHECK_EQ(below.at("children").as_array().at(0).as_object().at("name").as_string(),
           "troupe.health");
  auto& bots = tree.at("children").as_array().at(1).as_object().at("supervisor").as_object();
  CHECK_EQ(bots.at("children_total").to_number<int>(), 500);
  CHECK_EQ(bots.at("children").as_array().size(), 100u);
  CHECK_EQ(bots.at("children").as_array().at(0).as_object().at("bot").as_int64(), 1);
  WHEN("a limit is asked for") {
    auto small = fakes::json_of(get("/v1/supervision", "limit=60"));
    auto& rows = small.at("children").as_array().at(1).as_object().at("supervisor").as_object();
    THEN("no supervisor shows more rows, but all its children are counted") {
      CHECK_EQ(rows.at("children").as_array().size(), 50u);
      CHECK_EQ(rows.at("children_total").to_number<int>(), 500);
    }
  }
  WHEN("one supervisor is dead") {
    caf::anon_send_exit(shard, caf::exit_reason::kill);
    auto rest = fakes::json_of(get("/v1/supervision"));
    THEN("the rest of the tree is shown all the same") {
      auto& dead = rest.at("children").as_array().at(1).as_object().at("supervisor").as_object();
      CHECK_EQ(dead.at("error").as_string(), "no answer");
      CHECK(rest.at("children").as_array().at(0).as_object().contains("supervisor"));
    }
  }
}

SCENARIO("a service that does not answer is a 503 problem, not a hanging request") {
  GIVEN("a pool that never answers") {
    said->silent = true;
    auto impatient = ports();
    impatient.answer_timeout = 30ms;
    use(impatient);
    auto answer = get("/v1/sessions");
    THEN("the problem has a stable code, a sentence and the request's id") {
      CHECK_EQ(answer.status, 503);
      CHECK_EQ(answer.content_type, "application/problem+json");
      CHECK(holds(answer.headers, "Retry-After: 1\r\n"));
      CHECK(holds(answer.headers, "X-Request-Id: req-1\r\n"));
      auto body = fakes::json_of(answer);
      CHECK_EQ(body.at("code").as_string(), "service_unavailable");
      CHECK_EQ(body.at("status").as_int64(), 503);
      CHECK_EQ(body.at("title").as_string(), "Service Unavailable");
      CHECK_EQ(body.at("request_id").as_string(), "req-1");
      CHECK(holds(body.at("detail").as_string(), "session pool"));
    }
    THEN("metrics are served without it and readiness says who is missing") {
      CHECK_EQ(get("/metrics").status, 200);
      auto ready = get("/readyz");
      CHECK_EQ(ready.status, 503);
      auto services = fakes::json_of(ready).at("services").as_object();
      CHECK_EQ(services.at("session_pool").as_string(), "no answer");
      CHECK_EQ(services.at("health").as_string(), "ok");
    }
  }
  GIVEN("a service that is dead, and one that was never there") {
    caf::anon_send_exit(health, caf::exit_reason::kill);
    auto without = ports();
    without.rate_governor = nullptr;
    without.session_pool = [] { return session_pool_actor{}; };
    use(without);
    CHECK_EQ(get("/v1/health").status, 503);
    CHECK_EQ(get("/v1/budgets").status, 503);
    CHECK_EQ(get("/v1/sessions").status, 503);
  }
}

SCENARIO("probes tell alive from ready") {
  CHECK_EQ(get("/healthz").status, 200);
  CHECK_EQ(get("/readyz").status, 200);
  CHECK(fakes::json_of(get("/readyz")).at("ready").as_bool());
  WHEN("the node drains") {
    draining = true;
    auto answer = get("/readyz");
    THEN("it is alive and not ready") {
      CHECK_EQ(answer.status, 503);
      CHECK_EQ(fakes::json_of(answer).at("code").as_string(), "draining");
      CHECK_EQ(get("/healthz").status, 200);
    }
  }
  WHEN("there is no gateway") {
    auto without = ports();
    without.gateways = nullptr;
    use(without);
    THEN("it is not ready") {
      CHECK_EQ(fakes::json_of(get("/readyz")).at("services").as_object().at("gateway").as_string(),
               "not running");
    }
  }
}

SCENARIO("metrics follow the reports, and totals survive a service's restart") {
  said->pool.leased = 3;
  said->pool.polls = 2;
  said->pool.reclaimed_total = 5;
  said->governor.budgets.push_back({"chat", 1, 1s, 0, 0, 4});
  said->health.breakers = {8, 1, 0};
  auto first = get("/metrics");
  CHECK(holds(first.content_type, "text/plain"));
  CHECK(holds(first.body, "troupe_sessions{state=\"leased\"} 3 "));
  CHECK(holds(first.body, "troupe_leases 5 "));
  CHECK(holds(first.body, "troupe_leases_reclaimed_total 5 "));
  CHECK(holds(first.body, "troupe_throttled_total{scope=\"chat\"} 4 "));
  CHECK(holds(first.body, "troupe_breakers{state=\"open\"} 1 "));
  CHECK(holds(first.body, "troupe_bots{phase=\"active\"} 4 "));
  CHECK(holds(first.body, "troupe_restarts_total{child=\"bot\"} 7 "));
  CHECK(holds(first.body, "troupe_restarts_total{child=\"troupe.health\"} 3 "));
  CHECK(holds(first.body, "process_open_fds "));
  CHECK(holds(first.body, "process_resident_memory_bytes "));
  CHECK(holds(first.body, "process_cpu_seconds_total "));
  CHECK(holds(first.body, "# TYPE troupe_call_seconds histogram"));
  said->pool.reclaimed_total = 2; // A new pool counts from zero.
  CHECK(holds(get("/metrics").body, "troupe_leases_reclaimed_total 7 "));
  CHECK(holds(get("/metrics").body, "troupe_leases_reclaimed_total 7 "));
}

SCENARIO("what is wrong with a request is a problem document") {
  struct {
    std::string_view method, path, query;
    int status;
    std::string_view code;
  } cases[] = {{"GET", "/v2", "", 404, "not_found"},
               {"GET", "/v1/health/", "", 404, "not_found"},
               {"POST", "/v1/health", "", 405, "method_not_allowed"},
               {"GET", "/v1/health", "limit=0", 400, "bad_request"},
               {"GET", "/v1/health", "limit=10001", 400, "bad_request"},
               {"GET", "/v1/health", "limit=-1", 400, "bad_request"},
               {"GET", "/v1/supervision", "limit=1x", 400, "bad_request"},
               {"GET", "/v1/sessions", "limit", 400, "bad_request"},
               {"GET", "/v1/budgets", "x=1&limit=99999999999", 400, "bad_request"}};
  for (auto& one : cases) {
    auto answer = fakes::run(ctx, one.path, one.query, one.method);
    CHECK_EQ(answer.status, one.status);
    CHECK_EQ(answer.content_type, "application/problem+json");
    CHECK_EQ(fakes::json_of(answer).at("code").as_string(), one.code);
  }
  CHECK(holds(fakes::run(ctx, "/v1/health", "", "DELETE").headers, "Allow: GET, HEAD\r\n"));
}

SCENARIO("a client's request id is taken only if it is harmless") {
  CHECK_EQ(api::request_id_from("abc-1.2_3"), "abc-1.2_3");
  for (auto bad : {""s, "a b"s, "a\r\nX: y"s, std::string(65, 'a'), "1:" + std::string(35, 'x')}) {
    auto made = api::request_id_from(bad);
    CHECK_NE(made, bad);
    CHECK_EQ(made.size(), 16u);
  }
  CHECK_NE(api::request_id_from(""), api::request_id_from(""));
}

SCENARIO("the dashboard needs nothing from elsewhere") {
  auto page = get("/");
  CHECK_EQ(page.content_type, "text/html; charset=utf-8");
  CHECK(holds(page.headers, "Content-Security-Policy: default-src 'none'"));
  CHECK(!holds(page.body, "http://"));
  CHECK(!holds(page.body, "https://"));
  CHECK(!holds(page.body, "innerHTML"));
  for (auto path : {"/v1/health", "/v1/supervision", "/v1/sessions", "/v1/budgets"})
    CHECK(holds(page.body, path));
}

END_FIXTURE_SCOPE()

} // namespace troupe::routes_suite
