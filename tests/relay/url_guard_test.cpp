#define CAF_SUITE relay.url_guard
#include "runtime/relay/url_guard.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::url_guard_suite {

using namespace std::literals;
using relay::wrong_to_deliver_to;

SCENARIO("a public URL is none to refuse, whatever its name leads to later") {
  for (auto url : {"https://example.org"s, "https://example.org:8443/x?y"s, "https://8.8.8.8/"s,
                   "https://[2606:4700::1111]/"s, "https://localhost.example.org/"s,
                   "https://no-such-name.invalid/"s, "https://10.example.org/"s})
    CHECK_EQ(wrong_to_deliver_to(url), "");
}

SCENARIO("plain HTTP is refused") {
  CHECK_EQ(wrong_to_deliver_to("http://example.org/"), "must begin with https://");
  CHECK_NE(wrong_to_deliver_to("example.org"), "");
}

SCENARIO("addresses that may not be used are refused, however they are written") {
  auto refused = [](std::string host) {
    auto why = wrong_to_deliver_to("https://" + host + "/hook");
    return why.starts_with("leads to an address that may not be used (");
  };
  for (auto host : {"127.0.0.1"s,
                    "127.1"s,
                    "2130706433"s,
                    "0x7f000001"s,
                    "0177.0.0.1"s,
                    "10.0.0.1"s,
                    "172.16.3.4:8443"s,
                    "192.168.1.1"s,
                    "169.254.169.254"s,
                    "0.0.0.0"s,
                    "0"s,
                    "100.64.0.1"s,
                    "224.0.0.1"s,
                    "255.255.255.255"s,
                    "127.0.0.1."s,
                    "localhost"s,
                    "LocalHost"s,
                    "localhost."s,
                    "a.localhost"s,
                    "[::1]"s,
                    "[::]"s,
                    "[fe80::1]"s,
                    "[fc00::1]"s,
                    "[::ffff:127.0.0.1]"s,
                    "[::ffff:10.0.0.1]:444"s}) {
    CHECK(refused(host));
    if (!refused(host))
      CAF_MESSAGE(host);
  }
}

} // namespace troupe::url_guard_suite
