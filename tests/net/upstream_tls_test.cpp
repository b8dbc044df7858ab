#define CAF_SUITE net_upstream_tls

#include "tests/net/upstream_fixture.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::upstream_tls_suite {

using namespace troupe::net;
using namespace troupe::net::test;
using namespace std::literals;

namespace {

struct tls_fixture : upstream_fixture {
  throwaway_ca ca;
};

} // namespace

BEGIN_FIXTURE_SCOPE(tls_fixture)

SCENARIO("a server with the right name and a trusted certificate is talked to") {
  server.use(ca.issue("DNS:api.test"));
  start(secure("api.test"), ca.path());
  auto got = get(1);
  REQUIRE(got.session != nullptr);
  CHECK(got.session->tls());
  CHECK(got.session->fresh);
  CHECK(ping(*got.session));
  auto* ssl = got.session->secure().native_handle();
  CHECK_EQ(SSL_version(ssl), TLS1_3_VERSION);
  CHECK_EQ(std::string{SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)}, "api.test");
  sessions->release(*got.session, true);
  auto* again = sessions->try_acquire(1);
  REQUIRE(again != nullptr);
  CHECK(ping(*again));
  CHECK_EQ(sessions->counters().handshakes, 1u);
  CHECK_EQ(sessions->counters().resumed, 0u);
}

SCENARIO("a numeric address is checked as such and sends no server name") {
  server.use(ca.issue("IP:127.0.0.1"));
  start(secure("127.0.0.1"), ca.path());
  auto got = get(1);
  REQUIRE(got.session != nullptr);
  CHECK(ping(*got.session));
  CHECK_EQ(SSL_get_servername(got.session->secure().native_handle(), TLSEXT_NAMETYPE_host_name),
           nullptr);
}

SCENARIO("a server that cannot prove its name is refused") {
  throwaway_ca stranger;
  struct impostor {
    const char* what;
    throwaway_ca::identity shown;
    const char* host;
    std::string trusted;
  };
  const std::array impostors{
    impostor{"another name", ca.issue("DNS:other.test"), "api.test", ca.path()},
    impostor{"another address", ca.issue("IP:127.0.0.9"), "127.0.0.1", ca.path()},
    impostor{"not trusted authority", stranger.issue("DNS:api.test"), "api.test", ca.path()},
    impostor{"not among the system's", ca.issue("DNS:api.test"), "api.test", {}}};
  for (const auto& x : impostors) {
    CAF_MESSAGE(x.what);
    server.use(x.shown);
    start(secure(x.host), x.trusted);
    auto got = get(1);
    CHECK_EQ(got.session, nullptr);
    CHECK_EQ(got.ec.category(), asio::error::get_ssl_category());
    CHECK_EQ(sessions->counters().handshakes, 0u);
    CHECK_EQ(sessions->counters().connect_errors, 1u);
    CHECK_EQ(sessions->count(), 0u);
  }
}

SCENARIO("a ca file that cannot be read is an error at once") {
  CHECK_THROWS_AS(start(secure("api.test"), "/nonexistent/ca.pem"), boost::system::system_error);
}

SCENARIO("a reconnect resumes the TLS session") {
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    server.use(ca.issue("DNS:api.test"), version);
    start(secure("api.test"), ca.path());
    auto first = get(1);
    REQUIRE(first.session != nullptr);
    CHECK_EQ(SSL_version(first.session->secure().native_handle()), version);
    CHECK(ping(*first.session));
    sessions->release(*first.session, false);
    auto second = get(2);
    REQUIRE(second.session != nullptr);
    CHECK(ping(*second.session));
    CHECK_EQ(sessions->counters().handshakes, 2u);
    CHECK_EQ(sessions->counters().resumed, 1u);
    sessions->release(*second.session, false);
    // Tickets are not used up: each connection brings new ones.
    for (std::uint64_t id = 3; id < 8; ++id) {
      auto next = get(id);
      REQUIRE(next.session != nullptr);
      CHECK(ping(*next.session));
      sessions->release(*next.session, false);
    }
    CHECK_EQ(sessions->counters().resumed, 6u);
  }
}

SCENARIO("several connections at once resume, each with a ticket of its own") {
  server.use(ca.issue("DNS:api.test"));
  start(secure("api.test"), ca.path());
  auto a = get(1);
  REQUIRE(a.session != nullptr);
  CHECK(ping(*a.session));
  auto b = get(2);
  auto c = get(3);
  REQUIRE(b.session != nullptr);
  REQUIRE(c.session != nullptr);
  CHECK_EQ(sessions->counters().resumed, 2u);
}

SCENARIO("a TLS connection that closed while it was idle is made anew without an error") {
  server.use(ca.issue("DNS:api.test"));
  using end = std::function<void(tiny_server::connection&)>;
  auto closed = [&](auto& peer) { server.close(peer); };
  auto goodbye = [](auto& peer) { peer.secure->async_shutdown([](error_code) {}); };
  auto unasked = [](auto& peer) {
    asio::async_write(*peer.secure, asio::buffer("HTTP/1.1 408", 12),
                      [](error_code, std::size_t) {});
  };
  for (const auto& happens : {end{closed}, end{goodbye}, end{unasked}}) {
    start(secure("api.test"), ca.path());
    auto got = get(1);
    REQUIRE(got.session != nullptr);
    CHECK(ping(*got.session));
    sessions->release(*got.session, true);
    happens(server.connections.back());
    CHECK(until([&] {
      if (auto* idle = sessions->try_acquire(1))
        sessions->release(*idle, true);
      return sessions->counters().stale == 1;
    }));
    auto next = get(1);
    REQUIRE(next.session != nullptr);
    CHECK(ping(*next.session));
    CHECK_EQ(sessions->counters().connects, 2u);
    CHECK_EQ(sessions->counters().resumed, 1u);
  }
}

SCENARIO("a server that never shakes hands costs the deadline and no more") {
  server.fall_silent();
  start(secure("api.test"), ca.path());
  auto begun = steady::now();
  auto got = get(1, 80ms);
  CHECK_EQ(got.session, nullptr);
  CHECK_EQ(got.ec, asio::error::timed_out);
  CHECK_GE(steady::now() - begun, 80ms);
  CHECK_LT(steady::now() - begun, 5s);
  CHECK_EQ(sessions->count(), 0u);
}

SCENARIO("the connect timeout holds even for a patient caller") {
  server.fall_silent();
  upstream_options options;
  options.where = secure("api.test");
  options.where.port = server.port();
  options.ca_file = ca.path();
  options.connect_timeout = 50ms;
  start(options);
  CHECK_EQ(get(1, 60s).ec, asio::error::timed_out);
}

SCENARIO("a session closed while it shakes hands fails as aborted") {
  server.fall_silent();
  start(secure("api.test"), ca.path());
  auto waiting = begin(1);
  CHECK(until([&] { return sessions->counters().connects == 1; }));
  CHECK(!waiting->done);
  sessions->close(1);
  CHECK(until([&] { return waiting->done; }));
  CHECK_EQ(waiting->ec, asio::error::operation_aborted);
  CHECK_EQ(sessions->count(), 0u);
}

SCENARIO("a server that speaks no TLS is an error, not a hang") {
  start(secure("api.test"), ca.path());
  auto waiting = begin(1);
  CHECK(until([&] { return server.connections.size() == 1; }));
  CHECK(until([&] { return waiting->done; }));
  CHECK_EQ(waiting->session, nullptr);
  CHECK(waiting->ec);
}

END_FIXTURE_SCOPE()

} // namespace troupe::upstream_tls_suite
