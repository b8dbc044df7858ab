#define CAF_SUITE api.limits
#include "runtime/api/client_address.hpp"
#include "runtime/api/limits.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <deque>
#include <random>

namespace troupe::limits_suite {

using namespace std::literals;

namespace {

const time_point start{1h};

std::string address(std::string_view peer, std::string_view forwarded, std::string_view trusted) {
  return api::client_address(peer, forwarded, *config::parse_networks(trusted));
}

} // namespace

SCENARIO("a quota allows so many in any minute, and says how long to wait") {
  api::quota five{5};
  for (int i = 0; i < 5; ++i)
    CHECK(!five.take("a", start + i * 1s));
  CHECK_EQ(*five.take("a", start + 10s), 50s);
  CHECK_EQ(*five.take("a", start + 59s), 1s);
  CHECK(!five.take("b", start + 10s));
  CHECK(!five.take("a", start + 60s));
  CHECK_EQ(*five.take("a", start + 60s), 1s);
  api::quota none{0};
  for (int i = 0; i < 1000; ++i)
    CHECK(!none.take("a", start));
  CHECK_EQ(none.names(), 0u);
}

SCENARIO("no window of a minute ever holds more, whatever the order of names and times") {
  std::mt19937 random{7};
  api::quota seven{7};
  std::array<std::deque<time_point>, 5> taken;
  auto now = start;
  std::size_t refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    now += std::chrono::milliseconds{random() % 3000};
    auto who = random() % taken.size();
    auto& own = taken[who];
    while (!own.empty() && now - own.front() >= 1min)
      own.pop_front();
    auto wait = seven.take(std::to_string(who), now);
    CHECK_EQ(wait.has_value(), own.size() >= 7);
    if (wait) {
      ++refused;
      CHECK_EQ(now + *wait, own.front() + 1min);
    } else {
      own.push_back(now);
    }
  }
  CHECK(refused > 1000);
}

SCENARIO("the memory of a quota is bounded, and nobody is forgotten too early for that") {
  api::quota one{1, 100};
  for (int i = 0; i < 100; ++i)
    CHECK(!one.take(std::to_string(i), start + i * 100ms));
  CHECK_EQ(*one.take("new", start + 10s), 50s);
  CHECK(one.take("0", start + 10s).has_value());
  CHECK_EQ(one.names(), 100u);
  CHECK(!one.take("new", start + 60s));
  CHECK_EQ(one.names(), 100u);
  CHECK(!one.take("newer", start + 1h));
  CHECK_EQ(one.names(), 1u);
}

SCENARIO("X-Forwarded-For counts only when a trusted proxy wrote it") {
  CHECK_EQ(address("192.0.2.1", "", ""), "192.0.2.1");
  CHECK_EQ(address("192.0.2.1", "198.51.100.7", ""), "192.0.2.1");
  CHECK_EQ(address("192.0.2.1", "198.51.100.7", "10.0.0.0/8"), "192.0.2.1");
  CHECK_EQ(address("10.1.2.3", "198.51.100.7", "10.0.0.0/8"), "198.51.100.7");
  // What the client itself wrote stands further left.
  CHECK_EQ(address("10.1.2.3", "1.1.1.1, 198.51.100.7", "10.0.0.0/8"), "198.51.100.7");
  CHECK_EQ(address("10.1.2.3", "1.1.1.1, 198.51.100.7 ,10.9.9.9", "10.0.0.0/8"), "198.51.100.7");
  CHECK_EQ(address("10.1.2.3", "10.4.4.4, 10.9.9.9", "10.0.0.0/8"), "10.4.4.4");
  CHECK_EQ(address("10.1.2.3", "198.51.100.7, rubbish", "10.0.0.0/8"), "10.1.2.3");
  CHECK_EQ(address("10.1.2.3", "198.51.100.7:4711", "10.0.0.0/8"), "198.51.100.7");
  CHECK_EQ(address("10.1.2.3", "[2001:db8::1]:80", "10.0.0.0/8"), "2001:db8::1");
  CHECK_EQ(address("10.1.2.3", "2001:DB8:0::1", "10.0.0.0/8"), "2001:db8::1");
  CHECK_EQ(address("::ffff:10.1.2.3", "198.51.100.7", "10.0.0.0/8"), "198.51.100.7");
  CHECK_EQ(address("::1", "198.51.100.7", "::1"), "198.51.100.7");
  CHECK_EQ(address("unknown", "198.51.100.7", "0.0.0.0/0"), "unknown");
}

SCENARIO("networks are addresses with a common beginning") {
  for (auto bad : {"x", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "::1/129", "1.2.3.4/-1", "/8", "1.2.3.4 5"})
    CHECK(!config::network::parse(bad));
  CHECK(!config::network::parse("1.2.3.4\0x"sv));
  auto holds = [](const char* net, const char* one) {
    return config::network::parse(net)->holds(*config::network::parse(one));
  };
  CHECK(holds("10.0.0.0/8", "10.255.0.1"));
  CHECK(!holds("10.0.0.0/8", "11.0.0.1"));
  CHECK(holds("192.0.2.128/25", "192.0.2.200"));
  CHECK(!holds("192.0.2.128/25", "192.0.2.100"));
  CHECK(holds("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK(!holds("2001:db8::/33", "2001:db8:8000::1"));
  CHECK(holds("0.0.0.0/0", "1.2.3.4"));
  CHECK(!holds("0.0.0.0/0", "2001:db8::1"));
  CHECK_EQ(config::parse_networks(" 10.0.0.0/8 , ::1,")->size(), 2u);
  CHECK(!config::parse_networks("10.0.0.0/8, x"));
}

SCENARIO("one customer of IPv6 is one client") {
  CHECK_EQ(api::client_group("192.0.2.1"), "192.0.2.1");
  CHECK_EQ(api::client_group("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  CHECK_EQ(api::client_group("unknown"), "unknown");
}

} // namespace troupe::limits_suite
