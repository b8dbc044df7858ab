#define CAF_SUITE api.updates
#include "tests/api/managed.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::updates_suite {

using namespace std::literals;
using fakes::json_of;
using fakes::told;

namespace {

struct fixture : fakes::managed_node {
  fixture() {
    kept->add_bot(7, 1);
    kept->add_bot(8, other);
    for (std::int64_t id : {1, 2, 3})
      waiting->letters.push_back({id, 7, 100 + id, "message", 1'700'000'000'000, 1'700'000'001'000,
                                  8, "the receiver answered 500",
                                  R"({"update_id":)" + std::to_string(100 + id) + "}"});
  }

  std::string patch(std::string_view body) {
    return told(send("PATCH", "/v1/bots/7", body, developer));
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("what waits for delivery is told") {
  waiting->pending = {12, 3, 1'700'000'000'000, true};
  auto body = json_of(get("/v1/bots/7/updates", viewer));
  CHECK_EQ(body.at("pending"), 12);
  CHECK_EQ(body.at("dead_letters"), 3);
  CHECK_EQ(body.at("full"), true);
  CHECK_EQ(body.at("intake").at("state"), "elsewhere");
  CHECK_EQ(body.at("intake").at("elsewhere"), "https://old.example/");
  CHECK(body.at("intake").at("last_error").is_null());
  CHECK_EQ(body.at("oldest_at"), "2023-11-14T22:13:20.000Z");
  CHECK_EQ(told(get("/v1/bots/8/updates", viewer)), "404 unknown_bot");
}

SCENARIO("a list of bots tells how their updates stand, when asked") {
  waiting->pending = {12, 3, 1'700'000'000'000, false};
  auto plain = json_of(get("/v1/bots", viewer)).at("bots").as_array();
  REQUIRE_EQ(plain.size(), 1u);
  CHECK(!plain[0].as_object().contains("update_state"));
  auto state = json_of(get("/v1/bots?with=updates", viewer)).at("bots").at(0).at("update_state");
  CHECK_EQ(state.at("pending"), 12);
  CHECK_EQ(state.at("dead_letters"), 3);
  CHECK_EQ(state.at("intake").at("state"), "elsewhere");
  CHECK_EQ(told(get("/v1/bots?with=everything", viewer)), "400 bad_request");
  auto without = managed_ports();
  without.journal = nullptr;
  use(std::move(without));
  auto bots = json_of(get("/v1/bots?with=updates", viewer)).at("bots").as_array();
  REQUIRE_EQ(bots.size(), 1u); // The list is there all the same.
  CHECK(bots[0].at("update_state").is_null());
}

SCENARIO("an operator sees the updates of all bots") {
  waiting->report.pending = 12;
  waiting->report.delivered = 100;
  auto body = json_of(get("/v1/updates", boss));
  CHECK_EQ(body.at("pending"), 12);
  CHECK_EQ(body.at("delivered_total"), 100);
  CHECK(body.at("oldest_at").is_null());
  CHECK_EQ(body.at("intake").at("elsewhere"), 2);
  CHECK_EQ(body.at("intake").at("polling"), 0);
  CHECK_EQ(told(get("/v1/updates", viewer)), "403 forbidden");
  auto without = managed_ports();
  without.webhooks = nullptr;
  use(std::move(without));
  CHECK(json_of(get("/v1/updates", boss)).at("intake").is_null());
}

SCENARIO("a delivery that rests by itself is seen") {
  auto resting = managed_ports();
  resting.delivery_pause = [](bot_id bot) -> std::optional<delivery_book::pause> {
    if (bot != 7)
      return std::nullopt;
    return delivery_book::pause{1'700'000'000'000, "the receiver answered 410"};
  };
  use(std::move(resting));
  auto body = json_of(get("/v1/bots/7/updates", viewer));
  CHECK_EQ(body.at("rests_until"), "2023-11-14T22:13:20.000Z");
  CHECK_EQ(body.at("rests_because"), "the receiver answered 410");
  use(managed_ports());
  CHECK(json_of(get("/v1/bots/7/updates", viewer)).at("rests_because").is_null());
}

SCENARIO("who may change a bot may see the key that its updates are signed with") {
  CHECK_EQ(json_of(get("/v1/bots/7/signing-key", developer)).at("signing_key"), "key of 7");
  CHECK_EQ(told(get("/v1/bots/7/signing-key", viewer)), "403 forbidden");
  CHECK_EQ(told(get("/v1/bots/8/signing-key", developer)), "404 unknown_bot");
}

SCENARIO("dead letters are listed in pages, with the update as it was") {
  auto first = json_of(get("/v1/bots/7/dead-letters?limit=2", viewer));
  CHECK_EQ(first.at("dead_letters").as_array().size(), 2u);
  auto& letter = first.at("dead_letters").as_array()[0];
  CHECK_EQ(letter.at("reason"), "the receiver answered 500");
  CHECK_EQ(letter.at("update").at("update_id"), 101);
  std::string cursor{first.at("next_cursor").as_string()};
  auto rest = json_of(get("/v1/bots/7/dead-letters?limit=2&cursor=" + cursor, viewer));
  CHECK_EQ(rest.at("dead_letters").as_array().size(), 1u);
  CHECK(rest.at("next_cursor").is_null());
  CHECK_EQ(told(get("/v1/bots/8/dead-letters", viewer)), "404 unknown_bot");
}

SCENARIO("dead letters are replayed by name, or all") {
  const std::string path = "/v1/bots/7/dead-letters:replay";
  CHECK_EQ(told(send("POST", path, R"({"ids":[1,99]})", viewer)), "403 forbidden");
  auto body = json_of(send("POST", path, R"({"ids":[1,99]})", developer));
  CHECK_EQ(body.at("replayed"), 2);
  CHECK_EQ(body.at("missing").as_array()[0], 99);
  CHECK_EQ(told(send("POST", path, R"({"all":true})", developer)), "200");
  REQUIRE_EQ(waiting->replays.size(), 2u);
  CHECK_EQ(waiting->replays[0].bot, 7);
  CHECK_EQ(waiting->replays[0].ids, (std::vector<std::int64_t>{1, 99}));
  CHECK(waiting->replays[1].ids.empty());
  CHECK_EQ(told(send("POST", path, "{}", developer)), "400 invalid_field");
  CHECK_EQ(told(send("POST", path, R"({"ids":[1],"all":true})", developer)), "400 invalid_field");
  CHECK_EQ(told(send("POST", "/v1/bots/8/dead-letters:replay", R"({"all":true})", developer)),
           "404 unknown_bot");
  CHECK_EQ(waiting->replays.size(), 2u);
}

SCENARIO("what looks after Telegram's side may be away") {
  auto without = managed_ports();
  without.webhooks = nullptr;
  use(std::move(without));
  auto body = json_of(get("/v1/bots/7/updates", viewer));
  CHECK(body.at("intake").is_null());
  CHECK_EQ(body.at("pending"), 0);
}

SCENARIO("a node whose journal does not run says so") {
  auto without = managed_ports();
  without.journal = nullptr;
  use(std::move(without));
  CHECK_EQ(told(get("/v1/bots/7/updates", viewer)), "503 service_unavailable");
}

SCENARIO("a receiver to which nothing would be delivered is refused when it is set") {
  auto guarded = managed_ports();
  bool development = false;
  guarded.private_urls = [&development] { return development; };
  use(std::move(guarded));
  auto with = [](std::string url) {
    return R"({"delivery":{"mode":"relay","url":")" + std::move(url) + "\"}}";
  };
  auto said = json_of(send("PATCH", "/v1/bots/7", with("https://10.1.2.3/x"), developer));
  CHECK_EQ(said.at("code"), "invalid_field");
  CHECK_EQ(said.at("field"), "delivery.url");
  CHECK_EQ(said.at("detail"),
           "delivery.url: leads to an address that may not be used (private).");
  CHECK_EQ(patch(with("http://example.org/x")), "400 invalid_field");
  CHECK_EQ(patch(with("https://example.org/x")), "200");
  development = true;
  CHECK_EQ(patch(with("http://127.0.0.1:8000/x")), "200");
  development = false;
  CHECK_EQ(patch(R"({"name":"another"})"), "200"); // What is there already is delivery's to judge.
}

SCENARIO("settings are checked before they are stored") {
  CHECK_EQ(patch(R"({"delivery":{"mode":"relay"}})"), "400 invalid_field");
  CHECK_EQ(patch(R"({"delivery":{"mode":"relay","url":"ftp://x"}})"), "400 invalid_field");
  CHECK_EQ(patch(R"({"updates":{"mode":"webhook","colour":1}})"), "400 invalid_field");
  auto refused = json_of(send("PATCH", "/v1/bots/7", R"({"updates":{"mode":7}})", developer));
  CHECK_EQ(refused.at("field"), "updates.mode");
  CHECK_EQ(kept->bots[7].settings, "{}");
}

SCENARIO("a receiver's secret is never shown, and survives being sent back as it was shown") {
  CHECK_EQ(
    patch(R"({"delivery":{"mode":"relay","url":"https://x.example/","secret_token":"s3cret"}})"),
    "200");
  CHECK(kept->bots[7].settings.find("s3cret") != std::string::npos);
  auto shown = get("/v1/bots/7", viewer);
  CHECK_EQ(shown.body.find("s3cret"), std::string::npos);
  CHECK_EQ(json_of(shown).at("delivery").at("secret_token"), "***");
  CHECK_EQ(
    patch(R"({"delivery":{"mode":"relay","url":"https://y.example/","secret_token":"***"}})"),
    "200");
  CHECK(kept->bots[7].settings.find("s3cret") != std::string::npos);
  CHECK(kept->bots[7].settings.find("y.example") != std::string::npos);
}

END_FIXTURE_SCOPE()

} // namespace troupe::updates_suite
