#define CAF_SUITE relay_port
#include "tests/relay/tenant_server.hpp"

#include <boost/asio/io_context.hpp>

#include <caf/test/bdd_dsl.hpp>

#include <map>

namespace troupe::relay_suite {

using namespace troupe::relay;
using namespace troupe::relay::test;
using namespace std::literals;

namespace {

struct fixture {
  fixture() { server.emplace(io); }

  ~fixture() {
    // Coroutines end with their context, before what they use.
    server.reset();
    io.stop();
  }

  /// The port, made at first use: with what the test says before.
  relay::port& relay() {
    if (!made) {
      auto resolve = [this](const std::string& host, net::io_executor, net::dns_cache::answer then) {
        asked.push_back(host);
        auto known = names.find(host);
        if (known == names.end())
          then(asio::error::host_not_found, {});
        else
          then({}, known->second);
      };
      dns = real_names ? std::make_shared<net::dns_cache>()
                       : std::make_shared<net::dns_cache>(net::dns_options{}, resolve);
      made = make_port({io.get_executor()}, dns, ca ? ca->path() : std::string{});
      made->set(limits);
    }
    return *made;
  }

  std::uint64_t begin(const std::string& url, std::chrono::milliseconds limit = 10s) {
    post what;
    what.id = ++last;
    auto to = parse_url(url);
    REQUIRE(std::holds_alternative<relay::url>(to));
    what.to = std::get<relay::url>(to);
    what.bot = 7;
    what.body = shared_text{R"({"update_id":1})"};
    what.limit = limit;
    relay().perform(what, [this, id = what.id](relay_result x) { results[id] = std::move(x); });
    return what.id;
  }

  relay_result end(std::uint64_t id) {
    REQUIRE(until([&] { return results.count(id) == 1; }));
    return results[id];
  }

  relay_result send(const std::string& url, std::chrono::milliseconds limit = 10s) {
    return end(begin(url, limit));
  }

  /// To the server, at this address or name.
  std::string here(const std::string& path = "/hook", const std::string& host = "127.0.0.1",
                   const std::string& scheme = "http") {
    return scheme + "://" + host + ":" + server->port() + path;
  }

  template <class Condition>
  bool until(Condition done) {
    for (auto limit = std::chrono::steady_clock::now() + 10s; !done();) {
      if (std::chrono::steady_clock::now() > limit)
        return false;
      io.restart();
      io.run_one_for(10ms);
    }
    return true;
  }

  static asio::ip::address loopback() { return asio::ip::address_v4::loopback(); }

  asio::io_context io{1};
  std::optional<tenant_server> server;
  std::optional<net::test::throwaway_ca> ca;
  std::map<std::string, net::dns_cache::address_list> names{{"tenant.test", {loopback()}}};
  bool real_names = false;
  port_limits limits{.allow_private_addresses = true};
  std::shared_ptr<net::dns_cache> dns;
  std::shared_ptr<relay::port> made;
  std::vector<std::string> asked;
  std::map<std::uint64_t, relay_result> results;
  std::uint64_t last = 0;
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("an update is posted, the answer comes back, the connection is kept") {
  server->answers = [](const request&) {
    return tenant_server::answer{
      tenant_server::ok(R"({"method":"sendMessage"})", "Content-Type: application/json\r\n")};
  };
  auto first = send(here("/hook?key=1"));
  CHECK_EQ(first.how, relay_end::answered);
  CHECK_EQ(first.status, 200u);
  CHECK_EQ(first.content_type, "application/json");
  CHECK_EQ(first.body, R"({"method":"sendMessage"})");
  CHECK(first.retry_after.count() < 0);
  REQUIRE_EQ(server->requests.size(), 1u);
  CHECK_EQ(server->requests[0].target(), "/hook?key=1");
  CHECK_EQ(server->requests[0].body(), R"({"update_id":1})");
  CHECK_EQ(send(here()).status, 200u);
  CHECK_EQ(server->accepted, 1u);
  CHECK_EQ(relay().open(), 1u);
}

SCENARIO("answers are told as they are; nothing is followed") {
  std::string next;
  server->answers = [&](const request&) { return tenant_server::answer{next}; };
  for (auto [code, more] : {std::pair{500, ""}, {404, ""}, {410, ""}, {204, ""},
                            {302, "Location: http://127.0.0.1:1/\r\n"}}) {
    next = code == 204 ? "HTTP/1.1 204 No Content\r\n\r\n" : tenant_server::status(code, more);
    auto got = send(here());
    CHECK_EQ(got.how, relay_end::answered);
    CHECK_EQ(got.status, code);
  }
  CHECK_EQ(server->requests.size(), 5u);
  next = tenant_server::status(429, "Retry-After: 17\r\n");
  CHECK_EQ(send(here()).retry_after, 17s);
}

SCENARIO("a receiver that hangs is given up at its time") {
  server->answers = [](const request&) { return tenant_server::answer{}; };
  auto got = send(here(), 50ms);
  CHECK_EQ(got.how, relay_end::timeout);
  CHECK_EQ(got.reason, "no answer in time");
  CHECK(got.took >= 50ms);
  // Nor does it help to send something now and then.
  server->answers = [](const request&) {
    return tenant_server::answer{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12"};
  };
  CHECK_EQ(send(here(), 50ms).how, relay_end::timeout);
  CHECK_EQ(relay().open(), 0u);
}

SCENARIO("a connection that ends before the whole answer came is a failure") {
  std::string next;
  server->answers = [&](const request&) { return tenant_server::answer{next, true}; };
  for (auto* bytes : {"", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123"}) {
    next = bytes;
    CHECK_EQ(send(here()).how, relay_end::broken);
  }
  CHECK_EQ(server->requests.size(), 3u);
  // Its status is known, and that is all that matters of it.
  next = "HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\n123";
  auto got = send(here());
  CHECK_EQ(got.how, relay_end::answered);
  CHECK_EQ(got.status, 500u);
  next = "no HTTP at all\r\n\r\n";
  CHECK_EQ(send(here()).how, relay_end::broken);
}

SCENARIO("a kept connection that was closed costs no failure") {
  CHECK_EQ(send(here()).status, 200u);
  server->close_all();
  CHECK_EQ(send(here()).status, 200u);
  CHECK_EQ(server->accepted, 2u);
  // Closed just when the next update arrives on it.
  server->answers = [&](const request&) {
    return server->accepted == 2 ? tenant_server::answer{"", true}
                                 : tenant_server::answer{tenant_server::ok()};
  };
  CHECK_EQ(send(here()).status, 200u);
  CHECK_EQ(server->accepted, 3u);
}

SCENARIO("long answers are left out, interim ones passed over") {
  server->answers = [](const request&) {
    return tenant_server::answer{"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                                 + tenant_server::ok(std::string(256 * 1024, 'x'))};
  };
  CHECK_EQ(send(here()).body.size(), 256u * 1024);
  for (const auto& bytes :
       {tenant_server::ok(std::string(256 * 1024 + 1, 'x')),
        "HTTP/1.1 200 OK\r\n\r\n" + std::string(300 * 1024, 'x'),
        std::string{"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n"}}) {
    server->answers = [&](const request&) { return tenant_server::answer{bytes, true}; };
    auto got = send(here());
    CHECK_EQ(got.how, relay_end::answered);
    CHECK_EQ(got.status, 200u);
    CHECK(got.body.empty());
  }
}

SCENARIO("what stands between an answer's chunks and behind them is bounded, too") {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
  const std::string much(4 * 1024 * 1024, 'x');
  for (const auto& bytes : {chunked + "2;" + much, chunked + "0\r\nTrailer: " + much}) {
    server->answers = [&](const request&) { return tenant_server::answer{bytes}; }; // And no end.
    auto got = send(here(), 5s);
    CHECK_EQ(got.how, relay_end::answered);
    CHECK_EQ(got.status, 200u);
    CHECK(got.body.empty());
  }
  CHECK_EQ(relay().open(), 0u);
  server->answers = [&](const request&) {
    return tenant_server::answer{chunked + "1;name=value\r\n!\r\n0;last\r\nTrailer: x\r\n\r\n"};
  };
  CHECK_EQ(send(here()).body, "ok!");
}

SCENARIO("private addresses are not connected to, however they are written") {
  limits.allow_private_addresses = false;
  names["mixed.test"] = {asio::ip::make_address("10.0.0.1"), loopback()};
  names["mapped.test"] = {asio::ip::make_address("::ffff:127.0.0.1")};
  for (auto* host : {"127.0.0.1", "tenant.test", "mixed.test", "mapped.test", "[::1]",
                     "[::ffff:127.0.0.1]"}) {
    auto got = send(here("/secret", host, "https"));
    CHECK_EQ(got.how, relay_end::forbidden);
    CHECK(got.reason.find("may not be used") != std::string::npos);
    CHECK(got.reason.find("secret") == std::string::npos);
  }
  auto plain = send(here("/", "example.org"));
  CHECK_EQ(plain.how, relay_end::forbidden);
  CHECK_EQ(plain.reason, "the URL must begin with https://");
  CHECK_EQ(server->accepted, 0u);
}

SCENARIO("a connection that is kept does not outlive the rule under which it was made") {
  ca.emplace();
  server->use(ca->issue("DNS:tenant.test"));
  CHECK_EQ(send(here("/", "tenant.test", "https")).status, 200u);
  limits.allow_private_addresses = false;
  relay().set(limits);
  CHECK_EQ(send(here("/", "tenant.test", "https")).how, relay_end::forbidden);
  CHECK_EQ(server->requests.size(), 1u);
}

SCENARIO("the resolver's own notations of loopback lead nowhere") {
  limits.allow_private_addresses = false;
  real_names = true;
  for (auto* host : {"2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost"})
    CHECK_EQ(send(here("/", host, "https")).how, relay_end::forbidden);
  CHECK_EQ(server->accepted, 0u);
}

SCENARIO("the address that was checked is the one that is connected to") {
  CHECK_EQ(send(here("/", "tenant.test")).status, 200u);
  CHECK_EQ(asked.size(), 1u);
}

SCENARIO("who cannot be reached has certainly not had it") {
  auto nobody = [&] {
    net::tcp_acceptor closed{io, {asio::ip::address_v4::loopback(), 0}};
    return "http://127.0.0.1:" + std::to_string(closed.local_endpoint().port()) + "/";
  }();
  CHECK_EQ(send(nobody).how, relay_end::not_sent);
  auto unknown = send(here("/", "nowhere.test"));
  CHECK_EQ(unknown.how, relay_end::not_sent);
  CHECK_EQ(unknown.reason, "the host's name has no address");
}

SCENARIO("certificates are checked, and the name in them") {
  ca.emplace();
  server->use(ca->issue("DNS:tenant.test"));
  CHECK_EQ(send(here("/", "tenant.test", "https")).status, 200u);
  CHECK_EQ(send(here("/", "tenant.test", "https")).status, 200u);
  CHECK_EQ(server->accepted, 1u);
  auto other = send(here("/", "127.0.0.1", "https"));
  CHECK_EQ(other.how, relay_end::not_sent);
  CHECK(other.reason.starts_with("TLS: "));
}

SCENARIO("an answer without a length counts, though its server does not end the connection as TLS has it") {
  ca.emplace();
  server->use(ca->issue("DNS:tenant.test"));
  std::string next;
  server->answers = [&](const request&) { return tenant_server::answer{next, true}; };
  for (auto* bytes : {"HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nmethod=sendMessage&text=ha"}) {
    next = bytes;
    auto got = send(here("/", "tenant.test", "https"));
    CHECK_EQ(got.how, relay_end::answered);
    CHECK_EQ(got.status, 200u);
    CHECK(got.body.empty()); // It may be cut short.
  }
  for (auto* bytes : {"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n123",
                      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n"}) {
    next = bytes;
    CHECK_EQ(send(here("/", "tenant.test", "https")).how, relay_end::broken);
  }
}

SCENARIO("a certificate of an unknown authority is refused") {
  net::test::throwaway_ca other;
  ca.emplace();
  server->use(other.issue("DNS:tenant.test"));
  auto got = send(here("/", "tenant.test", "https"));
  CHECK_EQ(got.how, relay_end::not_sent);
  CHECK(got.reason.starts_with("TLS: "));
  CHECK(server->requests.empty());
}

SCENARIO("what is abandoned ends soon, also when all is closed") {
  server->answers = [](const request&) { return tenant_server::answer{}; };
  auto one = begin(here());
  auto two = begin(here());
  REQUIRE(until([&] { return server->requests.size() == 2; }));
  relay().abandon(one);
  CHECK_EQ(end(one).how, relay_end::broken);
  CHECK_EQ(results.count(two), 0u);
  relay().close_all();
  CHECK_EQ(end(two).how, relay_end::broken);
  CHECK(until([&] { return relay().open() == 0; }));
}

SCENARIO("idle connections go in time, and when there are too many") {
  limits.idle_timeout = 30ms;
  CHECK_EQ(send(here()).status, 200u);
  CHECK(until([&] { return relay().open() == 0; }));
  limits.idle_timeout = 30s;
  limits.max_open = 1;
  relay().set(limits);
  tenant_server other{io};
  CHECK_EQ(send(here()).status, 200u);
  CHECK_EQ(send("http://127.0.0.1:" + other.port() + "/").status, 200u);
  CHECK_EQ(relay().open(), 1u);
}

END_FIXTURE_SCOPE()

} // namespace troupe::relay_suite
