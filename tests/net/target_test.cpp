#define CAF_SUITE net_target

#include "runtime/net/target.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::target_suite {

using namespace troupe::net;

namespace {

target good(std::string_view url) {
  auto result = parse_target(url);
  if (auto* why = std::get_if<std::string>(&result))
    CAF_FAIL(url << " was refused: " << *why);
  return std::get<target>(result);
}

bool bad(std::string_view url) {
  return std::holds_alternative<std::string>(parse_target(url));
}

} // namespace

SCENARIO("an upstream's URL is taken apart") {
  CHECK(good("https://api.telegram.org")
        == (target{true, "api.telegram.org", "443", "", "api.telegram.org"}));
  CHECK(good("http://127.0.0.1:8090")
        == (target{false, "127.0.0.1", "8090", "", "127.0.0.1:8090"}));
  CHECK(good("https://Proxy.Example:443/bots/eu")
        == (target{true, "proxy.example", "443", "/bots/eu", "proxy.example"}));
  CHECK(good("http://[::1]:80/") == (target{false, "::1", "80", "", "[::1]"}));
  CHECK(good("http://[fe80::1]:8081/x")
        == (target{false, "fe80::1", "8081", "/x", "[fe80::1]:8081"}));
  CHECK(good("http://host:00080") == (target{false, "host", "80", "", "host"}));
}

SCENARIO("what is no usable URL is refused") {
  for (auto url : {"",
                   "api.telegram.org",
                   "ftp://x",
                   "https://",
                   "https://:443",
                   "http://x:0",
                   "http://x:65536",
                   "http://x:",
                   "http://x:80x",
                   "http://x:080000",
                   "http://x/y/",
                   "http://x//",
                   "http://a b",
                   "http://x/\r\nHost:y",
                   "http://u@x",
                   "http://x/?q",
                   "http://x/#f",
                   "http://[::1",
                   "http://[::1]x",
                   "http://x:1:2",
                   "http://[]"}) {
    CAF_MESSAGE(url);
    CHECK(bad(url));
  }
}

} // namespace troupe::target_suite
