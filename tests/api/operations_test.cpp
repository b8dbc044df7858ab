#define CAF_SUITE api.operations
#include "runtime/registry/request_end.hpp"
#include "runtime/telegram/meaning.hpp"
#include "tests/api/managed.hpp"

#include "runtime/crypto/hash.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::operations_suite {

using namespace std::literals;
using fakes::json_of;
using fakes::told;

namespace {

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

struct fixture : fakes::managed_node {
  api::response call(std::string_view method, std::string_view body, std::string_view key = {}) {
    auto before = headers;
    if (!key.empty())
      headers.push_back({"Idempotency-Key", key});
    auto answer = send("POST", "/v1/bots/7/methods/"s + std::string{method}, body, developer);
    headers = before;
    return answer;
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("tenants are made, changed, listed and removed by operators") {
  auto made = send("POST", "/v1/tenants", R"({"name":"acme","max_bots":10})", boss);
  CHECK_EQ(made.status, 201);
  CHECK(holds(made.headers, "Location: /v1/tenants/3\r\n"));
  CHECK_EQ(json_of(made).at("max_bots").as_int64(), 10);
  CHECK(json_of(made).at("rps").is_null());
  CHECK_EQ(told(send("POST", "/v1/tenants", R"({"name":"acme"})", boss)), "409 duplicate");
  auto changed = json_of(send("PATCH", "/v1/tenants/3", R"({"state":"suspended"})", boss));
  CHECK_EQ(changed.at("state").as_string(), "suspended");
  CHECK_EQ(changed.at("max_bots").as_int64(), 10);
  CHECK_EQ(json_of(get("/v1/tenants?limit=2", boss)).at("tenants").as_array().size(), 2u);
  CHECK_EQ(json_of(get("/v1/tenants/1", viewer)).at("name").as_string(), "default");
  CHECK_EQ(told(get("/v1/tenants/2", viewer)), "404 unknown_tenant");
  CHECK_EQ(told(get("/v1/tenants/4294967297", boss)), "404 unknown_tenant");
  kept->add_bot(7, 3);
  CHECK_EQ(told(send("DELETE", "/v1/tenants/3", {}, boss)), "409 conflict");
  kept->bots.clear();
  CHECK_EQ(send("DELETE", "/v1/tenants/3", {}, boss).status, 204);
  CHECK_EQ(told(send("DELETE", "/v1/tenants/3", {}, boss)), "404 unknown_tenant");
}

SCENARIO("a part of the node is restarted through its supervisor, by operators") {
  auto restart = [&](std::string_view body, std::string_view key) {
    return told(send("POST", "/v1/supervision:restart", body, key));
  };
  auto answer =
    send("POST", "/v1/supervision:restart", R"({"name":"troupe.health","kill":true})", boss);
  CHECK_EQ(answer.status, 202);
  CHECK_EQ(json_of(answer).at("name").as_string(), "troupe.health");
  CHECK_EQ(restart(R"({"name":"troupe.services"})", boss), "202"); // A supervisor is a child, too.
  CHECK_EQ(restart(R"({"name":"troupe.services"})", admin), "403 forbidden");
  CHECK_EQ(restart(R"({"name":"troupe.nobody"})", boss), "400 invalid_field");
  CHECK_EQ(restart(R"({"name":"bot"})", boss), "400 invalid_field");
  // It does not run now.
  CHECK_EQ(restart(R"({"name":"troupe.session-pool","kill":true})", boss), "400 invalid_field");
}

SCENARIO("keys are shown once, work at once, and are revoked at once") {
  auto user =
    json_of(send("POST", "/v1/tenants/1/users", R"({"name":"ann","role":"viewer"})", admin));
  auto id = std::to_string(user.at("id").as_int64());
  auto body = R"({"name":"laptop","role":"viewer","expires_in":3600,"user":)" + id + '}';
  auto made = json_of(send("POST", "/v1/tenants/1/keys", body, admin));
  std::string key{made.at("key").as_string()};
  CHECK_EQ(made.at("prefix").as_string(), key.substr(0, 14));
  CHECK_EQ(get("/v1/bots", key).status, 200);
  auto me = json_of(get("/v1/me", key));
  CHECK_EQ(me.at("role").as_string(), "viewer");
  CHECK_EQ(me.at("tenant_name").as_string(), "default");
  auto list = get("/v1/tenants/1/keys", admin);
  CHECK_EQ(json_of(list).at("keys").as_array().size(), 4u);
  CHECK(!holds(list.body, key));
  auto path = "/v1/tenants/1/keys/" + std::to_string(made.at("id").as_int64());
  CHECK_EQ(send("DELETE", path, {}, admin).status, 204);
  CHECK_EQ(told(get("/v1/bots", key)), "401 key_revoked");
  CHECK_EQ(told(send("DELETE", path, {}, admin)), "404 unknown_key");
  CHECK_EQ(told(send("POST", "/v1/tenants/1/keys", R"({"name":"x","role":"operator"})", admin)),
           "400 invalid_field");
  CHECK_EQ(told(send("POST", "/v1/tenants/1/keys", R"({"name":"x","user":9999})", admin)),
           "400 invalid_value");
  auto second = json_of(send("POST", "/v1/keys", R"({"name":"second"})", boss));
  CHECK_EQ(get("/v1/tenants", second.at("key").as_string()).status, 200);
  CHECK_EQ(json_of(get("/v1/keys", boss)).at("keys").as_array().size(), 2u);
  auto users = json_of(get("/v1/tenants/1/users", admin)).at("users").as_array();
  CHECK_EQ(users.size(), 1u);
  CHECK_EQ(send("DELETE", "/v1/tenants/1/users/" + id, {}, admin).status, 204);
  CHECK_EQ(told(send("DELETE", "/v1/tenants/1/users/" + id, {}, admin)), "404 unknown_user");
}

SCENARIO("the trail shows a tenant its own affairs and operators all of them") {
  kept->add_bot(7, 1);
  kept->add_bot(8, other);
  send("POST", "/v1/bots/7:suspend", {}, developer);
  send("POST", "/v1/bots/8:suspend", {}, stranger);
  send("POST", "/v1/bots/7:resume", {}, developer);
  auto own = json_of(get("/v1/audit", admin)).at("entries").as_array();
  CHECK_EQ(own.size(), 2u);
  CHECK_EQ(own.at(0).as_object().at("action").as_string(), "bot.resume");
  CHECK_EQ(own.at(0).as_object().at("address").as_string(), "192.0.2.1");
  CHECK_EQ(own.at(0).as_object().at("request_id").as_string(), "req-1");
  CHECK_EQ(json_of(get("/v1/audit", boss)).at("entries").as_array().size(), 3u);
  CHECK_EQ(json_of(get("/v1/audit?tenant=2", boss)).at("entries").as_array().size(), 1u);
  // A tenant cannot ask for another's by naming it.
  CHECK_EQ(json_of(get("/v1/audit?tenant=2", admin)).at("entries").as_array().size(), 2u);
  auto page = json_of(get("/v1/audit?limit=2", boss));
  auto next = "/v1/audit?cursor=" + std::string{page.at("next_cursor").as_string()};
  CHECK_EQ(json_of(get(next, boss)).at("entries").as_array().size(), 1u);
  CHECK_EQ(json_of(get("/v1/audit?subject=bot:8&action=bot.suspend", boss))
             .at("entries")
             .as_array()
             .size(),
           1u);
}

SCENARIO("a user makes at most so many requests in any minute, with whichever of its keys") {
  auto limited = managed_ports();
  limited.limits.requests_per_minute = 100;
  use(limited);
  auto one = kept->add_key(key_role::viewer, 1, "one", 55);
  auto two = kept->add_key(key_role::viewer, 1, "two", 55);
  for (int i = 0; i < 100; ++i)
    CHECK_EQ(get(i % 3 == 0 ? "/v1/me" : "/v1/bots", i % 2 == 0 ? one : two).status, 200);
  now += 20s;
  auto refused = get("/v1/me", one);
  CHECK_EQ(told(refused), "429 too_many_requests");
  CHECK(holds(refused.headers, "Retry-After: 40\r\n"));
  CHECK_EQ(told(get("/v1/me", two)), "429 too_many_requests");
  CHECK_EQ(get("/v1/me", viewer).status, 200);
  now += 40s;
  CHECK_EQ(get("/v1/me", two).status, 200);
  for (int i = 0; i < 200; ++i)
    CHECK_EQ(get("/v1/health?limit=1", boss).status, 200);
}

SCENARIO("an address registers at most so many bots in any minute") {
  auto limited = managed_ports();
  limited.limits.creations_per_minute = 5;
  limited.limits.trusted_proxies = *config::parse_networks("10.0.0.0/8");
  use(limited);
  auto add = [&](int id) {
    auto token = std::to_string(id) + ":" + std::string(35, 'a');
    return send("POST", "/v1/bots", R"({"token":")" + token + "\"}", developer);
  };
  CHECK_EQ(told(send("POST", "/v1/bots", R"({"token":1})", developer)), "400 invalid_field");
  for (int i = 1; i <= 5; ++i)
    CHECK_EQ(add(1000 + i).status, 201);
  auto refused = add(1006);
  CHECK_EQ(told(refused), "429 too_many_creations");
  CHECK(holds(refused.headers, "Retry-After: 60\r\n"));
  CHECK_EQ(kept->bots.count(1006), 0u);
  // Who is no trusted proxy cannot speak for others.
  headers.push_back({"x-forwarded-for", "198.51.100.1"});
  CHECK_EQ(add(1007).status, 429);
  peer = "10.1.1.1";
  CHECK_EQ(add(1008).status, 201);
  CHECK_EQ(kept->trail.back().by.address, "198.51.100.1");
  headers.push_back({"X-Forwarded-For", "192.0.2.1"});
  CHECK_EQ(add(1009).status, 429);
  now += 60s;
  CHECK_EQ(add(1010).status, 201);
}

SCENARIO("methods are called without the token, and the answer is the Bot API's") {
  kept->add_bot(7, 1);
  auto answer = call("sendMessage", R"({"chat_id":12345678901234567890,"text":"ä"})");
  CHECK_EQ(answer.status, 200);
  CHECK_EQ(answer.body, R"({"ok":true,"result":1})");
  CHECK_EQ(kept->calls.back().method, "sendMessage");
  CHECK_EQ(kept->calls.back().body, R"({"chat_id":12345678901234567890,"text":"ä"})");
  CHECK_EQ(call("getMe", "").status, 200);
  CHECK_EQ(kept->calls.back().body, "{}");
  kept->next_answer = {403, "application/json", R"({"ok":false,"error_code":403})"};
  CHECK_EQ(call("sendMessage", "{}").status, 403);
  CHECK_EQ(told(call("sendMessage", "[]")), "400 bad_json");
}

SCENARIO("a bot whose owner is not proven says so when it is called") {
  kept->add_bot(7, 1, bot_phase::pending);
  kept->call_failure = caf::make_error(store_refusal::not_verified);
  CHECK_EQ(told(call("getMe", "")), "409 bot_not_verified");
  CHECK_EQ(told(call("getMe", "", "k1")), "409 bot_not_verified");
  CHECK_EQ(kept->requests.size(), 0u);
  kept->bots[7].phase = bot_phase::suspended;
  kept->call_failure = caf::make_error(ec::suspended);
  CHECK_EQ(told(call("getMe", "")), "409 bot_suspended");
}

SCENARIO("a repeated key gets the first answer, another body a refusal") {
  kept->add_bot(7, 1);
  CHECK_EQ(call("sendMessage", R"({"a":1})", "k1").status, 200);
  kept->next_answer.body = R"({"ok":true,"result":2})";
  auto again = call("sendMessage", R"({"a":1})", "k1");
  CHECK_EQ(again.body, R"({"ok":true,"result":1})");
  CHECK(holds(again.headers, "Idempotent-Replayed: true\r\n"));
  CHECK_EQ(kept->calls.size(), 1u);
  CHECK_EQ(told(call("sendMessage", R"({"a":2})", "k1")), "409 idempotency_key_reused");
  CHECK_EQ(told(call("getMe", R"({"a":1})", "k1")), "409 idempotency_key_reused");
  CHECK_EQ(call("sendMessage", R"({"a":1})", "k2").body, R"({"ok":true,"result":2})");
  CHECK_EQ(told(call("getMe", "", "a b")), "400 bad_idempotency_key");
  CHECK_EQ(told(call("getMe", "", std::string(257, 'k'))), "400 bad_idempotency_key");
  WHEN("the call was refused before it went out") {
    kept->next_answer = {429, "application/json", "{}"};
    CHECK_EQ(call("sendMessage", "{}", "k3").status, 429);
    kept->next_answer = {200, "application/json", "{}"};
    THEN("the key is free again") {
      CHECK_EQ(call("sendMessage", "{}", "k3").status, 200);
    }
  }
  WHEN("the Bot API answered with an error of its own") {
    kept->next_answer = {502, "application/json", "{}"};
    CHECK_EQ(call("sendMessage", "{}", "k4").status, 502);
    kept->next_answer = {200, "application/json", "{}"};
    auto calls = kept->calls.size();
    THEN("that is the answer, and it is not sent again") {
      CHECK_EQ(call("sendMessage", "{}", "k4").status, 502);
      CHECK_EQ(kept->calls.size(), calls);
    }
  }
  WHEN("nobody knows what became of it") {
    kept->call_failure = caf::make_error(ec::transport_failed);
    CHECK_EQ(told(call("sendMessage", "{}", "k6")), "409 outcome_unknown");
    kept->call_failure.reset();
    THEN("it is not sent again") {
      CHECK_EQ(told(call("sendMessage", "{}", "k6")), "409 outcome_unknown");
    }
  }
  WHEN("the node refused it, or its connection broke") {
    kept->failure = caf::make_error(ec::breaker_open, refusal{7s});
    auto refused = call("sendMessage", "{}");
    THEN("it is told as it is, and without a key as well") {
      CHECK_EQ(told(refused), "503 breaker_open");
      CHECK(holds(refused.headers, "Retry-After: 7\r\n"));
      kept->failure = caf::make_error(ec::transport_failed);
      CHECK_EQ(told(call("sendMessage", "{}")), "502 upstream_unreachable");
    }
    kept->failure.reset();
  }
  WHEN("another one with the key runs") {
    auto& [hash, first] = kept->requests["k5"];
    hash = print_of(telegram::meaning_of({"getMe", {}, "{}", "application/json"}));
    first.what = idempotency_what::running;
    auto wait = call("getMe", "{}", "k5");
    THEN("the client is told to come back") {
      CHECK_EQ(told(wait), "409 request_running");
      CHECK(holds(wait.headers, "Retry-After: 1\r\n"));
    }
  }
}

SCENARIO("analytics tell what users want to know") {
  kept->add_bot(7, 1);
  usage_row day;
  day.at = 20'000;
  day.calls = {10, 2, 1, 0, 5'000'000};
  day.updates = 4;
  day.methods = {{"sendmessage", {10, 2, 1, 0, 5'000'000}}};
  day.kinds = {{"message", 4}};
  day.chats = {{-100, 7}, {5, 3}};
  day.hours.assign(24, 0);
  day.hours[9] = 12;
  day.hours[14] = 2;
  auto next = day;
  next.at = 20'001;
  next.chats = {{5, 9}};
  kept->usage.days = {day, next};
  auto all = json_of(get("/v1/bots/7/analytics?days=30", viewer));
  CHECK_EQ(all.at("days").to_number<int>(), 30);
  CHECK_EQ(all.at("requests").as_int64(), 20);
  CHECK_EQ(all.at("error_rate").as_double(), 0.2);
  CHECK_EQ(all.at("average_response_seconds").as_double(), 0.5);
  auto& days = all.at("requests_per_day").as_array();
  CHECK_EQ(days.size(), 2u);
  CHECK_EQ(days.at(0).as_object().at("date").as_string(), "2024-10-04");
  CHECK_EQ(all.at("most_active_hours").as_array().at(0).as_object().at("hour").as_int64(), 9);
  auto& chat = all.at("chats").as_array().at(0).as_object();
  CHECK_EQ(chat.at("chat").as_int64(), 5);
  CHECK_EQ(chat.at("count").as_int64(), 12);
  CHECK_EQ(all.at("updates_by_kind").as_object().at("message").as_int64(), 8);
  CHECK_EQ(told(get("/v1/bots/7/analytics?days=91", viewer)), "400 bad_request");
  kept->usage = {};
  auto none = json_of(get("/v1/bots/7/analytics", viewer));
  CHECK(none.at("error_rate").is_null());
  CHECK(none.at("average_response_seconds").is_null());
}

SCENARIO("a bot's health is live, or what was saved") {
  kept->add_bot(7, 1, bot_phase::suspended);
  auto live = json_of(get("/v1/bots/7/health", viewer));
  CHECK(live.at("live").as_bool());
  CHECK_EQ(live.at("phase").as_string(), "suspended");
  CHECK_EQ(live.at("status").as_string(), "suspended");
  caf::anon_send_exit(health, caf::exit_reason::kill);
  auto saved = json_of(get("/v1/bots/7/health", viewer));
  CHECK(!saved.at("live").as_bool());
  CHECK(saved.at("last_success_at").is_null());
}

SCENARIO("a store that fails or says nothing is told as it is") {
  kept->add_bot(7, 1);
  auto impatient = managed_ports();
  impatient.answer_timeout = 50ms;
  impatient.long_timeout = 50ms;
  use(impatient);
  kept->silent = true;
  CHECK_EQ(told(get("/v1/bots/7", viewer)), "503 service_unavailable");
  // It may have happened: that is what the client must know.
  CHECK_EQ(told(send("POST", "/v1/bots/7:suspend", {}, developer)), "503 change_unknown");
  CHECK_EQ(told(send("POST", "/v1/tenants", R"({"name":"x"})", boss)), "503 change_unknown");
  CHECK_EQ(told(call("getMe", "")), "503 change_unknown");
  kept->silent = false;
  kept->failure = caf::make_error(store_refusal::disk_full);
  CHECK_EQ(told(send("POST", "/v1/bots/7:suspend", {}, developer)), "503 storage_full");
  kept->failure = caf::make_error(store_refusal::unavailable, refusal{3s});
  CHECK(holds(get("/v1/bots/7", viewer).headers, "Retry-After: 3\r\n"));
  kept->failure = caf::make_error(store_refusal::outcome_unknown);
  CHECK_EQ(told(send("DELETE", "/v1/bots/7", {}, developer)), "503 change_unknown");
  kept->failure.reset();
  caf::anon_send_exit(registrar, caf::exit_reason::kill);
  CHECK_EQ(told(send("POST", "/v1/bots/7:suspend", {}, developer)), "503 change_unknown");
  CHECK_EQ(get("/v1/bots/7", viewer).status, 200);
  auto without = managed_ports();
  without.registrar = [] { return registrar_actor{}; };
  use(without);
  CHECK_EQ(told(send("POST", "/v1/bots/7:suspend", {}, developer)), "503 service_unavailable");
}

SCENARIO("a node that drains is read and not changed any more") {
  kept->add_bot(7, 1);
  draining = true;
  CHECK_EQ(get("/v1/bots/7", viewer).status, 200);
  CHECK_EQ(send("POST", "/v1/bots:batchGet", R"({"ids":[7]})", viewer).status, 200);
  CHECK_EQ(told(send("POST", "/v1/bots/7:suspend", {}, developer)), "503 draining");
  CHECK_EQ(told(send("DELETE", "/v1/bots/7", {}, developer)), "503 draining");
  CHECK_EQ(told(call("getMe", "")), "503 draining");
  CHECK_EQ(kept->bots.count(7), 1u);
}

SCENARIO("a node is not ready before its registered bots are as they were stored") {
  kept->restored = false;
  auto early = get("/readyz", "");
  CHECK_EQ(early.status, 503);
  CHECK_EQ(json_of(early).at("code").as_string(), "not_ready");
  CHECK(!json_of(early).at("ready").as_bool());
  CHECK_EQ(json_of(early).at("services").as_object().at("registrar").as_string(),
           "restoring the registered bots");
  kept->restored = true;
  CHECK_EQ(get("/readyz", "").status, 200);
}

SCENARIO("readiness and the store's report name store and registrar") {
  auto ready = json_of(get("/readyz", ""));
  CHECK_EQ(ready.at("services").as_object().at("store").as_string(), "ok");
  CHECK_EQ(ready.at("services").as_object().at("registrar").as_string(), "ok");
  auto report = json_of(get("/v1/store", boss));
  CHECK_EQ(report.at("where").as_string(), "sqlite:troupe.db");
  CHECK(report.at("registrar").as_object().at("restored").as_bool());
  CHECK_EQ(
    json_of(send("POST", "/v1/backups", R"({"path":"/tmp/x"})", boss)).at("bytes").as_int64(),
    4096);
  CHECK_EQ(told(send("POST", "/v1/backups", R"({"path":"x"})", boss)), "400 invalid_field");
  CHECK_EQ(told(send("POST", "/v1/backups", R"({"path":"tmp"})", boss)), "400 invalid_field");
  auto refused = [&](store_refusal why) {
    kept->no_backup = caf::make_error(why);
    return told(send("POST", "/v1/backups", R"({"path":"/tmp/x"})", boss));
  };
  CHECK_EQ(refused(store_refusal::not_found), "400 invalid_field");
  CHECK_EQ(refused(store_refusal::duplicate), "409 file_exists");
  CHECK_EQ(refused(store_refusal::invalid), "409 no_backup");
  CHECK_EQ(refused(store_refusal::disk_full), "503 storage_full");
}

SCENARIO("what a body is sent as and how large it is, is checked before it is read") {
  auto form = [&](std::string_view type, const std::string& body) {
    boost::asio::io_context io;
    std::string authorization = "Bearer " + boss;
    std::vector<net::http_header> all{{"authorization", authorization}, {"content-type", type}};
    api::request what{"POST", "/v1/tenants", "", "req-1", io.get_executor()};
    what.body = body;
    what.headers = all;
    api::response answer;
    boost::asio::co_spawn(io.get_executor(), api::handle(ctx, what),
                          [&](std::exception_ptr, api::response got) { answer = std::move(got); });
    io.run();
    return told(answer);
  };
  CHECK_EQ(form("text/plain", R"({"name":"x"})"), "415 media_type");
  CHECK_EQ(form("", R"({"name":"x"})"), "415 media_type");
  CHECK_EQ(form("Application/JSON; charset=utf-8", R"({"name":"x"})"), "201");
  CHECK_EQ(form("application/json", std::string(api::largest_body + 1, ' ')), "413 body_too_large");
  CHECK_EQ(told(send("POST", "/v1/tenants", "", boss)), "400 body_missing");
  CHECK_EQ(told(send("GET", "/v1/tenants", "{}", boss)), "400 body_unexpected");
  CHECK_EQ(told(send("DELETE", "/v1/bots/7", "{}", boss)), "400 body_unexpected");
}

END_FIXTURE_SCOPE()

} // namespace troupe::operations_suite
