#define CAF_SUITE gateway_route
#include "actors/gateway/route.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::gateway_route_suite {

using namespace troupe::gateway;
using namespace std::literals;

namespace {

void check(std::string_view target, route_kind kind, std::string_view token,
           std::string_view method, std::string_view query = {}) {
  auto got = parse_route(target);
  CAF_MESSAGE(target);
  CHECK(got.kind == kind);
  CHECK_EQ(got.token, token);
  CHECK_EQ(got.method, method);
  CHECK_EQ(got.query, query);
}

} // namespace

SCENARIO("a method's target is taken apart") {
  check("/bot1:abc/getMe", route_kind::method, "1:abc", "getMe");
  check("/bot1:abc/getMe?a=1&b=%2F?", route_kind::method, "1:abc", "getMe", "a=1&b=%2F?");
  check("/bot1:abc/getMe?", route_kind::method, "1:abc", "getMe");
  check("/bot1:abc/GETME/", route_kind::method, "1:abc", "GETME");
  check("/bot1:abc/getMe//", route_kind::method, "1:abc", "getMe");
}

SCENARIO("a token's colon may come encoded") {
  check("/bot1%3Aabc/getMe", route_kind::method, "1:abc", "getMe");
  check("/bot1%3aabc/getMe", route_kind::method, "1:abc", "getMe");
  check("/bot1%zzabc/getMe", route_kind::method, "1%zzabc", "getMe");
  check("/bot1%3", route_kind::method, "1%3", "");
  // The upstream decodes the path before it splits it.
  check("/bot1:a%2FgetMe", route_kind::method, "1:a", "getMe");
}

SCENARIO("no spelling hides a method from its rules") {
  for (auto target : {"/bot1:abc/log%4Fut", "/bot1:abc/logOut#x", "/bot1:abc%2FlogOut",
                      "/bot1:abc/logOut%2F", "/bot1:abc/test/logOut?a=b#c"})
    CHECK_EQ(parse_route(target).method, "logOut");
  // Only a path ends at a fragment; a query goes on.
  check("/bot1:abc/?a=1#&method=logOut", route_kind::method, "1:abc", "",
        "a=1#&method=logOut");
  check("/bot1:abc/getMe#?a=1", route_kind::method, "1:abc", "getMe");
}

SCENARIO("the test environment and missing methods are understood") {
  check("/bot1:abc/test/getMe", route_kind::method, "1:abc", "getMe");
  check("/bot1:abc/test", route_kind::method, "1:abc", "test");
  check("/bot1:abc/", route_kind::method, "1:abc", "");
  check("/bot1:abc", route_kind::method, "1:abc", "");
  check("/bot1:abc?method=getMe", route_kind::method, "1:abc", "", "method=getMe");
}

SCENARIO("a file's target has no method") {
  check("/file/bot1:abc/photos/file_0.jpg", route_kind::file, "1:abc", "");
  check("/file/bot1%3Aabc/a?b=c", route_kind::file, "1:abc", "", "b=c");
  check("/file/bot1:abc", route_kind::file, "1:abc", "");
}

SCENARIO("odd targets are no routes") {
  for (auto target : {"", "/", "*", "/bo", "/Bot1:a/getMe", "bot1:a/getMe", "//bot1:a/getMe",
                      "/file", "/file/", "/filebot1:a", "/file/file/bot1:a/x", "?/bot1:a/getMe",
                      "http://api.telegram.org/bot1:a/getMe", "/../bot1:a/getMe", "/?x"})
    check(target, route_kind::none, "", "",
          std::string_view{target}.starts_with('?') ? "/bot1:a/getMe"
          : target == "/?x"sv                       ? "x"
                                                    : "");
  check("/bot", route_kind::method, "", "");
  check("/bot/getMe", route_kind::method, "", "getMe");
}

} // namespace troupe::gateway_route_suite
