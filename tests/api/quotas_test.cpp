#define CAF_SUITE api.quotas
#include "runtime/api/context.hpp"
#include "tests/api/managed.hpp"

#include <caf/scoped_actor.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <algorithm>

namespace troupe::quotas_suite {

using namespace std::literals;
using fakes::told;

namespace {

api::api_limits limits_of(std::uint32_t requests, std::uint32_t failures = 0) {
  api::api_limits result;
  result.requests_per_minute = requests;
  result.failures_per_minute = failures;
  return result;
}

struct fixture : fakes::managed_node {
  void limit(api::api_limits to) {
    auto p = managed_ports();
    p.limits = std::move(to);
    use(std::move(p));
  }
  api::response call(std::string_view method, std::string_view key) {
    return send("POST", "/v1/bots/7/methods/" + std::string{method}, "{}", key);
  }
  /// The trail's entries of an action, once there are `count`: they are made while nobody waits.
  std::vector<audit_row> entries(std::string_view action, std::size_t count) {
    for (auto until = std::chrono::steady_clock::now() + 5s;;) {
      std::vector<audit_row> found;
      audit_query what;
      what.action = action;
      caf::scoped_actor self{sys};
      self->request(store, 5s, what)
        .receive([&](page<audit_row>& x) { found = std::move(x.rows); }, [](const caf::error&) {});
      if (found.size() >= count || std::chrono::steady_clock::now() > until)
        return found;
    }
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a tenant's keys without a user share one quota, an operator's do not") {
  limit(limits_of(10));
  auto another = kept->add_key(key_role::developer, 1, "another");
  for (int i = 0; i < 10; ++i)
    CHECK_EQ(get("/v1/me", i % 2 == 0 ? developer : another).status, 200);
  CHECK_EQ(told(get("/v1/me", another)), "429 too_many_requests");
  CHECK_EQ(told(get("/v1/me", admin)), "429 too_many_requests");
  CHECK_EQ(get("/v1/me", stranger).status, 200); // Another tenant's.
  auto second = kept->add_key(key_role::operator_, 0);
  for (int i = 0; i < 10; ++i)
    CHECK_EQ(get("/v1/me", boss).status, 200);
  CHECK_EQ(get("/v1/me", boss).status, 429);
  CHECK_EQ(get("/v1/me", second).status, 200);
}

SCENARIO("what the node says of itself costs tenants their quota, and operators nothing") {
  limit(limits_of(5));
  for (int i = 0; i < 5; ++i)
    CHECK_EQ(told(get("/v1/sessions", viewer)), "403 forbidden");
  CHECK_EQ(told(get("/v1/sessions", viewer)), "429 too_many_requests");
  CHECK_EQ(told(get("/v1/me", viewer)), "429 too_many_requests");
  for (int i = 0; i < 20; ++i)
    CHECK_EQ(get("/v1/sessions", boss).status, 200);
}

SCENARIO("an address that tries wrong keys has to wait, and others do not") {
  limit(limits_of(0, 3));
  auto gone = kept->add_key(key_role::viewer, 1);
  kept->keys[gone].revoked = 1;
  CHECK_EQ(told(get("/v1/me", "nonsense")), "401 invalid_key");
  CHECK_EQ(told(get("/v1/me", viewer.substr(0, 40))), "401 key_truncated");
  CHECK_EQ(told(get("/v1/me", {})), "401 unauthenticated"); // None is no wrong one.
  now += 15s;
  CHECK_EQ(told(get("/v1/me", gone)), "401 key_revoked");
  auto refused = get("/v1/me", gone);
  CHECK_EQ(told(refused), "429 too_many_failures");
  CHECK(refused.headers.find("Retry-After: 45\r\n") != std::string::npos);
  CHECK_EQ(told(get("/v1/me", "nonsense")), "429 too_many_failures");
  CHECK_EQ(get("/v1/me", viewer).status, 200); // A neighbour who guessed nothing.
  CHECK_EQ(get("/healthz", {}).status, 200);
  peer = "192.0.2.2";
  CHECK_EQ(get("/v1/me", viewer).status, 200);
  peer = "192.0.2.1";
  now += 45s;
  CHECK_EQ(get("/v1/me", viewer).status, 200);
}

SCENARIO("who guesses cannot keep the store busy, nor lock out a key that was good before") {
  limit(limits_of(0, 1));
  auto another = kept->add_key(key_role::viewer, 1, "another");
  CHECK_EQ(get("/v1/me", viewer).status, 200);
  CHECK_EQ(told(get("/v1/me", "nonsense")), "401 invalid_key");
  std::vector<api::key_gate::place> lookups;
  while (auto place = ctx->keys.enter(peer))
    lookups.push_back(std::move(place));
  CHECK_EQ(lookups.size(), 4u);
  auto refused = get("/v1/me", another);
  CHECK_EQ(told(refused), "429 too_many_failures");
  CHECK(refused.headers.find("Retry-After: 1\r\n") != std::string::npos);
  CHECK_EQ(get("/v1/me", viewer).status, 200);
  peer = "192.0.2.2";
  CHECK_EQ(get("/v1/me", another).status, 200);
  peer = "192.0.2.1";
  CHECK_EQ(get("/v1/me", another).status, 200); // Known by now.
  // Revoked, it is one that may be guessed.
  kept->keys[viewer].revoked = 1;
  CHECK_EQ(told(get("/v1/me", viewer)), "429 too_many_failures");
  CHECK(!ctx->keys.familiar(viewer));
  lookups.clear();
  auto third = kept->add_key(key_role::viewer, 1, "third");
  CHECK_EQ(get("/v1/me", third).status, 200);
}

SCENARIO("of the keys that were good the latest are known") {
  api::key_gate gate{2};
  gate.accepted("a");
  gate.accepted("b");
  gate.accepted("a");
  gate.accepted("c");
  CHECK(gate.familiar("a"));
  CHECK(!gate.familiar("b"));
  CHECK(gate.familiar("c"));
  gate.rejected("c");
  CHECK(!gate.familiar("c"));
}

SCENARIO("quotas change while the API runs") {
  auto live = std::make_shared<live_value<api::api_limits>>(limits_of(2));
  auto p = managed_ports();
  p.limits = live->get();
  p.live = live;
  use(p);
  CHECK_EQ(get("/v1/me", viewer).status, 200);
  CHECK_EQ(get("/v1/me", viewer).status, 200);
  CHECK_EQ(get("/v1/me", viewer).status, 429);
  live->publish(limits_of(4, 1));
  CHECK_EQ(get("/v1/me", viewer).status, 200);
  CHECK_EQ(get("/v1/me", viewer).status, 200);
  CHECK_EQ(get("/v1/me", viewer).status, 429);
  live->publish(limits_of(1, 1));
  CHECK_EQ(get("/v1/me", viewer).status, 429);
  now += 60s;
  CHECK_EQ(get("/v1/me", viewer).status, 200);
  CHECK_EQ(get("/v1/me", viewer).status, 429);
  CHECK_EQ(told(get("/v1/me", "nonsense")), "401 invalid_key");
  CHECK_EQ(told(get("/v1/me", "nonsense")), "429 too_many_failures");
}

SCENARIO("the trail tells of calls that change something, and of what a role does not allow") {
  kept->add_bot(7, 1);
  CHECK_EQ(call("sendMessage", developer).status, 200);
  CHECK_EQ(call("getMe", developer).status, 200); // Only read.
  kept->next_answer = {403, "application/json", "{}"};
  CHECK_EQ(call("deleteMessage", boss).status, 403);
  kept->call_failure = caf::make_error(ec::breaker_open);
  CHECK_EQ(call("sendMessage", developer).status, 503);
  CHECK_EQ(told(call("sendMessage", viewer)), "403 forbidden");
  auto calls = entries("bot.call", 3);
  REQUIRE_EQ(calls.size(), 3u);
  auto of = [&](std::string_view outcome) {
    auto found = std::ranges::find(calls, outcome, &audit_row::outcome);
    return found == calls.end() ? audit_row{} : *found;
  };
  CHECK_EQ(of("ok").subject, "bot:7");
  CHECK_EQ(of("ok").detail, R"({"method":"sendMessage"})");
  CHECK_EQ(of("ok").by.address, "192.0.2.1");
  CHECK_EQ(of("ok").tenant, 1u);
  CHECK_EQ(of("status_403").tenant, 1u); // The bot's, though an operator asked.
  CHECK_EQ(of("breaker_open").subject, "bot:7");
  auto forbidden = entries("api.refused", 1);
  REQUIRE_EQ(forbidden.size(), 1u);
  CHECK_EQ(forbidden[0].subject, "route:callMethod");
  CHECK_EQ(forbidden[0].outcome, "forbidden");
  CHECK_EQ(forbidden[0].tenant, 1u);
}

SCENARIO("the trail tells of a field that a role does not allow, and of a secret that was shown") {
  kept->add_bot(7, 1, bot_phase::pending);
  CHECK_EQ(told(send("POST", "/v1/bots/7:activate", R"({"trusted":true})", developer)),
           "403 forbidden");
  auto forbidden = entries("api.refused", 1);
  REQUIRE_EQ(forbidden.size(), 1u);
  CHECK_EQ(forbidden[0].subject, "route:activateBot");
  CHECK_EQ(forbidden[0].by.address, "192.0.2.1");
  CHECK_EQ(get("/v1/bots/7/signing-key", developer).status, 200);
  auto shown = entries("signing-key.show", 1);
  REQUIRE_EQ(shown.size(), 1u);
  CHECK_EQ(shown[0].subject, "bot:7");
  CHECK_EQ(shown[0].tenant, 1u);
  auto restart = [&](std::string_view body) {
    return send("POST", "/v1/supervision:restart", body, boss).status;
  };
  CHECK_EQ(restart(R"({"name":"troupe.services"})"), 202);
  CHECK_EQ(restart(R"({"name":"troupe.session-pool","kill":true})"), 400); // Not now.
  auto restarted = entries("part.restart", 1);
  REQUIRE_EQ(restarted.size(), 1u);
  CHECK_EQ(restarted[0].subject, "part:troupe.services");
  CHECK_EQ(restarted[0].outcome, "ok");
  auto killed = entries("part.kill", 1);
  REQUIRE_EQ(killed.size(), 1u);
  CHECK_EQ(killed[0].outcome, "not_running");
}

SCENARIO("a text with a NUL is refused wherever it stands") {
  kept->add_bot(7, 1);
  for (auto body :
       {R"({"name":"a\u0000b"})", R"({"updates":{"mode":"a\u0000"}})",
        R"({"delivery":{"a\u0000":1}})", R"({"delivery":{"list":[1,{"x":"\u0000"}]}})"}) {
    auto answer = send("PATCH", "/v1/bots/7", body, developer);
    CHECK_EQ(told(answer), "400 invalid_field");
  }
}

END_FIXTURE_SCOPE()

} // namespace troupe::quotas_suite
