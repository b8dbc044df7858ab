#define CAF_SUITE sandbox_limits
#include "tests/sandbox/limits.hpp"

#include "tests/sandbox/client.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <boost/json/parse.hpp>

#include <deque>
#include <random>

namespace troupe::limits_suite {

using namespace troupe::sandbox;
using namespace troupe::sandbox::testing;
using namespace std::literals;
using sandbox_clock = troupe::sandbox::clock;

namespace {

struct fixture : scene {
  fixture() : scene(quick(true)) {}

  reply send(std::int64_t chat, std::string_view more = {}) {
    return call("sendMessage", R"({"chat_id":)" + std::to_string(chat) + R"(,"text":"x")"
                                 + std::string{more} + "}");
  }
  auto violations(std::string_view name) {
    return control("GET", "violations").at("limits").at(name);
  }
};

int count(const boost::json::value& x, std::string_view name) {
  return x.at(name).to_number<int>();
}

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a private chat takes three messages in a second and twenty in twenty seconds") {
  for (int i = 0; i < 3; ++i)
    CHECK_EQ(send(user).status, 200);
  auto refused = send(user);
  CHECK_EQ(refused.status, 429);
  CHECK_EQ(refused.description(), "Too Many Requests: retry after 1");
  CHECK_EQ(refused.headers["retry-after"], "1");
  CHECK_EQ(count(violations("chat"), "violations"), 1);
  CHECK_EQ(count(violations("chat"), "largest"), 4);
  control("POST", "clock", R"({"advance":"1s"})");
  for (int i = 3; i < 20; ++i) {
    control("POST", "clock", R"({"advance":"500ms"})");
    CHECK_EQ(send(user).status, 200);
  }
  control("POST", "clock", R"({"advance":"1s"})");
  auto later = send(user);
  CHECK_EQ(later.status, 429);
  CHECK_GT(count(later.json().at("parameters"), "retry_after"), 5);
}

SCENARIO("a group takes twenty messages in a minute") {
  auto group = control("POST", "chats",
                       R"({"type":"group","bot":)" + std::to_string(bot) + R"(,"users":[)"
                         + std::to_string(user) + "]}")
                 .at("id")
                 .to_number<std::int64_t>();
  for (int i = 0; i < 20; ++i)
    CHECK_EQ(send(group).status, 200);
  CHECK_EQ(send(group).status, 429);
  control("POST", "clock", R"({"advance":"61s"})");
  CHECK_EQ(send(group).status, 200);
  CHECK_EQ(count(violations("group"), "violations_raw"), 1);
}

SCENARIO("a bot takes thirty requests in a second, a thousand when it pays") {
  for (int i = 0; i < 30; ++i)
    CHECK_EQ(call("getMe").status, 200);
  CHECK_EQ(call("getMe").status, 429);
  CHECK_EQ(call("getUpdates").status, 200);
  CHECK_EQ(send(user, R"(,"allow_paid_broadcast":true)").status, 200);
  CHECK_EQ(count(violations("bot"), "violations"), 1);
}

END_FIXTURE_SCOPE()

SCENARIO("the global rate is watched, never enforced, limits or not") {
  auto opts = quick(false);
  opts.global_rps = 10;
  scene s{opts};
  for (int i = 0; i < 15; ++i)
    CHECK_EQ(s.call("getMe").status, 200);
  auto global = s.control("GET", "violations").at("limits").at("global");
  CHECK_EQ(count(global, "limit"), 10);
  CHECK_EQ(count(global, "violations_raw"), 5);
  CHECK_EQ(count(global, "largest"), 15);
}

SCENARIO("windows count what a brute count of all sliding windows counts") {
  std::mt19937 random{7};
  for (int round = 0; round < 50; ++round) {
    window_rule rule{"x", 1 + static_cast<std::uint32_t>(random() % 20), 1s};
    arrival_window window;
    violation_totals totals;
    std::deque<sandbox_clock::time_point> all;
    std::uint64_t raw = 0;
    std::uint64_t tolerant = 0;
    std::uint64_t largest = 0;
    sandbox_clock::duration earliest{0};
    sandbox_clock::time_point now{};
    for (int i = 0; i < 500; ++i) {
      now += std::chrono::milliseconds{random() % (2000 / rule.limit)};
      all.push_back(now);
      window.arrived(rule, now, 30ms, totals);
      auto within = [&](sandbox_clock::duration length) {
        return static_cast<std::uint64_t>(
          std::count_if(all.begin(), all.end(), [&](auto x) { return now - x < length; }));
      };
      if (all.size() > rule.limit)
        earliest = std::max(earliest, 1s - (now - all[all.size() - 1 - rule.limit]));
      raw += within(1s) > rule.limit;
      tolerant += within(970ms) > rule.limit;
      largest = std::max(largest, within(1s));
    }
    CHECK_EQ(totals.violations_raw.load(), raw);
    CHECK_EQ(totals.violations.load(), tolerant);
    CHECK_EQ(totals.earliest_us.load() * 1us, earliest);
    CHECK_EQ(totals.largest.load(), std::min<std::uint64_t>(largest, 16u * rule.limit + 64));
  }
}

SCENARIO("what a window admits never breaks its rule, and it admits whatever does not") {
  std::mt19937 random{11};
  window_rule rule{"x", 5, 1s};
  arrival_window window;
  std::deque<sandbox_clock::time_point> admitted;
  sandbox_clock::time_point now{};
  for (int i = 0; i < 5000; ++i) {
    now += std::chrono::milliseconds{random() % 200};
    auto held =
      std::count_if(admitted.begin(), admitted.end(), [&](auto x) { return now - x < 1s; });
    auto wait = window.wait(rule, now, 0s);
    CHECK_EQ(wait == 0s, held < 5);
    if (wait > 0s)
      continue;
    window.admitted(rule, now);
    admitted.push_back(now);
  }
  CHECK_GT(admitted.size(), 1000u);
}

} // namespace troupe::limits_suite
