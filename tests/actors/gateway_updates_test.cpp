#define CAF_SUITE gateway_updates
#include "actors/gateway/updates.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::gateway_updates_suite {

using namespace troupe::gateway;
using namespace std::literals;

namespace {

using kinds = std::vector<std::string>;

update_params read(std::string_view query, std::string_view body = {}) {
  return read_update_params(query, body, "application/json", "");
}

} // namespace

SCENARIO("parameters of polls are read from query and body, within what the Bot API allows") {
  auto x = read("offset=-3&limit=1000&timeout=7&timeout=8",
                R"({"timeout":"9","allowed_updates":["message",5,"Bad Name"]})");
  CHECK_EQ(x.offset, -3);
  CHECK_EQ(x.limit, 100u);
  CHECK_EQ(x.timeout.count(), 7);
  CHECK(x.allowed == kinds{"message"});
  auto y = read("limit=0&timeout=9999&offset=x");
  CHECK_EQ(y.limit, 1u);
  CHECK_EQ(y.timeout.count(), 50);
  CHECK_EQ(y.offset, 0);
  CHECK(!y.allowed);
  CHECK(!read("allowed_updates=message").allowed); // No list: as if it were not given.
}

SCENARIO("a poll changes the kinds only when it names others") {
  updates::update_settings settings;
  CHECK(!changes_kinds(read(""), settings));
  CHECK(changes_kinds(read("allowed_updates=[]"), settings));
  settings.intake.allowed_updates = kinds{"message"};
  CHECK(!changes_kinds(read(R"(allowed_updates=["message"])"), settings));
  settings.intake.allowed_updates = kinds{"message", "callback_query"};
  CHECK(
    !changes_kinds(read(R"(allowed_updates=["callback_query","message","message"])"), settings));
  CHECK(changes_kinds(read(R"(allowed_updates=["callback_query"])"), settings));
  auto next = with_kinds(R"({"updates":{"mode":"polling"},"delivery":{"mode":"pull"}})",
                         read(R"(allowed_updates=["poll"])"));
  CHECK(next.changed);
  CHECK_EQ(
    next.json,
    R"({"updates":{"mode":"polling","allowed_updates":["poll"]},"delivery":{"mode":"pull"}})");
}

SCENARIO("setWebhook makes a relay, and what it does not name is the default again") {
  auto first =
    with_webhook("{}", read("url=https://a.example/x&secret_token=s&max_connections=500"));
  CHECK(first.changed);
  CHECK_EQ(
    first.json,
    R"({"delivery":{"mode":"relay","url":"https://a.example/x","secret_token":"s","max_connections":100}})");
  auto second = with_webhook(first.json, read("url=https://a.example/x"));
  CHECK(second.changed);
  CHECK_EQ(second.json, R"({"delivery":{"mode":"relay","url":"https://a.example/x"}})");
  CHECK(!with_webhook(second.json, read("url=https://a.example/x")).changed);
  auto kept =
    with_webhook(R"({"delivery":{"mode":"relay","url":"https://b.example/","attempts":5}})",
                 read("url=https://a.example/x"));
  CHECK_EQ(updates::read_settings(kept.json).delivery.relay.attempts, 5u);
  auto replaced = with_webhook(R"({"delivery":{"mode":"native","handler":"echo"}})",
                               read("url=https://a.example/x"));
  CHECK_EQ(replaced.json, second.json);
}

SCENARIO("setWebhook refuses what cannot be a receiver") {
  for (auto url : {"ftp://a.example/", "https://", "https://u:p@a.example/"})
    CHECK_THROWS_AS(with_webhook("{}", read("url="s + url)), updates::bad_settings);
  CHECK_THROWS_AS(with_webhook("{}", read("url=https://a.example/&secret_token=a%20b")),
                  updates::bad_settings);
}

SCENARIO("deleteWebhook makes a pull") {
  CHECK(!with_pull("{}").changed);
  CHECK(!with_pull(R"({"delivery":{"mode":"pull"}})").changed);
  auto next = with_pull(
    R"({"updates":{"mode":"webhook"},"delivery":{"mode":"relay","url":"https://a.example/x"}})");
  CHECK(next.changed);
  CHECK_EQ(next.json, R"({"updates":{"mode":"webhook"},"delivery":{"mode":"pull"}})");
}

SCENARIO("updates are passed on as they were received") {
  CHECK_EQ(updates_body({}), R"({"ok":true,"result":[]})");
  CHECK_EQ(
    updates_body({shared_text{R"({"update_id":1, "x":{}})"}, shared_text{R"({"update_id":2})"}}),
    R"({"ok":true,"result":[{"update_id":1, "x":{}},{"update_id":2}]})");
}

} // namespace troupe::gateway_updates_suite
