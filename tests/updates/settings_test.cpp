#define CAF_SUITE updates_settings
#include "runtime/updates/settings.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::settings_suite {

using namespace troupe::updates;
using namespace std::literals;

namespace {

std::string complaint(std::string_view json) {
  try {
    (void)read_settings(json);
    return "none";
  } catch (const bad_settings& x) {
    return x.what();
  }
}

bool complains_of(std::string_view json, std::string_view member) {
  auto said = complaint(json);
  if (said.starts_with(std::string{member} + ": "))
    return true;
  CAF_ERROR(json << " gives " << said);
  return false;
}

} // namespace

SCENARIO("nothing said is the default of everything") {
  for (auto text : {"{}", R"({"updates":{},"delivery":{}})", R"({"updates":null,"delivery":null})",
                    R"({"updates":{"mode":"auto","allowed_updates":null},"delivery":{"mode":"pull"}})"})
    CHECK(is_default(read_settings(text)));
  for (auto text :
       {R"({"updates":{"mode":"none"}})", R"({"updates":{"allowed_updates":[]}})",
        R"({"updates":{"max_connections":1}})", R"({"updates":{"take_over":true}})",
        R"({"delivery":{"mode":"relay","url":"https://a.example/"}})",
        R"({"delivery":{"secret_token":"x"}})", R"({"delivery":{"max_connections":3}})",
        R"({"delivery":{"timeout":3}})", R"({"delivery":{"attempts":3}})"})
    CHECK(!is_default(read_settings(text)));
}

SCENARIO("settings are read as they are written") {
  auto x = read_settings(R"({"updates":{"mode":"webhook","allowed_updates":["message","poll"],
    "max_connections":100,"take_over":true},"delivery":{"mode":"relay",
    "url":"https://bots.example.org:8443/hook?a=b","secret_token":"Az_-09","max_connections":7,
    "timeout":2.5,"attempts":9,"handler":"my.handler"}})");
  CHECK(x.intake.mode == intake_mode::webhook);
  CHECK(x.intake.allowed_updates == std::vector({"message"s, "poll"s}));
  CHECK_EQ(x.intake.max_connections, 100u);
  CHECK(x.intake.take_over);
  CHECK(x.delivery.mode == delivery_mode::relay);
  CHECK_EQ(x.delivery.relay.url, "https://bots.example.org:8443/hook?a=b");
  CHECK_EQ(x.delivery.relay.secret_token, "Az_-09");
  CHECK_EQ(x.delivery.relay.max_connections, 7u);
  CHECK_EQ(x.delivery.relay.timeout.count(), 2500);
  CHECK_EQ(x.delivery.relay.attempts, 9u);
  CHECK_EQ(x.delivery.handler, "my.handler");
  auto rules = read_settings(
    R"({"delivery":{"mode":"rules","rules":[{"on":{"command":"start"},"reply":"Hi"}]}})");
  CHECK(rules.delivery.mode == delivery_mode::rules);
  CHECK(rules.delivery.rules != nullptr);
  CHECK(!is_default(rules));
}

SCENARIO("a timeout is a duration or a number of seconds") {
  auto timeout = [](std::string_view what) {
    return read_settings(R"({"delivery":{"timeout":)" + std::string{what} + "}}")
      .delivery.relay.timeout.count();
  };
  CHECK_EQ(timeout("3"), 3000);
  CHECK_EQ(timeout("0.5"), 500);
  CHECK_EQ(timeout("\"30s\""), 30'000);
  CHECK_EQ(timeout("\"1500ms\""), 1500);
  CHECK_EQ(timeout("\"2min\""), 120'000);
}

SCENARIO("what is wrong is named") {
  CHECK(complains_of("", "settings"));
  CHECK(complains_of("[]", "settings"));
  CHECK(complains_of(R"({"update":{}})", "update"));
  CHECK(complains_of(R"({"updates":[]})", "updates"));
  CHECK(complains_of(R"({"updates":{"modus":"auto"}})", "updates.modus"));
  CHECK(complains_of(R"({"updates":{"mode":"pull"}})", "updates.mode"));
  CHECK(complains_of(R"({"updates":{"mode":1}})", "updates.mode"));
  CHECK(complains_of(R"({"updates":{"allowed_updates":"message"}})", "updates.allowed_updates"));
  CHECK(complains_of(R"({"updates":{"allowed_updates":[1]}})", "updates.allowed_updates"));
  CHECK(complains_of(R"({"updates":{"allowed_updates":[""]}})", "updates.allowed_updates"));
  CHECK(complains_of(R"({"updates":{"allowed_updates":["Message"]}})", "updates.allowed_updates"));
  for (auto number : {"0", "101", "1.5", "\"40\"", "-1", "18446744073709551615"})
    CHECK(complains_of(R"({"updates":{"max_connections":)" + std::string{number} + "}}",
                       "updates.max_connections"));
  CHECK(complains_of(R"({"updates":{"take_over":1}})", "updates.take_over"));
  CHECK(complains_of(R"({"delivery":"relay"})", "delivery"));
  CHECK(complains_of(R"({"delivery":{"adress":"x"}})", "delivery.adress"));
  CHECK(complains_of(R"({"delivery":{"mode":"push"}})", "delivery.mode"));
  CHECK(complains_of(R"({"delivery":{"url":"https://a.example/"}})", "delivery.mode"));
  CHECK(complains_of(R"({"delivery":{"mode":"relay"}})", "delivery.url"));
  CHECK(complains_of(R"({"delivery":{"mode":"native"}})", "delivery.handler"));
  CHECK(complains_of(R"({"delivery":{"mode":"native","handler":"a b"}})", "delivery.handler"));
  CHECK(complains_of(R"({"delivery":{"mode":"rules"}})", "delivery.rules"));
  CHECK(complains_of(R"({"delivery":{"secret_token":"a b"}})", "delivery.secret_token"));
  CHECK(complains_of(R"({"delivery":{"secret_token":"***"}})", "delivery.secret_token"));
  CHECK(complains_of(R"({"delivery":{"secret_token":")" + std::string(257, 'a') + "\"}}",
                     "delivery.secret_token"));
  CHECK(complains_of(R"({"delivery":{"max_connections":0}})", "delivery.max_connections"));
  for (auto timeout : {"0", "0.05", "601", "\"5\"", "\"5h\"", "\"s\"", "\"11min\"", "-1", "true"})
    CHECK(complains_of(R"({"delivery":{"timeout":)" + std::string{timeout} + "}}",
                       "delivery.timeout"));
  CHECK(complains_of(R"({"delivery":{"attempts":0}})", "delivery.attempts"));
  CHECK(complains_of(R"({"delivery":{"attempts":1001}})", "delivery.attempts"));
  auto rules = complaint(R"({"delivery":{"mode":"rules","rules":[{"reply":5}]}})");
  CHECK(rules.starts_with("delivery.rules"));
}

SCENARIO("a receiver's URL has a host and nothing that misleads") {
  auto taken = [](std::string_view url) {
    return complaint(R"({"delivery":{"mode":"relay","url":")" + std::string{url} + "\"}}");
  };
  for (auto good : {"https://a.example", "https://a.example/", "https://a.example?x=1",
                    "https://a-b.example:443/x%20y", "http://127.0.0.1:8080/hook",
                    "https://[2001:db8::1]:8443/x", "https://[::1]"})
    CHECK_EQ(taken(good), "none");
  for (auto bad : {"a.example", "ftp://a.example", "https://", "https:///x", "https://:80/",
                   "https://a b.example/", "https://user@a.example/", "https://u:p@a.example/",
                   "https://a.example:0/", "https://a.example:65536/", "https://a.example:x/",
                   "https://a.example:/", "https://a.example/#x", "https://[::1/", "https://[]/",
                   "https://[::1]x/", "HTTPS://a.example/", "https://a.example/\u00e9",
                   "https://.example/", "https://a.example/\\n"})
    if (taken(bad) == "none")
      CAF_ERROR(bad);
  CHECK(taken("https://a.example/" + std::string(2048, 'a')).starts_with("delivery.url: "));
}

SCENARIO("shown settings keep the secret") {
  auto text = R"({"updates":{"mode":"none"},"delivery":{"mode":"relay","url":"https://a.example/","secret_token":"hush"}})";
  auto shown = shown_settings(text);
  CHECK_EQ(shown.find("hush"), std::string::npos);
  CHECK_NE(shown.find(R"("secret_token":"***")"), std::string::npos);
  CHECK_NE(shown.find(R"("url":"https://a.example/")"), std::string::npos);
  CHECK_NE(shown.find(R"("mode":"none")"), std::string::npos);
  CHECK_EQ(shown_settings(R"({"delivery":{"secret_token":""}})"), R"({"delivery":{"secret_token":""}})");
  CHECK_EQ(shown_settings("{"), "{}");
}

SCENARIO("where a webhook led before is kept beside what the tenant says") {
  auto text = with_webhook_before(R"({"updates":{"mode":"auto"}})", R"({"url":"https://a.example/"})");
  CHECK_EQ(webhook_before(text), R"({"url":"https://a.example/"})");
  CHECK(is_default(read_settings(text)));
  CHECK_EQ(with_webhook_before(text, ""), R"({"updates":{"mode":"auto"}})");
  CHECK_EQ(webhook_before("{}"), "");
  CHECK_EQ(webhook_before("nonsense"), "");
}

} // namespace troupe::settings_suite
