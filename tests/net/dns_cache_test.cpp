#define CAF_SUITE net_dns_cache

#include "runtime/net/blocking_lookups.hpp"
#include "tests/net/upstream_fixture.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <atomic>
#include <future>

namespace troupe::dns_cache_suite {

using namespace troupe::net;
using namespace troupe::net::test;
using namespace std::literals;

namespace {

const auto one = asio::ip::make_address("192.0.2.1");
const auto two = asio::ip::make_address("192.0.2.2");

struct fixture : loop {
  struct lookup {
    dns_cache::addresses found;
    error_code ec;
    bool done = false;
  };

  std::shared_ptr<lookup> begin(std::string host, asio::io_context& lane,
                                std::chrono::milliseconds patience = 5s) {
    auto result = std::make_shared<lookup>();
    asio::co_spawn(
      lane.get_executor(),
      cache.resolve(std::move(host), lane.get_executor(), steady::now() + patience, result->ec),
      [result](const std::exception_ptr&, dns_cache::addresses found) {
        result->found = std::move(found);
        result->done = true;
      });
    return result;
  }

  lookup get(const std::string& host) {
    auto result = begin(host, io);
    if (!until([&] { return result->done; }))
      CAF_FAIL("no answer");
    return *result;
  }

  // Answers all open questions.
  void answer(error_code ec, const dns_cache::address_list& list) {
    for (auto& reply : std::exchange(open, {}))
      reply(ec, list);
  }

  // Answers the next questions at once.
  void always(error_code ec, dns_cache::address_list list) {
    at_once = [this, ec, list](const dns_cache::answer& reply) { reply(ec, list); };
  }

  std::vector<dns_cache::answer> open;
  std::vector<std::string> asked;
  std::function<void(const dns_cache::answer&)> at_once;
  steady::time_point now = steady::now();
  dns_cache cache{{},
                  [this](const std::string& host, io_executor, dns_cache::answer reply) {
                    asked.push_back(host);
                    if (at_once)
                      at_once(reply);
                    else
                      open.push_back(std::move(reply));
                  },
                  [this] { return now; }};
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("numeric addresses are not looked up") {
  for (auto host : {"127.0.0.1", "::1"}) {
    auto got = get(host);
    CHECK(!got.ec);
    REQUIRE(got.found != nullptr);
    CHECK_EQ(got.found->front().to_string(), host);
  }
  CHECK(asked.empty());
  CHECK_EQ(cache.misses(), 0u);
}

SCENARIO("an answer is used for its time to live") {
  always({}, {one, two});
  auto got = get("api.test");
  REQUIRE(got.found != nullptr);
  CHECK_EQ(got.found->size(), 2u);
  now += 299s;
  CHECK_EQ(get("api.test").found->front(), one);
  CHECK_EQ(asked.size(), 1u);
  CHECK_EQ(cache.hits(), 1u);
  now += 1s;
  always({}, {two});
  CHECK_EQ(get("api.test").found->front(), two);
  CHECK_EQ(asked.size(), 2u);
  CHECK_EQ(cache.misses(), 2u);
}

SCENARIO("concurrent lookups of one name from several lanes are one question") {
  asio::io_context other{1};
  auto a = begin("api.test", io);
  auto b = begin("api.test", other);
  auto c = begin("api.test", io);
  auto d = begin("other.test", io);
  CHECK(until([&] {
    other.restart();
    other.poll();
    return asked.size() == 2 && cache.hits() == 2;
  }));
  CHECK_EQ(asked, (std::vector<std::string>{"api.test", "other.test"}));
  answer({}, {one});
  CHECK(until([&] {
    other.restart();
    other.poll();
    return a->done && b->done && c->done && d->done;
  }));
  for (auto& x : {a, b, c, d}) {
    REQUIRE(x->found != nullptr);
    CHECK_EQ(x->found->front(), one);
  }
}

SCENARIO("a failure is remembered for a short time") {
  always(asio::error::host_not_found, {});
  CHECK_EQ(get("api.test").ec, asio::error::host_not_found);
  CHECK_EQ(get("api.test").ec, asio::error::host_not_found);
  CHECK_EQ(get("api.test").found, nullptr);
  CHECK_EQ(asked.size(), 1u);
  now += 5s;
  always({}, {one});
  auto got = get("api.test");
  CHECK(!got.ec);
  REQUIRE(got.found != nullptr);
  CHECK_EQ(asked.size(), 2u);
}

SCENARIO("an empty answer is a failure") {
  always({}, {});
  CHECK_EQ(get("api.test").ec, asio::error::host_not_found);
}

SCENARIO("an old answer is better than none") {
  always({}, {one});
  get("api.test");
  now += 24h;
  always(asio::error::host_not_found_try_again, {});
  auto got = get("api.test");
  CHECK(!got.ec);
  REQUIRE(got.found != nullptr);
  CHECK_EQ(got.found->front(), one);
  CHECK_EQ(asked.size(), 2u);
  get("api.test");
  CHECK_EQ(asked.size(), 2u);
  now += 5s;
  get("api.test");
  CHECK_EQ(asked.size(), 3u);
}

SCENARIO("a resolver that hangs costs no more than the deadline, and its answer still helps") {
  auto slow = begin("api.test", io, 20ms);
  CHECK(until([&] { return slow->done; }));
  CHECK_EQ(slow->ec, asio::error::timed_out);
  CHECK_EQ(slow->found, nullptr);
  answer({}, {one});
  CHECK_EQ(get("api.test").found->front(), one);
  CHECK_EQ(asked.size(), 1u);
}

SCENARIO("a resolver that hangs does not gather those who gave up") {
  std::vector<std::shared_ptr<lookup>> all;
  for (int i = 0; i < 200; ++i)
    all.push_back(begin("api.test", io, 1ms));
  CHECK(until([&] {
    return std::all_of(all.begin(), all.end(), [](const auto& x) { return x->done; });
  }));
  CHECK_EQ(cache.waiting(), 0u);
  answer({}, {one});
  CHECK_EQ(get("api.test").found->front(), one);
}

SCENARIO("an old answer is better than waiting long for a newer one") {
  always({}, {one});
  get("api.test");
  now += 300s;
  at_once = nullptr; // From now on it hangs.
  auto began = steady::now();
  for (int i = 0; i < 3; ++i) {
    auto got = get("api.test");
    CHECK(!got.ec);
    REQUIRE(got.found != nullptr);
    CHECK_EQ(got.found->front(), one);
  }
  CHECK(steady::now() - began < 2s); // Waited for once, not by each.
  CHECK_EQ(asked.size(), 2u);
  answer({}, {two});
  CHECK_EQ(get("api.test").found->front(), two);
}

SCENARIO("names whose servers are silent hold up no others") {
  auto silence = std::make_shared<std::promise<void>>();
  auto ended = std::make_shared<std::atomic<int>>(0);
  auto look = [over = silence->get_future().share(), ended](const std::string& host, error_code&) {
    if (host.starts_with("silent"))
      over.wait();
    ++*ended;
    return dns_cache::address_list{one};
  };
  dns_cache slow{{}, resolve_on_threads(look, 4)};
  std::vector<std::string> told;
  auto ask = [&](const std::string& host) {
    static error_code ignored;
    asio::co_spawn(io.get_executor(),
                   slow.resolve(host, io.get_executor(), steady::now() + 5s, ignored),
                   [&told, host](const std::exception_ptr&, const dns_cache::addresses& found) {
                     told.push_back(found ? host : "nothing for " + host);
                   });
  };
  using names = std::vector<std::string>;
  for (auto host : {"silent1.test", "silent2.test", "silent3.test", "good.test"})
    ask(host);
  CHECK(until([&] { return !told.empty(); }));
  CHECK_EQ(told, names{"good.test"});
  // With as many of them as there are threads it takes until one ends.
  ask("silent4.test");
  ask("late.test");
  silence->set_value();
  CHECK(until([&] { return told.size() == 6; }));
  CHECK_EQ(std::count(told.begin(), told.end(), "late.test"), 1);
  CHECK(until([&] { return *ended == 6; }));
}

SCENARIO("names in memory are bounded") {
  always({}, {one});
  for (int i = 0; i < 1100; ++i) {
    now += 1ms;
    get("host" + std::to_string(i) + ".test");
  }
  CHECK_EQ(cache.misses(), 1100u);
  get("host1099.test");
  CHECK_EQ(cache.misses(), 1100u);
  get("host0.test");
  CHECK_EQ(cache.misses(), 1101u);
}

SCENARIO("the system's resolver finds localhost") {
  dns_cache real;
  error_code ec;
  bool done = false;
  dns_cache::addresses found;
  asio::co_spawn(io.get_executor(),
                 real.resolve("localhost", io.get_executor(), steady::now() + 5s, ec),
                 [&](const std::exception_ptr&, dns_cache::addresses x) {
                   found = std::move(x);
                   done = true;
                 });
  CHECK(until([&] { return done; }));
  CHECK(!ec);
  REQUIRE(found != nullptr);
  CHECK(found->front().is_loopback());
}

END_FIXTURE_SCOPE()

} // namespace troupe::dns_cache_suite
