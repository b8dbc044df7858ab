#define CAF_SUITE etcd_faults
#include "tests/etcd/fixture.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <caf/test/bdd_dsl.hpp>

#include <set>

namespace troupe::faults_suite {

using namespace troupe::etcd;
using namespace troupe::etcd::test;

namespace {

using kind = watch_news::kind;

struct fixture : client_fixture {
  fixture() : cluster(shared_cluster()) { connect(); }

  ~fixture() {
    for (auto i : broken) {
      cluster.resume(i);
      cluster.kill(i);
      cluster.start(i);
    }
  }

  /// All members, this one first, which answers: one that began anew a moment ago may not yet, and
  /// another would be asked from then on.
  void connect_first(std::size_t first) {
    connect({.endpoints = {cluster.url(first)}});
    auto end = std::chrono::steady_clock::now() + 20s;
    while (done(range{"ready"}).what != status::done)
      REQUIRE(std::chrono::steady_clock::now() < end);
    auto urls = cluster.urls();
    std::rotate(urls.begin(), urls.begin() + static_cast<std::ptrdiff_t>(first), urls.end());
    connect({.endpoints = urls, .silence = 500ms});
    REQUIRE(done(range{"ready"}).what == status::done);
  }

  void kill(std::size_t i) {
    broken.insert(i);
    cluster.kill(i);
  }

  std::size_t leader() {
    auto found = cluster.size();
    REQUIRE(until([&] { return (found = cluster.leader()) < cluster.size(); }, 20s));
    return found;
  }

  /// Puts until it is known to be done.
  void put_surely(const std::string& key, const std::string& value) {
    auto end = std::chrono::steady_clock::now() + 20s;
    while (write(key, value).what != status::done)
      REQUIRE(std::chrono::steady_clock::now() < end);
  }

  /// A watch sees each of these once and in order, whatever happens to members meanwhile.
  template <class F>
  void follows_through(F fault) {
    done(erase{"follow/", prefix_end("follow/")});
    watch_all("follow/");
    REQUIRE(until([&] { return told(kind::started) == 1; }));
    for (int i = 0; i < 30; ++i) {
      if (i == 10)
        fault();
      put_surely("follow/" + std::to_string(i), "x");
    }
    std::vector<std::string> seen;
    CHECK(until(
      [&] {
        seen = changes(); // One that was put twice, as it was not known, is told twice.
        seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
        return seen.size() == 30;
      },
      20s));
    REQUIRE_EQ(seen.size(), 30u);
    for (int i = 0; i < 30; ++i)
      CHECK_EQ(seen[static_cast<std::size_t>(i)], "follow/" + std::to_string(i) + "=x");
    std::set<revision> revisions;
    std::size_t all = 0;
    for (auto& one : news)
      for (auto& change : one.changes) {
        revisions.insert(change.now.modified);
        ++all;
      }
    CHECK_EQ(revisions.size(), all);
  }

  etcd_cluster& cluster;
  std::set<std::size_t> broken; ///< To be mended.
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("when the member that serves us is killed, requests and watches go on elsewhere") {
  auto other = (leader() + 1) % cluster.size();
  connect_first(other);
  follows_through([&] { kill(other); });
  CHECK(told(kind::interrupted) >= 1);
}

SCENARIO("when the leader is killed, requests and watches go on after the election") {
  auto leads = leader();
  connect_first(leads);
  follows_through([&] { kill(leads); });
  CHECK(told(kind::interrupted) >= 1);
}

SCENARIO("when the leader is killed, a watch on another member goes on") {
  auto leads = leader();
  connect_first((leads + 1) % cluster.size());
  follows_through([&] { kill(leads); });
}

SCENARIO("a member that hangs costs a read its part of the time, and a write its certainty") {
  auto hangs = (leader() + 1) % cluster.size();
  connect_first(hangs);
  REQUIRE(write("hang", "before").what == status::done);
  watch_all("hang");
  REQUIRE(until([&] { return told(kind::started) == 1; }));
  broken.insert(hangs);
  cluster.pause(hangs);
  auto begin = std::chrono::steady_clock::now();
  auto read = done(range{"hang"}, 3s);
  auto took = std::chrono::steady_clock::now() - begin;
  CHECK(read.what == status::done);
  CHECK(took >= 900ms);
  CHECK(took < 3s);
  CHECK(read.sent - begin >= 900ms); // The request that was answered, not the one that hung.
  CHECK(until([&] { return told(kind::started) == 2; }));
  write("hang", "after");
  CHECK(until([&] { return changes() == std::vector<std::string>{"hang=after"}; }));
  connect({.endpoints = {cluster.url(hangs), cluster.url((hangs + 1) % cluster.size())}});
  auto lost = done(put{"hang", "doubtful", 0}, 1s);
  CHECK(lost.what == status::unknown);
  CHECK_EQ(lost.reason, cluster.url(hangs) + ": no answer in time");
  CHECK(write("hang", "sure").what == status::done);
}

SCENARIO("a client may go while a watch asks its silent member whether it is still there") {
  auto hangs = leader();
  connect_first(hangs);
  watch_all("gone");
  REQUIRE(until([&] { return told(kind::started) == 1; }));
  broken.insert(hangs);
  cluster.pause(hangs);
  auto asks = std::chrono::steady_clock::now() + 700ms; // After the silence, before its end.
  CHECK(until([&] { return std::chrono::steady_clock::now() > asks; }));
  std::weak_ptr<port> last = client;
  client->close();
  client.reset();
  CHECK(until([&] { return last.expired(); }));
  CHECK_EQ(told(kind::interrupted), 0u);
}

SCENARIO("without a majority nothing is done and nothing hangs; with it, all is as before") {
  auto left = leader();
  connect_first(left);
  REQUIRE(write("majority", "1").what == status::done);
  kill((left + 1) % cluster.size());
  kill((left + 2) % cluster.size());
  auto begin = std::chrono::steady_clock::now();
  auto written = done(put{"majority", "2", 0}, 1s);
  CHECK(written.what == status::unknown); // Proposed to a leader that lost its followers.
  CHECK(until(
    [&] { return done(range{"majority"}, 500ms).reason.find("no leader") != std::string::npos; }));
  auto refused = done(put{"majority", "3", 0}, 500ms);
  CHECK(refused.what == status::unavailable);
  CHECK(!refused.reason.empty());
  CHECK(std::chrono::steady_clock::now() - begin < 15s);
  for (auto i : broken)
    cluster.start(i);
  CHECK(until([&] { return done(range{"majority"}, 500ms).what == status::done; }, 30s));
  auto value = all("majority")["majority"];
  CHECK(value == "1" || value == "2");
}

SCENARIO("a lease that is kept alive through the loss of the leader does not expire") {
  auto leads = leader();
  connect_first((leads + 1) % cluster.size());
  auto lease = done(lease_grant{2s}).value.lease;
  REQUIRE(write("survives", "x", lease).what == status::done);
  kill(leads);
  bool sound = true;
  auto end = std::chrono::steady_clock::now() + 5s;
  while (std::chrono::steady_clock::now() < end) {
    auto kept = done(lease_keep_alive{lease}, 1s);
    sound = sound && (kept.what != status::done || kept.value.ttl == 2s);
  }
  CHECK(sound);
  CHECK_EQ(all("survives").size(), 1u);
  done(lease_revoke{lease});
}

SCENARIO("where nobody listens, the reason names the endpoint") {
  boost::asio::ip::tcp::acceptor held{io, {boost::asio::ip::address_v4::loopback(), 0}};
  auto port = std::to_string(held.local_endpoint().port());
  held.close();
  connect({.endpoints = {"http://127.0.0.1:" + port}});
  watch_all("nobody");
  auto got = done(put{"nobody", "x", 0}, 200ms);
  CHECK(got.what == status::unavailable);
  CHECK_EQ(got.reason, "http://127.0.0.1:" + port + ": Connection refused");
  CHECK(until([&] { return told(kind::interrupted) >= 2; }));
  CHECK_EQ(news.back().reason, got.reason);
}

SCENARIO("an endpoint that is no member of etcd is named as such") {
  auto peer = cluster.peer_url(0); // HTTP, but not for clients.
  connect({.endpoints = {peer}});
  watch_all("peer");
  auto got = done(range{"peer"}, 300ms);
  CHECK(got.what == status::unavailable);
  CHECK_EQ(got.reason, peer + ": an answer that is not etcd's (HTTP 404)");
  CHECK(until([&] { return told(kind::refused) == 1; }));
}

END_FIXTURE_SCOPE()

SCENARIO("settings that cannot work are refused with a sentence") {
  boost::asio::io_context io{1};
  auto refusal = [&](client_options options) -> std::string {
    try {
      (void)make_client(io.get_executor(), std::make_shared<net::dns_cache>(), std::move(options));
      return {};
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
  };
  CHECK_EQ(refusal({}), "etcd needs an endpoint");
  CHECK(refusal({.endpoints = {"etcd-1:2379"}}).starts_with("an endpoint of etcd: "));
  CHECK(refusal({.endpoints = {"https://e"}, .ca_file = "/nowhere"})
          .starts_with("certificates or key cannot be used: "));
  CHECK_EQ(refusal({.endpoints = {"https://e"}, .certificate_file = "/x"}),
           "a client certificate needs its key, and a key its certificate");
  CHECK_EQ(refusal({.endpoints = {"http://127.0.0.1:1"}}), "");
}

} // namespace troupe::faults_suite
