#define CAF_SUITE relay_parts
#include "runtime/relay/address_guard.hpp"
#include "runtime/relay/retry_after.hpp"
#include "runtime/relay/signature.hpp"
#include "runtime/relay/talk.hpp"
#include "runtime/relay/url.hpp"

#include <boost/asio/ip/address.hpp>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::parts_suite {

using namespace troupe::relay;
using namespace std::literals;

namespace {

std::string network_of(const char* text) {
  auto address = boost::asio::ip::make_address(text);
  if (address.is_v4()) {
    auto bytes = address.to_v4().to_bytes();
    return std::string{special_network(bytes)};
  }
  auto bytes = address.to_v6().to_bytes();
  return std::string{special_network(bytes)};
}

url parsed(const char* text) {
  auto result = parse_url(text);
  REQUIRE(std::holds_alternative<url>(result));
  return std::get<url>(result);
}

bool malformed(const char* text) {
  return std::holds_alternative<std::string>(parse_url(text));
}

} // namespace

SCENARIO("addresses of the public Internet may be connected to") {
  for (auto* text : {"1.1.1.1",         "9.255.255.255",   "11.0.0.0",
                     "100.63.255.255",  "100.128.0.0",     "126.255.255.255",
                     "128.0.0.0",       "149.154.167.220", "168.63.129.15",
                     "169.253.255.255", "169.255.0.0",     "172.15.255.255",
                     "172.32.0.0",      "192.0.1.0",       "192.167.255.255",
                     "192.169.0.0",     "198.17.255.255",  "198.20.0.0",
                     "223.255.255.255", "2001:200::1",     "2001:67c:4e8:f004::9",
                     "2003::1",         "2606:4700::1111", "::ffff:8.8.8.8",
                     "64:ff9b::808:808"})
    CHECK_EQ(network_of(text), "");
}

SCENARIO("addresses of special networks may not") {
  for (auto [text, name] : {std::pair{"0.0.0.0", "this network"},
                            {"0.255.255.255", "this network"},
                            {"10.0.0.0", "private"},
                            {"10.255.255.255", "private"},
                            {"100.64.0.0", "shared address space"},
                            {"100.100.100.200", "shared address space"},
                            {"100.127.255.255", "shared address space"},
                            {"127.0.0.1", "loopback"},
                            {"127.255.255.255", "loopback"},
                            {"168.63.129.16", "metadata"},
                            {"169.254.169.254", "link-local"},
                            {"172.16.0.0", "private"},
                            {"172.31.255.255", "private"},
                            {"192.0.0.192", "protocol assignments"},
                            {"192.0.2.1", "documentation"},
                            {"192.88.99.1", "6to4 relays"},
                            {"192.168.0.1", "private"},
                            {"198.18.0.0", "benchmarking"},
                            {"198.19.255.255", "benchmarking"},
                            {"198.51.100.7", "documentation"},
                            {"203.0.113.9", "documentation"},
                            {"224.0.0.1", "multicast"},
                            {"239.255.255.255", "multicast"},
                            {"240.0.0.1", "reserved"},
                            {"255.255.255.255", "broadcast"},
                            {"::", "unspecified"},
                            {"::1", "loopback"},
                            {"::ffff:127.0.0.1", "loopback"},
                            {"::ffff:10.1.2.3", "private"},
                            {"::127.0.0.1", "reserved"},
                            {"64:ff9b::7f00:1", "loopback"},
                            {"64:ff9b::a9fe:a9fe", "link-local"},
                            {"64:ff9b:1::1", "reserved"},
                            {"100::1", "reserved"},
                            {"2001::1", "protocol assignments"},
                            {"2001:1ff:ffff::", "protocol assignments"},
                            {"2001:db8::1", "documentation"},
                            {"2002:7f00:1::", "6to4"},
                            {"2620:4f:8000::1", "AS112"},
                            {"3fff::1", "documentation"},
                            {"5f00::1", "reserved"},
                            {"fc00::1", "unique local"},
                            {"fd00:ec2::254", "unique local"},
                            {"fe80::1", "link-local"},
                            {"febf::1", "link-local"},
                            {"fec0::1", "site-local"},
                            {"ff02::1", "multicast"},
                            {"4000::1", "reserved"}})
    CHECK_EQ(std::string{text} + " " + network_of(text), std::string{text} + " " + name);
  CHECK_EQ(special_network({}), "no address");
}

SCENARIO("a tenant's URL is taken apart") {
  auto x = parsed("https://Bots.Example.org:8443/hook/a?key=1#part");
  CHECK_EQ(x.where.host, "bots.example.org");
  CHECK_EQ(x.where.port, "8443");
  CHECK_EQ(x.path, "/hook/a?key=1");
  CHECK_EQ(x.shown(), "https://bots.example.org:8443");
  CHECK_EQ(parsed("https://example.org").path, "/");
  CHECK_EQ(parsed("https://example.org?x=/y@z").path, "/?x=/y@z");
  CHECK_EQ(parsed("http://127.0.0.1:8090").where.tls, false);
  CHECK_EQ(parsed("https://[2001:db8::1]:444/x").where.host, "2001:db8::1");
}

SCENARIO("what is no URL is refused without being repeated") {
  for (auto* text :
       {"", "example.org", "ftp://example.org", "https://", "https:///path", "https://exa mple.org",
        "https://example.org/a b", "https://example.org:0/", "https://example.org:65536/",
        "https://user:%zz@example.org/", "https://a%3Ab:c@example.org/",
        "https://me:secret@example.org/", "https://example.org\r\nX: y/"})
    CHECK(malformed(text));
  auto wrong = std::get<std::string>(parse_url("https://me:secret@exa_!mple.org/"));
  CHECK(wrong.find("secret") == std::string::npos);
}

SCENARIO("Retry-After is read as seconds and as a date") {
  constexpr std::int64_t now = 784111777; // Sun, 06 Nov 1994 08:49:37 GMT
  CHECK_EQ(read_retry_after("120", now).value(), 120s);
  CHECK_EQ(read_retry_after(" 0 ", now).value(), 0s);
  CHECK_EQ(read_retry_after("Sun, 06 Nov 1994 08:51:37 GMT", now).value(), 120s);
  CHECK_EQ(read_retry_after("Sunday, 06-Nov-94 08:50:37 GMT", now).value(), 60s);
  CHECK_EQ(read_retry_after("Sun Nov  6 08:49:47 1994", now).value(), 10s);
  CHECK_EQ(read_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now).value(), 0s);
  for (auto* text : {"", "-1", "soon", "12x", "1.5", "Sun, 06 Nov 1994 08:51:37 CET"})
    CHECK(!read_retry_after(text, now));
}

SCENARIO("the signature is what the documentation says") {
  // printf '1700000000.{"update_id":1}' | openssl dgst -sha256 -hmac key
  CHECK_EQ(signature("key", 1700000000, R"({"update_id":1})"),
           "t=1700000000,v1="
           "84c143bd1eb5bfdf9c7a78f97eea8afe4d9dc4fb262cd56fc5abe06a2d0f723d");
  std::array<std::uint8_t, 32> bytes{};
  crypto::secret_key key{bytes};
  CHECK_EQ(signing_key(key, 7).size(), 43u);
  CHECK(signing_key(key, 7) != signing_key(key, 8));
}

SCENARIO("the head names what a receiver can check, and nothing can add a line to it") {
  post what;
  what.to = parsed("https://example.org/hook?x=1");
  what.bot = 42;
  what.attempt = 3;
  what.secret_token = "s3cret";
  what.signing_key = "key";
  what.body = shared_text{"{}"};
  auto head = head_of(what, 5);
  CHECK(head.starts_with("POST /hook?x=1 HTTP/1.1\r\nHost: example.org\r\n"));
  CHECK(head.ends_with("\r\n\r\n"));
  for (auto* line : {"Content-Type: application/json", "Content-Length: 2",
                     "X-Telegram-Bot-Api-Secret-Token: s3cret", "X-Troupe-Attempt: 3",
                     "X-Troupe-Bot: 42", "X-Troupe-Signature: t=5,v1=", "User-Agent: Troupe/"})
    CHECK(head.find("\r\n" + std::string{line}) != std::string::npos);
  what.secret_token = "a\r\nX-Evil: 1";
  CHECK(head_of(what, 5).find("Evil") == std::string::npos);
}

} // namespace troupe::parts_suite
