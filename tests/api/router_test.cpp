#define CAF_SUITE api.router
#include "runtime/api/router.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <set>

namespace troupe::router_suite {

using namespace std::literals;

namespace {

std::string name_of(std::string_view method, std::string_view path) {
  auto found = api::find_route(method, path);
  return found.where == nullptr ? "none, allowed: " + found.allowed : std::string{found.where->name};
}

} // namespace

SCENARIO("paths have arguments and verbs") {
  CHECK_EQ(name_of("GET", "/v1/bots/42"), "getBot");
  CHECK_EQ(name_of("HEAD", "/v1/bots/42"), "getBot");
  CHECK_EQ(name_of("POST", "/v1/bots/42:activate"), "activateBot");
  CHECK_EQ(name_of("POST", "/v1/bots:batchGet"), "batchGetBots");
  CHECK_EQ(name_of("POST", "/v1/bots/42/methods/sendMessage"), "callMethod");
  auto found = api::find_route("POST", "/v1/bots/42/methods/sendMessage");
  CHECK_EQ(found.arguments.number("id"), 42);
  CHECK_EQ(found.arguments.text("method"), "sendMessage");
  CHECK_EQ(found.arguments.number("method"), 0);
  CHECK_EQ(found.arguments.text("nothing"), "");
}

SCENARIO("an argument is neither empty nor longer than its part of the path") {
  for (auto path : {"/v1/bots/", "/v1/bots/1/", "/v1/bots/1:", "/v1/bots/:activate",
                    "/v1/bots/1:activat", "/v1/bots/1:activatex", "/v1/bots/1/2", "/v1/bots/1%32",
                    "/v1/bots//tokens", "/v1/bots/../bots", "/V1/bots", "v1/bots", "", "/v1",
                    "/v1/bots/1:a:b", "/v1/bots/1 2"})
    CHECK_EQ(name_of("GET", path), "none, allowed: ");
}

SCENARIO("an id is a positive number without decoration") {
  for (auto bad : {"0", "01", "-1", "1x", "x", "9223372036854775808", "99999999999999999999"}) {
    auto path = "/v1/bots/"s + bad;
    CHECK_EQ(api::find_route("GET", path).arguments.number("id"), 0);
  }
  CHECK_EQ(api::find_route("GET", "/v1/bots/9223372036854775807").arguments.number("id"), INT64_MAX);
}

SCENARIO("a known path with another method names those that it takes") {
  CHECK_EQ(name_of("PUT", "/v1/bots"), "none, allowed: POST, GET, HEAD");
  CHECK_EQ(name_of("POST", "/v1/bots/1"), "none, allowed: GET, HEAD, PATCH, DELETE");
  CHECK_EQ(name_of("GET", "/v1/bots/1:activate"), "none, allowed: POST");
  CHECK_EQ(name_of("get", "/v1/bots"), "none, allowed: POST, GET, HEAD");
}

SCENARIO("no route hides another, and each is found by its own path") {
  std::set<std::string_view> names;
  for (auto& one : api::routes()) {
    CHECK(names.insert(one.name).second);
    std::string path;
    for (std::size_t i = 0; i < one.path.size(); ++i) {
      if (one.path[i] != '{') {
        path += one.path[i];
        continue;
      }
      i = one.path.find('}', i);
      path += '7';
    }
    CHECK_EQ(name_of(one.method, path), one.name);
    CHECK_EQ(one.serve == nullptr, false);
    CHECK(!one.summary.empty());
    CHECK_EQ(one.body.empty() || one.takes == api::body_use::needed
               || one.takes == api::body_use::optional,
             true);
    // Only what lies under /v1 needs a key, and all of it does.
    CHECK_EQ(one.path.starts_with("/v1/"), one.needs != api::access::open);
  }
  CHECK(names.size() > 40);
}

} // namespace troupe::router_suite
