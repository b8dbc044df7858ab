#pragma once
#include "runtime/etcd/client.hpp"
#include "tests/etcd/etcd_server.hpp"

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <caf/test/bdd_dsl.hpp>

#include <map>
#include <memory>
#include <optional>

namespace troupe::etcd::test {

using namespace std::literals;

/// Three members that scenarios share; whoever breaks one mends it.
inline etcd_cluster& shared_cluster() {
  static etcd_cluster cluster{3};
  return cluster;
}

/// A client, driven by hand.
struct client_fixture {
  ~client_fixture() {
    client.reset();
    io.stop();
  }

  void connect(client_options options) {
    client = make_client(io.get_executor(), std::make_shared<net::dns_cache>(), std::move(options));
  }

  /// To the shared cluster, once it serves.
  void connect() {
    connect({.endpoints = shared_cluster().urls(), .silence = 500ms});
    REQUIRE(done(range{"ready"}, 20s).what == status::done);
  }

  void begin(request what, std::chrono::milliseconds limit, result& into, bool& ended) {
    client->perform(std::move(what), limit, [&into, &ended](result x) {
      into = std::move(x);
      ended = true;
    });
  }

  result done(request what, std::chrono::milliseconds limit = 5s) {
    result out;
    bool ended = false;
    begin(std::move(what), limit, out, ended);
    REQUIRE(until([&] { return ended; }, limit + 10s));
    return out;
  }

  result write(const std::string& key, const std::string& value, lease_id lease = 0) {
    return done(put{key, value, lease});
  }

  /// What the keys with this prefix hold.
  std::map<std::string, std::string> all(const std::string& prefix) {
    std::map<std::string, std::string> out;
    for (auto& one : done(range{prefix, prefix_end(prefix)}).value.entries)
      out[one.key] = one.value;
    return out;
  }

  std::uint64_t watch(watch_spec what) {
    return client->watch(std::move(what), [this](watch_news x) { news.push_back(std::move(x)); });
  }
  std::uint64_t watch_all(const std::string& prefix, revision from = 0) {
    return watch({prefix, prefix_end(prefix), from});
  }

  std::size_t told(watch_news::kind what) const {
    return static_cast<std::size_t>(
      std::count_if(news.begin(), news.end(), [what](auto& x) { return x.what == what; }));
  }

  /// All that was told to have changed, as "key=value" or "-key".
  std::vector<std::string> changes() const {
    std::vector<std::string> out;
    for (auto& one : news)
      for (auto& change : one.changes)
        out.push_back(change.deleted ? "-" + change.now.key
                                     : change.now.key + "=" + change.now.value);
    return out;
  }

  template <class Condition>
  bool until(Condition done, std::chrono::milliseconds limit = 10s) {
    for (auto end = std::chrono::steady_clock::now() + limit; !done();) {
      if (std::chrono::steady_clock::now() > end)
        return false;
      io.restart();
      io.run_one_for(10ms);
    }
    return true;
  }

  boost::asio::io_context io{1};
  std::shared_ptr<port> client;
  std::vector<watch_news> news;
};

} // namespace troupe::etcd::test
