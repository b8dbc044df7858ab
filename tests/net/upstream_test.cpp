#define CAF_SUITE net_upstream

#include "tests/net/upstream_fixture.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::upstream_suite {

using namespace troupe::net;
using namespace troupe::net::test;
using namespace std::literals;

BEGIN_FIXTURE_SCOPE(upstream_fixture)

SCENARIO("a session's connection is made once and used again") {
  start(plain());
  CHECK_EQ(sessions->try_acquire(1), nullptr);
  auto got = get(1);
  REQUIRE(got.session != nullptr);
  CHECK(!got.ec);
  CHECK(got.session->fresh);
  CHECK(!got.session->tls());
  CHECK(ping(*got.session));
  sessions->release(*got.session, true);
  auto* again = sessions->try_acquire(1);
  REQUIRE(again == got.session);
  CHECK(!again->fresh);
  CHECK_EQ(again->exchanges, 1u);
  CHECK(ping(*again));
  sessions->release(*again, true);
  CHECK_EQ(get(1).session, again);
  CHECK_EQ(sessions->counters().connects, 1u);
  CHECK_EQ(sessions->counters().reused, 2u);
  CHECK_EQ(server.connections.size(), 1u);
}

SCENARIO("a session is used by one at a time, two sessions have two connections") {
  start(plain());
  auto a = get(1);
  REQUIRE(a.session != nullptr);
  CHECK_EQ(sessions->try_acquire(1), nullptr);
  CHECK_EQ(get(1).ec, asio::error::in_progress);
  auto b = get(2);
  REQUIRE(b.session != nullptr);
  CHECK_NE(a.session, b.session);
  CHECK_EQ(sessions->count(), 2u);
  CHECK_EQ(sessions->counters().open, 2u);
  CHECK(until([&] { return server.connections.size() == 2; }));
}

SCENARIO("a connection that closed while it was idle is made anew without an error") {
  using end = std::function<void(tiny_server::connection&)>;
  auto closed = [&](auto& peer) { server.close(peer); };
  auto reset = [&](auto& peer) {
    peer.socket().set_option(asio::socket_base::linger{true, 0});
    server.close(peer);
  };
  auto unasked = [](auto& peer) { asio::write(peer.socket(), asio::buffer("HTTP/1.1 408", 12)); };
  for (const auto& happens : {end{closed}, end{reset}, end{unasked}}) {
    start(plain());
    auto got = get(1);
    REQUIRE(got.session != nullptr);
    CHECK(ping(*got.session));
    auto port = got.session->socket().local_endpoint().port();
    sessions->release(*got.session, true);
    happens(server.connections.back());
    // Over loopback it is there at once, but that is the kernel's word, not ours.
    CHECK(until([&] {
      if (auto* idle = sessions->try_acquire(1))
        sessions->release(*idle, true);
      return sessions->counters().stale == 1;
    }));
    CHECK_EQ(sessions->count(), 0u);
    auto next = get(1);
    REQUIRE(next.session != nullptr);
    CHECK(next.session->fresh);
    CHECK_NE(next.session->socket().local_endpoint().port(), port);
    CHECK(ping(*next.session));
    CHECK_EQ(sessions->counters().connects, 2u);
  }
}

SCENARIO("a connection that is too old or idle for too long is made anew") {
  for (auto limit : {&upstream_options::max_age, &upstream_options::max_idle}) {
    upstream_options options;
    options.where = plain();
    options.where.port = server.port();
    options.*limit = 0ms;
    start(options);
    auto got = get(1);
    REQUIRE(got.session != nullptr);
    sessions->release(*got.session, true);
    CHECK_EQ(sessions->try_acquire(1), nullptr);
    CHECK_EQ(sessions->counters().expired, 1u);
    CHECK_EQ(sessions->counters().stale, 0u);
  }
}

SCENARIO("a connection that was not left in order is closed") {
  start(plain());
  auto got = get(1);
  REQUIRE(got.session != nullptr);
  sessions->release(*got.session, false);
  CHECK_EQ(sessions->count(), 0u);
  CHECK_EQ(sessions->counters().open, 0u);
}

SCENARIO("closing a session ends the exchange that runs on it, and the id is gone") {
  start(plain());
  auto got = get(1);
  REQUIRE(got.session != nullptr);
  std::optional<error_code> ended;
  std::string in(4, ' ');
  asio::async_read(got.session->plain(), asio::buffer(in),
                   [&](error_code ec, std::size_t) { ended = ec; });
  sessions->post_close(1);
  CHECK(until([&] { return ended.has_value(); }));
  CHECK_EQ(*ended, asio::error::operation_aborted);
  CHECK(got.session->aborted());
  sessions->release(*got.session, true);
  CHECK_EQ(sessions->count(), 0u);
  CHECK_EQ(get(1).ec, asio::error::operation_aborted);
  CHECK_EQ(get(1).session, nullptr);
}

SCENARIO("an id that is closed before its first use is refused") {
  start(plain());
  sessions->close(5);
  CHECK_EQ(get(5).ec, asio::error::operation_aborted);
  CHECK_EQ(sessions->counters().connects, 0u);
  CHECK_NE(get(6).session, nullptr);
}

SCENARIO("a new pool's start closes what belongs to earlier ones") {
  start(plain());
  auto old_idle = get(session_id(1, 1));
  REQUIRE(old_idle.session != nullptr);
  sessions->release(*old_idle.session, true);
  auto old_busy = get(session_id(1, 2));
  REQUIRE(old_busy.session != nullptr);
  auto current = get(session_id(2, 1));
  REQUIRE(current.session != nullptr);
  sessions->post_close_all(2);
  CHECK(until([&] { return sessions->count() == 2; }));
  CHECK(old_busy.session->aborted());
  CHECK(!current.session->aborted());
  sessions->release(*old_busy.session, true);
  sessions->release(*current.session, true);
  CHECK_EQ(sessions->count(), 1u);
  CHECK_EQ(get(session_id(1, 3)).ec, asio::error::operation_aborted);
  CHECK_NE(sessions->try_acquire(session_id(2, 1)), nullptr);
}

SCENARIO("the port closes sessions on their lanes") {
  start(plain());
  auto shared = std::shared_ptr<upstream_sessions>{sessions.get(), [](auto*) {}};
  auto port = make_session_port({shared});
  auto got = get(session_id(1, 1));
  REQUIRE(got.session != nullptr);
  sessions->release(*got.session, true);
  port->close(session_id(1, 1), 7); // No such lane.
  port->close(session_id(1, 1), 0);
  CHECK(until([&] { return sessions->count() == 0; }));
  auto other = get(session_id(1, 2));
  REQUIRE(other.session != nullptr);
  sessions->release(*other.session, true);
  port->close_all(2);
  CHECK(until([&] { return sessions->count() == 0; }));
}

SCENARIO("a session closed while it connects fails as aborted and leaves nothing") {
  start(plain("api.test"));
  auto waiting = begin(1);
  io.restart();
  io.poll_one();
  sessions->close(1);
  CHECK(until([&] { return waiting->done; }));
  CHECK_EQ(waiting->ec, asio::error::operation_aborted);
  CHECK_EQ(waiting->session, nullptr);
  CHECK_EQ(sessions->count(), 0u);
}

SCENARIO("all addresses of a name are tried, the one that worked first") {
  // Nobody listens on 127.0.0.2 at this port.
  addresses = {asio::ip::make_address("127.0.0.2"), asio::ip::make_address("127.0.0.1")};
  start(plain("api.test"));
  auto got = get(1);
  REQUIRE(got.session != nullptr);
  CHECK_EQ(got.session->socket().remote_endpoint().address().to_string(), "127.0.0.1");
  CHECK(ping(*got.session));
  CHECK_NE(get(2).session, nullptr);
  CHECK_EQ(dns->misses(), 1u);
  CHECK_EQ(dns->hits(), 1u);
}

SCENARIO("where nobody listens the connection is refused") {
  auto where = plain();
  {
    tcp_acceptor gone{io, {asio::ip::address_v4::loopback(), 0}};
    where.port = std::to_string(gone.local_endpoint().port());
  }
  start(where);
  auto got = get(1);
  CHECK_EQ(got.session, nullptr);
  CHECK_EQ(got.ec, asio::error::connection_refused);
  CHECK_EQ(sessions->counters().connect_errors, 1u);
  CHECK_EQ(sessions->count(), 0u);
}

SCENARIO("a host that does not answer costs the deadline and no more") {
  // A full backlog drops what comes, like a host behind a silent firewall.
  tcp_acceptor deaf{io};
  deaf.open(asio::ip::tcp::v4());
  deaf.bind({asio::ip::address_v4::loopback(), 0});
  deaf.listen(0);
  std::list<tcp_socket> callers;
  for (int i = 0; i < 8; ++i)
    callers.emplace_back(io).async_connect(deaf.local_endpoint(), [](error_code) {});
  (void)until([] { return false; }, 50ms);
  auto where = plain();
  where.port = std::to_string(deaf.local_endpoint().port());
  start(where);
  auto begun = steady::now();
  auto got = get(1, 100ms);
  CHECK_EQ(got.session, nullptr);
  CHECK_EQ(got.ec, asio::error::timed_out);
  CHECK_GE(steady::now() - begun, 100ms);
  CHECK_LT(steady::now() - begun, 5s);
  CHECK_EQ(sessions->count(), 0u);
}

SCENARIO("sessions may go while a coroutine still connects") {
  start(plain("api.test"));
  server.fall_silent();
  auto waiting = begin(1);
  io.restart();
  io.poll_one();
  sessions.reset();
  CHECK(!waiting->done);
}

END_FIXTURE_SCOPE()

} // namespace troupe::upstream_suite
