#define CAF_SUITE api.managed
#include "runtime/api/router.hpp"
#include "tests/api/managed.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::managed_suite {

using namespace std::literals;
using fakes::json_of;
using fakes::told;

namespace {

const std::string token = "123456:" + std::string(35, 'a');

std::string registration(const std::string& bot_token, std::string_view more = {}) {
  return R"({"token":")" + bot_token + '"' + std::string{more} + '}';
}

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

struct fixture : fakes::managed_node {};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("without a valid key nothing under /v1 is shown") {
  CHECK_EQ(told(get("/v1/bots", "")), "401 unauthenticated");
  CHECK(holds(get("/v1/bots", "").headers, "WWW-Authenticate: Bearer"));
  CHECK_EQ(told(get("/v1/bots", "x")), "401 invalid_key");
  CHECK_EQ(told(get("/v1/bots", admin.substr(0, 50))), "401 key_truncated");
  auto mistyped = admin;
  mistyped[20] = mistyped[20] == 'A' ? 'B' : 'A';
  CHECK_EQ(told(get("/v1/bots", mistyped)), "401 key_truncated");
  std::string unknown{
    crypto::make_api_key(crypto::api_key_kind::tenant_key, crypto::os_random()).reveal()};
  CHECK_EQ(told(get("/v1/bots", unknown)), "401 invalid_key");
  kept->keys[viewer].expires = 1;
  CHECK_EQ(told(get("/v1/bots", viewer)), "401 key_expired");
  kept->keys[viewer].revoked = 1;
  CHECK_EQ(told(get("/v1/bots", viewer)), "401 key_revoked");
  kept->tenants[1].suspended = true;
  CHECK_EQ(told(get("/v1/bots", admin)), "403 tenant_suspended");
  headers.push_back({"Authorization", "Basic dXNlcg=="});
  CHECK_EQ(told(get("/v1/bots", "")), "401 unauthenticated");
  headers.back().value = boss;
  CHECK_EQ(told(get("/v1/bots", "")), "401 unauthenticated");
  auto lower = "bearer  " + boss;
  headers.back().value = lower;
  CHECK_EQ(get("/v1/bots", "").status, 200);
}

SCENARIO("every route but pages and probes asks for a key") {
  for (auto& one : api::routes()) {
    std::string path;
    for (std::size_t i = 0; i < one.path.size(); ++i)
      one.path[i] == '{' ? (path += '7', i = one.path.find('}', i)) : (path += one.path[i], i);
    auto answer = told(send(one.method, path));
    CHECK_EQ(answer == "401 unauthenticated", one.needs != api::access::open);
  }
}

SCENARIO("a node without a store shows its reports to everybody and manages nothing") {
  auto bare = ports();
  use(bare);
  CHECK_EQ(get("/v1/health", "").status, 200);
  CHECK_EQ(told(get("/v1/bots", "")), "503 no_store");
  CHECK_EQ(told(get("/v1/bots", boss)), "503 no_store");
}

SCENARIO("roles decide what a key may do") {
  kept->add_bot(7, 1);
  struct one {
    const char* method;
    const char* target;
    std::string body;
    const char* least; ///< operator, admin, developer, viewer.
  };
  const one all[] = {
    {"GET", "/v1/health", "", "operator"},
    {"GET", "/v1/store", "", "operator"},
    {"GET", "/v1/tenants", "", "operator"},
    {"POST", "/v1/tenants", R"({"name":"x"})", "operator"},
    {"POST", "/v1/keys", R"({"name":"x"})", "operator"},
    {"POST", "/v1/backups", R"({"path":"/x"})", "operator"},
    {"POST", "/v1/supervision:restart", R"({"name":"x"})", "operator"},
    {"GET", "/v1/tenants/1/keys", "", "admin"},
    {"POST", "/v1/tenants/1/keys", R"({"name":"x"})", "admin"},
    {"GET", "/v1/audit", "", "admin"},
    {"PATCH", "/v1/bots/7", R"({"name":"x"})", "developer"},
    {"POST", "/v1/bots/7:suspend", "", "developer"},
    {"POST", "/v1/bots/7/methods/getMe", "", "developer"},
    {"POST", "/v1/bots/7/tokens", R"({"name":"x"})", "developer"},
    {"GET", "/v1/bots", "", "viewer"},
    {"GET", "/v1/bots/7", "", "viewer"},
    {"GET", "/v1/bots/7/analytics", "", "viewer"},
    {"GET", "/v1/me", "", "viewer"},
  };
  const std::pair<std::string_view, std::string*> ranks[] = {
    {"viewer", &viewer}, {"developer", &developer}, {"admin", &admin}, {"operator", &boss}};
  for (auto& one : all) {
    bool enough = false;
    for (auto& [rank, key] : ranks) {
      enough = enough || rank == one.least;
      auto answer = told(send(one.method, one.target, one.body, *key));
      CHECK_EQ(answer == "403 forbidden", !enough);
    }
  }
}

SCENARIO("a tenant can neither see nor guess another's things") {
  kept->add_bot(7, 1);
  auto foreign = send("GET", "/v1/bots/7", {}, stranger);
  auto missing = send("GET", "/v1/bots/8", {}, stranger);
  CHECK_EQ(told(foreign), "404 unknown_bot");
  CHECK_EQ(foreign.body, missing.body);
  for (auto& [method, target, body] : std::vector<std::array<std::string, 3>>{
         {"PATCH", "/v1/bots/7", R"({"name":"x"})"},
         {"DELETE", "/v1/bots/7", ""},
         {"POST", "/v1/bots/7:activate", ""},
         {"POST", "/v1/bots/7:rotateToken", registration(token)},
         {"POST", "/v1/bots/7/verification", ""},
         {"GET", "/v1/bots/7/verification", ""},
         {"GET", "/v1/bots/7/tokens", ""},
         {"POST", "/v1/bots/7/tokens", R"({"name":"x"})"},
         {"DELETE", "/v1/bots/7/tokens/1", ""},
         {"GET", "/v1/bots/7/health", ""},
         {"GET", "/v1/bots/7/analytics", ""},
         {"POST", "/v1/bots/7/methods/getMe", ""}}) {
    auto one = send(method, target, body, stranger);
    CHECK_EQ(told(one), "404 unknown_bot");
    auto other_id = target;
    other_id.replace(target.find("/7") + 1, 1, "8");
    CHECK_EQ(one.body, send(method, other_id, body, stranger).body);
  }
  CHECK_EQ(told(get("/v1/tenants/1/keys", stranger)), "404 unknown_tenant");
  CHECK_EQ(get("/v1/tenants/1/keys", stranger).body, get("/v1/tenants/99/keys", stranger).body);
  CHECK_EQ(told(send("DELETE", "/v1/tenants/1/keys/101", {}, stranger)), "404 unknown_tenant");
  CHECK_EQ(json_of(get("/v1/bots", stranger)).at("bots").as_array().size(), 0u);
  auto batch = json_of(send("POST", "/v1/bots:batchGet", R"({"ids":[7,8]})", stranger));
  CHECK_EQ(batch.at("missing").as_array().size(), 2u);
  CHECK_EQ(told(send("POST", "/v1/bots", registration(token, R"(,"tenant":1)"), stranger)),
           "404 unknown_tenant");
  CHECK_EQ(kept->bots.count(7), 1u);
  CHECK_EQ(kept->bots[7].name, "Bot 7");
}

SCENARIO("a bot is registered, shown, changed and removed") {
  auto made =
    send("POST", "/v1/bots",
         registration(token, R"(,"name":"Mine","limits":{"rps":5},"delivery":{"mode":"pull"})"),
         developer);
  CHECK_EQ(made.status, 201);
  CHECK(holds(made.headers, "Location: /v1/bots/123456\r\n"));
  CHECK(!holds(made.body, token));
  auto bot = json_of(made);
  CHECK_EQ(bot.at("id").as_int64(), 123456);
  CHECK_EQ(bot.at("phase").as_string(), "pending");
  CHECK_EQ(bot.at("health").as_string(), "healthy");
  CHECK_EQ(bot.at("verified").as_bool(), false);
  CHECK_EQ(bot.at("created_at").as_string(), "2023-11-14T22:13:20.000Z");
  CHECK_EQ(bot.at("limits").as_object().at("rps").as_int64(), 5);
  CHECK(bot.at("limits").as_object().at("concurrent").is_null());
  CHECK_EQ(bot.at("delivery").as_object().at("mode"), "pull");
  CHECK_EQ(told(send("POST", "/v1/bots", registration(token), developer)), "409 duplicate");
  CHECK_EQ(told(send("POST", "/v1/bots", registration("12:x"), developer)), "422 token_malformed");
  auto rejected = "999:" + std::string(35, 'a');
  auto refused = send("POST", "/v1/bots", registration(rejected), developer);
  CHECK_EQ(told(refused), "422 token_rejected");
  CHECK(!holds(refused.body, "aaaa"));
  CHECK_EQ(told(send("POST", "/v1/bots", registration(token, R"(,"trusted":true)"), developer)),
           "403 forbidden");
  CHECK_EQ(json_of(get("/v1/bots/123456", viewer)).at("name").as_string(), "Mine");
  auto changed = send("PATCH", "/v1/bots/123456", R"({"limits":{"concurrent":3}})", developer);
  CHECK_EQ(changed.status, 200);
  auto after = json_of(changed);
  CHECK_EQ(after.at("name").as_string(), "Mine");
  CHECK_EQ(after.at("limits").as_object().at("rps").as_int64(), 5);
  CHECK_EQ(after.at("limits").as_object().at("concurrent").as_int64(), 3);
  CHECK_EQ(after.at("delivery").as_object().at("mode"), "pull");
  CHECK_EQ(after.at("version").as_int64(), 2);
  CHECK_EQ(told(send("PATCH", "/v1/bots/123456", R"({"name":"b","version":1})", developer)),
           "409 conflict");
  CHECK_EQ(told(send("PATCH", "/v1/bots/123456", "{}", developer)), "400 nothing_to_change");
  CHECK_EQ(told(send("PATCH", "/v1/bots/123456", R"({"version":1})", developer)),
           "400 nothing_to_change");
  CHECK_EQ(send("DELETE", "/v1/bots/123456", {}, developer).status, 204);
  CHECK_EQ(told(get("/v1/bots/123456", viewer)), "404 unknown_bot");
  auto& entry = kept->trail.front();
  CHECK_EQ(entry.action, "bot.register");
  CHECK_EQ(entry.by.address, "192.0.2.1");
  CHECK_EQ(entry.by.request, "req-1");
  CHECK_EQ(entry.by.key, kept->keys[developer].id);
  CHECK_EQ(entry.by.name, developer.substr(0, 14) + " test");
}

SCENARIO("settings of a bot are bounded") {
  kept->add_bot(7, 1);
  auto large = R"({"updates":{"x":")" + std::string(17'000, 'y') + R"("}})";
  CHECK_EQ(told(send("PATCH", "/v1/bots/7", large, developer)), "400 settings_too_large");
}

SCENARIO("bots are listed in pages, by phase, and got by any number of ids") {
  for (bot_id id = 1; id <= 25; ++id)
    kept->add_bot(id, id % 5 == 0 ? other : 1,
                  id % 2 == 0 ? bot_phase::suspended : bot_phase::active);
  said->health.worst.push_back({.bot = 3, .status = health_status::degraded});
  std::vector<std::int64_t> seen;
  std::string target = "/v1/bots?limit=7";
  for (int pages = 0; pages < 10; ++pages) {
    auto page = json_of(get(target, viewer));
    for (auto& bot : page.at("bots").as_array())
      seen.push_back(bot.as_object().at("id").as_int64());
    if (page.at("next_cursor").is_null())
      break;
    target = "/v1/bots?limit=7&cursor=" + std::string{page.at("next_cursor").as_string()};
  }
  CHECK_EQ(seen.size(), 20u);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  auto suspended = json_of(get("/v1/bots?status=suspended", viewer)).at("bots").as_array();
  CHECK_EQ(suspended.size(), 10u);
  CHECK_EQ(suspended.at(0).as_object().at("health").as_string(), "suspended");
  CHECK_EQ(json_of(get("/v1/bots", boss)).at("bots").as_array().size(), 25u);
  CHECK_EQ(json_of(get("/v1/bots?tenant=2", boss)).at("bots").as_array().size(), 5u);
  auto batch = json_of(send("POST", "/v1/bots:batchGet", R"({"ids":[1,3,5,99]})", viewer));
  CHECK_EQ(batch.at("bots").as_array().size(), 2u);
  CHECK_EQ(batch.at("bots").as_array().at(0).as_object().at("health").as_string(), "healthy");
  CHECK_EQ(batch.at("bots").as_array().at(1).as_object().at("health").as_string(), "degraded");
  CHECK_EQ(batch.at("missing").as_array(), boost::json::array({5, 99}));
  CHECK_EQ(told(get("/v1/bots?cursor=x", viewer)), "400 bad_request");
  CHECK_EQ(told(get("/v1/bots?status=sleeping", viewer)), "400 bad_request");
  CHECK_EQ(told(get("/v1/bots?stauts=active", viewer)), "400 bad_request");
  caf::anon_send_exit(health, caf::exit_reason::kill);
  auto first = json_of(get("/v1/bots?limit=1", viewer)).at("bots").as_array();
  CHECK(first.at(0).as_object().at("health").is_null());
}

SCENARIO("bots that are out of memory are shown as passive, in pages, alone and by their ids") {
  for (bot_id id = 1; id <= 45; ++id)
    kept->add_bot(id, 1, id == 44 ? bot_phase::suspended : bot_phase::active);
  auto p = managed_ports();
  p.is_passive = [](bot_id bot) { return bot % 20 != 3; }; // In memory are 3, 23 and 43.
  use(std::move(p));
  auto phase = [](const boost::json::value& bot) {
    return std::string{bot.as_object().at("phase").as_string()};
  };
  auto all = [&](std::string_view status, std::size_t limit) {
    std::vector<std::int64_t> seen;
    auto start = "/v1/bots?limit=" + std::to_string(limit) + std::string{status};
    auto target = start;
    for (int pages = 0; pages < 100; ++pages) {
      auto page = json_of(get(target, viewer));
      auto& bots = page.at("bots").as_array();
      CHECK(bots.size() <= limit);
      for (auto& bot : bots) {
        seen.push_back(bot.as_object().at("id").as_int64());
        if (!status.empty())
          CHECK_EQ(phase(bot), status.substr(status.find('=') + 1));
      }
      if (page.at("next_cursor").is_null())
        break;
      target = start + "&cursor=" + std::string{page.at("next_cursor").as_string()};
    }
    CHECK(std::is_sorted(seen.begin(), seen.end()));
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    return seen;
  };
  for (std::size_t limit : {1u, 2u, 3u, 7u, 100u}) {
    CHECK_EQ(all("&status=active", limit), (std::vector<std::int64_t>{3, 23, 43}));
    CHECK_EQ(all("&status=passive", limit).size(), 41u);
    CHECK_EQ(all("&status=suspended", limit), (std::vector<std::int64_t>{44}));
    CHECK_EQ(all("", limit).size(), 45u);
  }
  CHECK_EQ(phase(json_of(get("/v1/bots/1", viewer))), "passive");
  CHECK_EQ(phase(json_of(get("/v1/bots/3", viewer))), "active");
  CHECK_EQ(phase(json_of(get("/v1/bots/44", viewer))), "suspended");
  auto batch = json_of(send("POST", "/v1/bots:batchGet", R"({"ids":[1,3]})", viewer));
  CHECK_EQ(phase(batch.at("bots").as_array().at(0)), "passive");
  CHECK_EQ(phase(batch.at("bots").as_array().at(1)), "active");
}

SCENARIO("any number of ids is answered, each once, or none is") {
  std::string ids;
  for (int id = 1; id <= 2500; ++id) {
    if (id % 2 == 0)
      kept->add_bot(id, 1);
    ids += (ids.empty() ? "" : ",") + std::to_string(id);
  }
  auto body = R"({"ids":[)" + ids + ',' + ids + "]}";
  WHEN("there are none") {
    auto batch = json_of(send("POST", "/v1/bots:batchGet", R"({"ids":[]})", viewer));
    THEN("that is no mistake") {
      CHECK(batch.at("bots").as_array().empty());
      CHECK(batch.at("missing").as_array().empty());
    }
  }
  WHEN("the store answers") {
    auto batch = json_of(send("POST", "/v1/bots:batchGet", body, viewer));
    THEN("every id is answered once") {
      CHECK_EQ(batch.at("bots").as_array().size(), 1250u);
      CHECK_EQ(batch.at("missing").as_array().size(), 1250u);
      CHECK_EQ(batch.at("missing").as_array().back().as_int64(), 2499);
    }
  }
  WHEN("the store has given up") {
    kept->busy = 1;
    auto answer = send("POST", "/v1/bots:batchGet", body, viewer);
    THEN("no id is silently left out") {
      CHECK_EQ(told(answer), "503 service_unavailable");
    }
  }
}

SCENARIO("a bot's phase follows orders") {
  kept->add_bot(7, 1, bot_phase::pending);
  CHECK_EQ(told(send("POST", "/v1/bots/7:activate", {}, developer)), "409 bot_not_verified");
  CHECK_EQ(told(send("POST", "/v1/bots/7:activate", R"({"trusted":true})", developer)),
           "403 forbidden");
  CHECK_EQ(told(send("POST", "/v1/bots/7:activate", R"({"trusted":true})", boss)), "200");
  auto suspended = send("POST", "/v1/bots/7:suspend", R"({"reason":"holidays"})", developer);
  CHECK_EQ(json_of(suspended).at("phase").as_string(), "suspended");
  CHECK_EQ(json_of(suspended).at("reason").as_string(), "holidays");
  CHECK_EQ(json_of(suspended).at("health").as_string(), "suspended");
  CHECK_EQ(told(send("POST", "/v1/bots/7:resume", "{}", developer)), "200");
  CHECK_EQ(told(send("POST", "/v1/bots/7:resume", {}, developer)), "409 wrong_phase");
  CHECK_EQ(told(send("POST", "/v1/bots/7:restart", {}, developer)), "200");
  CHECK_EQ(told(send("POST", "/v1/bots/7:restart", R"({"now":1})", developer)),
           "400 unknown_field");
  CHECK_EQ(told(send("POST", "/v1/bots/7:rotateToken", registration(token), developer)),
           "409 token_of_other_bot");
  auto own = "7:" + std::string(35, 'b');
  CHECK_EQ(told(send("POST", "/v1/bots/7:rotateToken", registration(own), developer)), "200");
}

SCENARIO("the owner of a bot proves it with a code") {
  kept->add_bot(7, 1, bot_phase::pending);
  CHECK_EQ(json_of(get("/v1/bots/7/verification", viewer)).at("state").as_string(), "none");
  auto made = json_of(send("POST", "/v1/bots/7/verification", {}, developer));
  CHECK_EQ(made.at("code").as_string(), "ABCDEFGH12");
  CHECK_EQ(made.at("send").as_string(), "/start ABCDEFGH12");
  CHECK_EQ(made.at("link").as_string(), "https://t.me/bot_7?start=ABCDEFGH12");
  CHECK_EQ(made.at("expires_at").as_string(), "2096-10-02T07:06:40.000Z");
  auto state = get("/v1/bots/7/verification", viewer);
  CHECK_EQ(json_of(state).at("state").as_string(), "waiting");
  CHECK(!holds(state.body, "ABCDEFGH12"));
  kept->codes[7].expires = 1;
  CHECK_EQ(json_of(get("/v1/bots/7/verification", viewer)).at("state").as_string(), "expired");
  kept->codes.clear();
  kept->bots[7].verified = 1'700'000'000'000;
  kept->bots[7].owner = 55;
  auto proven = json_of(get("/v1/bots/7/verification", viewer));
  CHECK_EQ(proven.at("state").as_string(), "verified");
  CHECK_EQ(proven.at("owner").as_int64(), 55);
}

SCENARIO("virtual tokens are shown once and revoked") {
  kept->add_bot(7, 1);
  auto made = json_of(send("POST", "/v1/bots/7/tokens",
                           R"({"name":"ci","methods":["sendMessage","GETME","getme"],
                               "expires_in":3600})",
                           developer));
  auto text = "7:" + std::string(35, 'v');
  CHECK_EQ(made.at("token").as_string(), text);
  CHECK_EQ(made.at("methods").as_array(), boost::json::array({"getme", "sendmessage"}));
  CHECK(made.at("expires_at").is_string());
  auto listed = get("/v1/bots/7/tokens", viewer);
  CHECK_EQ(json_of(listed).at("tokens").as_array().size(), 1u);
  CHECK(!holds(listed.body, text));
  auto path = "/v1/bots/7/tokens/" + std::to_string(made.at("id").as_int64());
  CHECK_EQ(send("DELETE", path, {}, developer).status, 204);
  CHECK_EQ(told(send("DELETE", path, {}, developer)), "404 unknown_token");
  CHECK_EQ(told(send("POST", "/v1/bots/7/tokens", R"({"name":"x","methods":["a b"]})", developer)),
           "400 invalid_field");
  CHECK_EQ(told(send("POST", "/v1/bots/7/tokens", R"({"name":"x","expires_in":1})", developer)),
           "400 invalid_field");
}

END_FIXTURE_SCOPE()

} // namespace troupe::managed_suite
