#define CAF_SUITE etcd_tls
#include "tests/etcd/fixture.hpp"
#include "tests/net/throwaway_ca.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <filesystem>
#include <fstream>

namespace troupe::tls_suite {

using namespace troupe::etcd;
using namespace troupe::etcd::test;

namespace {

/// A certificate and its key as files.
struct identity_files {
  explicit identity_files(const net::test::throwaway_ca::identity& from) {
    auto pattern = (std::filesystem::temp_directory_path() / "troupe-tls-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      CAF_FAIL("no temporary directory");
    dir = pattern;
    write(from);
  }
  ~identity_files() {
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }
  void write(const net::test::throwaway_ca::identity& from) const {
    std::ofstream{certificate()} << from.certificate;
    std::ofstream{key()} << from.key;
  }
  std::string certificate() const { return dir + "/certificate.pem"; }
  std::string key() const { return dir + "/key.pem"; }

  std::string dir;
};

struct fixture : client_fixture {
  net::test::throwaway_ca ca;
  net::test::throwaway_ca foreign;
  identity_files server{ca.issue("IP:127.0.0.1")};
  identity_files ours{ca.issue("DNS:node-1")};
  identity_files theirs{foreign.issue("DNS:node-1")};
  etcd_cluster cluster{1, {ca.path(), server.certificate(), server.key()}};

  client_options options() {
    return {.endpoints = cluster.urls(),
            .ca_file = ca.path(),
            .certificate_file = ours.certificate(),
            .key_file = ours.key()};
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("with certificates of one authority on both sides all works; with any other, nothing") {
  connect(options());
  REQUIRE(done(range{"ready"}, 20s).what == status::done);
  REQUIRE(write("secret", "x").what == status::done);
  watch_all("secret", 1);
  CHECK(until([&] { return changes() == std::vector<std::string>{"secret=x"}; }));
  auto refused = [&](client_options given) {
    connect(std::move(given));
    auto got = done(range{"secret"}, 1s);
    CHECK(got.what == status::unavailable);
    CHECK(got.value.entries.empty());
    return got.reason;
  };
  GIVEN("a client without a certificate") {
    auto given = options();
    given.certificate_file = given.key_file = "";
    CHECK(refused(given).find("TLS: ") != std::string::npos);
  }
  GIVEN("a client with a certificate of a foreign authority") {
    auto given = options();
    given.certificate_file = theirs.certificate();
    given.key_file = theirs.key();
    CHECK(refused(given).find("TLS: ") != std::string::npos);
  }
  GIVEN("a member whose authority the client does not know") {
    auto given = options();
    given.ca_file = foreign.path();
    CHECK(refused(given).find("TLS: certificate signature failure") != std::string::npos);
  }
  GIVEN("a member whose certificate is for another name") {
    auto given = options();
    given.endpoints = {"https://localhost:" + given.endpoints[0].substr(18)};
    CHECK(refused(given).find("TLS: hostname mismatch") != std::string::npos);
  }
  GIVEN("a client that speaks plain HTTP") {
    auto given = options();
    given.endpoints = {"http" + given.endpoints[0].substr(5)};
    CHECK(!refused(given).empty());
  }
  GIVEN("a certificate that is renewed while the client runs") {
    ours.write(foreign.issue("DNS:node-1"));
    connect(options());
    CHECK(done(range{"secret"}, 1s).what == status::unavailable);
    ours.write(ca.issue("DNS:node-1"));
    CHECK(done(range{"secret"}).what == status::done);
    CHECK(write("secret", "y").what == status::done);
  }
}

END_FIXTURE_SCOPE()

} // namespace troupe::tls_suite
