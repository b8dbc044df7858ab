#define CAF_SUITE etcd_requests
#include "tests/etcd/fixture.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::requests_suite {

using namespace troupe::etcd;
using namespace troupe::etcd::test;

namespace {

using kind = watch_news::kind;

struct fixture : client_fixture {
  fixture() { connect(); }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("what is put is read again, byte for byte, with its revisions") {
  std::string value{"\x00\xff\n\"'{}", 7};
  auto first = write("read/\x01\xfe", value);
  REQUIRE(first.what == status::done);
  auto second = write("read/\x01\xfe", value + "2");
  CHECK(second.value.at > first.value.at);
  auto got = done(range{"read/\x01\xfe"});
  REQUIRE(got.what == status::done);
  REQUIRE_EQ(got.value.entries.size(), 1u);
  entry expected{"read/\x01\xfe", value + "2", first.value.at, second.value.at, 2, 0};
  CHECK(got.value.entries[0] == expected);
  auto before = done(range{.key = "read/\x01\xfe", .at = first.value.at});
  REQUIRE_EQ(before.value.entries.size(), 1u);
  CHECK_EQ(before.value.entries[0].value, value);
  CHECK(done(range{"read/nothing"}).value.entries.empty());
  CHECK(got.sent.time_since_epoch().count() > 0);
}

SCENARIO("a range of keys is read in part, counted in whole, and deleted") {
  for (int i = 0; i < 5; ++i)
    write("many/" + std::to_string(i), "x");
  write("many0", "outside");
  auto some =
    done(range{.key = "many/", .range_end = prefix_end("many/"), .limit = 2, .keys_only = true});
  REQUIRE_EQ(some.value.entries.size(), 2u);
  CHECK_EQ(some.value.entries[1].key, "many/1");
  CHECK_EQ(some.value.entries[1].value, "");
  CHECK_EQ(some.value.count, 5);
  CHECK_EQ(done(erase{"many/", prefix_end("many/")}).value.count, 5);
  CHECK(all("many/").empty());
  CHECK_EQ(all("many").size(), 1u);
}

SCENARIO("of two transactions that create one key, one succeeds and the other sees it") {
  auto create = [](const std::string& value) {
    txn x;
    x.when.push_back({.key = "once"});
    x.then.push_back(put{"once", value, 0});
    x.otherwise.push_back(range{"once"});
    return x;
  };
  done(erase{"once", {}});
  auto first = done(create("a"));
  REQUIRE(first.what == status::done);
  CHECK(first.value.succeeded);
  REQUIRE_EQ(first.value.parts.size(), 1u);
  auto second = done(create("b"));
  REQUIRE(second.what == status::done);
  CHECK(!second.value.succeeded);
  REQUIRE_EQ(second.value.parts.size(), 1u);
  REQUIRE_EQ(second.value.parts[0].entries.size(), 1u);
  CHECK_EQ(second.value.parts[0].entries[0].value, "a");
  CHECK_EQ(second.value.parts[0].entries[0].created, first.value.at);
}

SCENARIO("every kind of condition holds or does not") {
  done(erase{"when", {}});
  auto made = write("when", "v");
  auto holds = [&](compare::part of, compare::relation is, std::int64_t number,
                   std::string value = {}) {
    txn x;
    x.when.push_back({"when", of, is, number, std::move(value)});
    auto got = done(std::move(x));
    REQUIRE(got.what == status::done);
    return got.value.succeeded;
  };
  using part = compare::part;
  using relation = compare::relation;
  for (auto of : {part::created, part::modified}) {
    CHECK(holds(of, relation::equal, made.value.at));
    CHECK(!holds(of, relation::greater, made.value.at));
    CHECK(holds(of, relation::less, made.value.at + 1));
    CHECK(!holds(of, relation::not_equal, made.value.at));
  }
  CHECK(holds(part::version, relation::equal, 1));
  CHECK(holds(part::lease, relation::equal, 0));
  CHECK(holds(part::value, relation::equal, 0, "v"));
  CHECK(!holds(part::value, relation::equal, 0, "w"));
}

SCENARIO("a lease that is kept alive keeps its keys, one that is revoked takes them along") {
  auto lease = done(lease_grant{5s});
  REQUIRE(lease.what == status::done);
  CHECK_EQ(lease.value.ttl, 5s);
  REQUIRE(write("leased", "x", lease.value.lease).what == status::done);
  CHECK_EQ(done(range{"leased"}).value.entries.at(0).lease, lease.value.lease);
  CHECK_EQ(done(lease_keep_alive{lease.value.lease}).value.ttl, 5s);
  CHECK(done(lease_revoke{lease.value.lease}).what == status::done);
  CHECK(done(range{"leased"}).value.entries.empty());
  auto again = done(lease_revoke{lease.value.lease});
  CHECK(again.what == status::refused);
  CHECK_EQ(again.code, code_not_found);
}

SCENARIO("a lease that nobody keeps alive expires, and whoever holds it is told") {
  auto lease = done(lease_grant{1s}).value;
  REQUIRE(write("expires", "secret value", lease.lease).what == status::done);
  watch({"expires", {}, 0});
  CHECK(until([&] { return changes() == std::vector<std::string>{"-expires"}; }, 30s));
  auto late = done(lease_keep_alive{lease.lease});
  CHECK(late.what == status::done);
  CHECK_EQ(late.value.ttl, 0s);
  auto refused = write("expires", "secret value", lease.lease);
  CHECK(refused.what == status::refused);
  CHECK_EQ(refused.code, code_not_found);
  CHECK(refused.reason.find("lease not found") != std::string::npos);
  CHECK(refused.reason.find("secret") == std::string::npos);
}

SCENARIO("a watch tells what changes from its revision on, in order, and nothing after its end") {
  done(erase{"watched/", prefix_end("watched/")});
  auto first = write("watched/a", "1");
  write("watched/b", "2");
  auto id = watch_all("watched/", first.value.at);
  REQUIRE(until([&] { return changes().size() == 2; }));
  done(erase{"watched/a", {}});
  write("other", "x");
  txn both;
  both.then = {put{"watched/c", "3", 0}, put{"watched/d", "4", 0}};
  auto last = done(both);
  REQUIRE(until([&] { return changes().size() >= 5; }));
  std::vector<std::string> expected{"watched/a=1", "watched/b=2", "-watched/a", "watched/c=3",
                                    "watched/d=4"};
  CHECK(changes() == expected);
  CHECK_EQ(told(kind::started), 1u);
  CHECK_EQ(news.back().at, last.value.at);
  client->unwatch(id);
  write("watched/e", "5");
  watch_all("watched/");
  REQUIRE(until([&] { return told(kind::started) == 2; }));
  write("watched/f", "6");
  REQUIRE(until([&] { return changes().size() > 5; }));
  CHECK_EQ(changes().back(), "watched/f=6");
  CHECK_EQ(changes().size(), 6u);
}

SCENARIO("a silent watch stays, and is told what comes later") {
  watch_all("silent/");
  REQUIRE(until([&] { return told(kind::started) == 1; }));
  auto end = std::chrono::steady_clock::now() + 1600ms; // Three times the silence.
  CHECK(until([&] { return std::chrono::steady_clock::now() > end; }));
  write("silent/a", "1");
  CHECK(until([&] { return changes().size() == 1; }));
  CHECK_EQ(told(kind::interrupted), 0u);
}

SCENARIO("a watch from a revision that is not kept any more ends, and says from where to go on") {
  auto first = write("compacted", "1");
  write("compacted", "2");
  auto last = write("compacted", "3");
  auto answer = shared_cluster().ask(0, "/v3/kv/compaction",
                                     R"({"physical":true,"revision":")"
                                       + std::to_string(last.value.at) + "\"}");
  REQUIRE(answer.find("200 OK") != std::string::npos);
  watch({"compacted", {}, first.value.at});
  REQUIRE(until([&] { return told(kind::compacted) == 1; }));
  CHECK_EQ(news.back().at, last.value.at);
  auto old = done(range{.key = "compacted", .at = first.value.at});
  CHECK(old.what == status::refused);
  CHECK_EQ(old.code, code_compacted);
  news.clear();
  watch({"compacted", {}, last.value.at});
  CHECK(until([&] { return changes() == std::vector<std::string>{"compacted=3"}; }));
}

SCENARIO("what is asked of a closed client ends at once") {
  watch_all("closed/");
  REQUIRE(until([&] { return told(kind::started) == 1; }));
  client->close();
  auto got = done(range{"closed"});
  CHECK(got.what == status::unavailable);
  CHECK_EQ(got.reason, "the client is closed");
  CHECK_EQ(news.size(), 1u);
}

END_FIXTURE_SCOPE()

} // namespace troupe::requests_suite
