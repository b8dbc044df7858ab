#define CAF_SUITE api.ctl
#include "runtime/api/ctl.hpp"
#include "runtime/api/ctl_print.hpp"
#include "runtime/api/server.hpp"
#include "tests/api/managed.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace troupe::ctl_suite {

using namespace std::literals;
namespace fs = std::filesystem;

namespace {

struct fixture : fakes::managed_node {
  net::http_server listener{config(), api::make_handler(ports())};
  std::map<std::string, std::string, std::less<>> variables;
  std::string url;
  std::string out;
  std::string err;
  fs::path dir = fs::temp_directory_path() / ("troupe-ctl-" + std::to_string(::getpid()));

  fixture() {
    listener.start();
    url = "http://127.0.0.1:" + std::to_string(listener.port());
    fs::remove_all(dir);
  }

  ~fixture() { fs::remove_all(dir); }

  static net::http_server_config config() {
    net::http_server_config one;
    one.threads = 1;
    api::configure(one);
    return one;
  }

  std::string variable(std::string_view name) const {
    auto found = variables.find(name);
    return name == "TROUPE_URL" ? url : found == variables.end() ? "" : found->second;
  }

  int run(std::vector<std::string_view> args, std::string input = {}) {
    std::istringstream from{input};
    std::ostringstream to, errors;
    auto status = api::run_ctl(
      args, {from, to, errors, false, [this](std::string_view name) { return variable(name); }});
    out = to.str();
    err = errors.str();
    return status;
  }

  bool says(std::string_view part) const { return out.find(part) != std::string::npos; }
  bool complains(std::string_view part) const { return err.find(part) != std::string::npos; }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("reports are tables for people and JSON for scripts") {
  said->pool.max_per_host = 30;
  said->pool.sessions.push_back({9, 1, call_kind::long_poll, 42, 5, 1500ms, 0ms});
  said->governor.budgets.push_back({"global", 25, 1s, 3, 1, 17, true});
  said->governor.budgets.push_back({"tenant", 0, 1s, 3, 1, 0, false});
  said->governor.budgets.push_back({"bot", 0, 1s, 3, 1, 0, true});
  said->health.worst.push_back({.bot = 42, .status = health_status::unhealthy, .error_rate = 0.75});
  CHECK_EQ(run({"sessions"}), 0);
  CHECK(says("of at most 30 per host"));
  CHECK(says("      9  long_poll   42     1       5  1.5 s  0 ms\n"));
  CHECK_EQ(run({"budgets"}), 0);
  CHECK(says("global     3     25  1.0 s        1         17\n"));
  CHECK(says("tenant     3   none  1.0 s        1          0\n"));
  CHECK(says("bot        3      0  1.0 s        1          0\n"));
  CHECK_EQ(run({"health"}), 0);
  CHECK(says("upstream  healthy    closed"));
  CHECK(says("42        unhealthy  closed          0  75.0 %"));
  CHECK(says("never\n"));
  CHECK_EQ(run({"tree", "--limit=100"}), 0);
  CHECK(says("troupe.root  rest_for_one\n"));
  CHECK(says("├─ troupe.services  running  up 9.0 s  restarted 1 times\n"));
  CHECK(says("│  ├─ troupe.health  running  up 5.0 s  restarted 3 times\n"));
  CHECK(says("└─ troupe.bots-0  running"));
  CHECK(says("   ├─ bot 1  active  up 1.0 s\n"));
  CHECK(says("   └─ and 450 more (--limit=N)\n"));
  CHECK_EQ(run({"--json", "sessions"}), 0);
  CHECK_EQ(boost::json::parse(out).as_object().at("max_per_host").as_int64(), 30);
}

SCENARIO("a failing node is exit status 1 with its reason") {
  caf::anon_send_exit(health, caf::exit_reason::kill);
  CHECK_EQ(run({"health"}), 1);
  CHECK(complains("The health service does not answer"));
  CHECK_EQ(run({"tree", "--limit=0"}), 1);
  CHECK(complains("limit must be a number"));
  auto port = listener.port();
  listener.stop();
  CHECK_EQ(run({"health", "--url=http://127.0.0.1:" + std::to_string(port)}), 1);
  CHECK(complains("is trouped running?"));
}

SCENARIO("whether a node takes work is an exit status") {
  CHECK_EQ(run({"ready"}), 0);
  CHECK_EQ(out, "ready\n");
  draining = true;
  CHECK_EQ(run({"ready"}), 1);
  CHECK_EQ(out, "");
  CHECK(complains("The node is shutting down."));
}

SCENARIO("wrong usage is exit status 2 and says what is allowed") {
  CHECK_EQ(run({}), 2);
  CHECK_EQ(run({"nothing"}), 2);
  CHECK_EQ(run({"health", "more"}), 2);
  CHECK_EQ(run({"health", "--colour"}), 2);
  CHECK_EQ(run({"health", "--limit=x"}), 2);
  CHECK_EQ(run({"config"}), 2);
  CHECK_EQ(run({"config", "check"}), 2);
  CHECK(complains("needs --config-dir=DIR"));
  for (auto bad : {"--url=ftp://localhost", "--url=localhost:1", "--url=https://", "--url=http://",
                   "--url=http://a/b", "--url=http://a:x"}) {
    CHECK_EQ(run({"health", bad}), 1);
    CHECK(complains("allowed is http://HOST[:PORT]"));
  }
  CHECK_EQ(run({"1:" + std::string(35, 'x')}), 2);
  CHECK(!complains("xxxxx"));
  CHECK_EQ(run({"--help"}), 0);
  CHECK(says("Usage: troupectl"));
  CHECK_EQ(run({"--version"}), 0);
  CHECK(says("troupectl " TROUPE_VERSION));
}

SCENARIO("configuration files are written, checked and refreshed") {
  auto option = "--config-dir=" + dir.string();
  CHECK_EQ(run({"config", "init", option}), 0);
  CHECK(says("wrote " + (dir / "gateway.conf").string()));
  CHECK_EQ(run({"config", "check", option}), 0);
  std::ofstream{dir / "gateway.conf"} << "gateway { port = 9 }\n";
  CHECK_EQ(run({"config", "init", option}), 0);
  CHECK(out.empty());
  CHECK_EQ(run({"config", "format", option}), 0);
  std::stringstream text;
  text << std::ifstream{dir / "gateway.conf"}.rdbuf();
  CHECK(text.str().find("  # Port to listen on") != std::string::npos);
  CHECK(text.str().find("  port = 9\n") != std::string::npos);
  std::ofstream{dir / "gateway.conf"} << "gateway { port = -9 }\n";
  CHECK_EQ(run({"config", "check", option}), 2);
  CHECK(complains("gateway.conf:1: gateway.port = -9 is not allowed"));
  CHECK_EQ(run({"config", "format", option}), 2);
}

SCENARIO("times are shown in the unit that a person would use") {
  CHECK_EQ(api::shown_seconds(nullptr), "never");
  CHECK_EQ(api::shown_seconds(0.0123), "12 ms");
  CHECK_EQ(api::shown_seconds(1.54), "1.5 s");
  CHECK_EQ(api::shown_seconds(119), "119 s");
  CHECK_EQ(api::shown_seconds(600), "10 min");
  CHECK_EQ(api::shown_seconds(10'000), "3 h");
  CHECK_EQ(api::shown_seconds(400'000), "5 d");
}

END_FIXTURE_SCOPE()

} // namespace troupe::ctl_suite
