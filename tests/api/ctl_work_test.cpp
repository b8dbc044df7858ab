#define CAF_SUITE api.ctl_work
#include "tests/api/ctl_managed.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <boost/json/parse.hpp>

// Many bots at once, and a node looked at for longer.
namespace troupe::ctl_work_suite {

using namespace std::literals;
using fakes::token;
using fixture = fakes::managed_ctl;

namespace {

std::string token_of(int bot) {
  return std::to_string(bot) + ":" + std::string(35, 'b');
}

std::string csv_of(int first, int count) {
  auto text = "token,name\n"s;
  for (int i = first; i < first + count; ++i)
    text += token_of(i) + ",bot " + std::to_string(i) + "\n";
  return text;
}

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a file's bots are registered, those that are there already passed over") {
  auto path = file("bots.csv", csv_of(1000, 40));
  CHECK_EQ(run({"import", path, "--tenant=2", "--trusted"}), 0);
  CHECK_EQ(out, "registered 40, there already 0, refused 0\n");
  CHECK_EQ(err, "");
  CAF_REQUIRE_EQUAL(kept->bots.size(), 40u);
  CHECK_EQ(kept->bots[1039].tenant, other);
  CHECK_EQ(kept->bots[1039].name, "bot 1039");
  CHECK_EQ(kept->bots[1039].phase, bot_phase::active);
  CHECK_EQ(run({"import", "-", "--parallel=1", "--json"}, csv_of(1030, 20)), 0);
  auto summary = boost::json::parse(out).as_object();
  CHECK_EQ(summary.at("registered").as_int64(), 10);
  CHECK_EQ(summary.at("existed").as_int64(), 10);
  CHECK_EQ(summary.at("complete").as_bool(), true);
  CHECK_EQ(kept->bots.size(), 50u);
}

SCENARIO("a file is only read with --check") {
  CHECK_EQ(run({"import", "-", "--check"}, csv_of(1000, 3)), 0);
  CHECK_EQ(out, "readable 3, there already 0, refused 0\n");
  CHECK(kept->bots.empty());
}

SCENARIO(
  "rows that cannot be registered are named, without their tokens, and cost the others nothing") {
  auto text = "{\"token\":\"" + token_of(1) + "\"}\n{\"token\":\"no token\"}\n{\"token\":\""
              + token_of(2) + "\",\"limits\":{\"rps\":-1}}\nnothing\n{\"token\":\"" + token_of(3)
              + "\"}\n";
  CHECK_EQ(run({"import", "-"}, text), 1);
  CHECK_EQ(out, "registered 2, there already 0, refused 3\n");
  CHECK(complains("line 2: "));
  CHECK(complains("line 3 (bot 2): "));
  CHECK(complains("line 4: It is no JSON object.\n"));
  CHECK(!complains("bbbb"));
  CHECK(kept->bots.count(1) == 1 && kept->bots.count(3) == 1);
}

SCENARIO("an import ends at once when the key does not serve, and says what to do") {
  variables["TROUPE_KEY"] = viewer;
  CHECK_EQ(run({"import", "-", "--parallel=1"}, csv_of(1000, 5)), 1);
  CHECK_EQ(out, "registered 0, there already 0, refused 0\n");
  CHECK(complains("The API key's role does not allow this."));
  CHECK(complains("run it again"));
}

SCENARIO("an import goes at the pace of the quota") {
  auto limited = managed_ports();
  limited.limits.creations_per_minute = 2;
  // The third comes a second before its time; by the clock of those after it, it is due.
  auto asked = std::make_shared<std::atomic<int>>(0);
  limited.now = [this, asked] {
    return now + (kept->bots.size() < 2 ? 0s : ++*asked > 3 ? 60s : 59s);
  };
  listener.stop();
  net::http_server slow{config(), api::make_handler(limited)};
  slow.start();
  variables["TROUPE_URL"] = "http://127.0.0.1:" + std::to_string(slow.port());
  CHECK_EQ(run({"import", "-", "--parallel=1"}, csv_of(1000, 3)), 0);
  CHECK_EQ(out, "registered 3, there already 0, refused 0\n");
  CHECK(complains("api.creations-per-minute"));
}

SCENARIO("wrong files and words of an import are exit status 2") {
  CHECK_EQ(run({"import", "-"}, "id,name\n"), 2);
  CHECK(complains("-: there is no column \"id\""));
  CHECK_EQ(run({"import", "-", "--parallel=0"}, csv_of(1, 1)), 2);
  CHECK_EQ(run({"import", "-", "--tenant=me"}, csv_of(1, 1)), 2);
  CHECK_EQ(run({"import", (dir / "nothing").string()}), 1);
  CHECK(complains("cannot read"));
}

SCENARIO("a node's work is looked at as often as asked for") {
  kept->add_bot(7, 1);
  CHECK_EQ(run({"top", "--times=2", "--every=1"}), 0);
  CHECK(says("calls    granted "));
  CHECK(says("/s, refused "));
  CHECK(says("sessions leased "));
  CHECK(says("budget "));
  CHECK_EQ(run({"top", "--times=1", "--json"}), 0);
  CHECK(boost::json::parse(out).as_object().at("budgets").is_object());
  CHECK_EQ(run({"top", "--every=0"}), 2);
}

SCENARIO("a tenant's troubles are told, or that there are none") {
  kept->add_bot(7, 1);
  CHECK_EQ(run({"tenant", "verify", "1"}), 0);
  CHECK(says("1 bots, nothing is wrong\n"));
  kept->add_bot(8, 1, bot_phase::unauthorized);
  kept->add_bot(9, 1, bot_phase::pending);
  CHECK_EQ(run({"tenant", "verify", "1"}), 1);
  CHECK(says("  bot 8: Telegram rejects its token: troupectl bot rotate\n"));
  CHECK(says("  bot 9: its owner has not proven that it is theirs: troupectl bot verify\n"));
  CHECK_EQ(run({"tenant", "verify", "1", "--json"}), 1);
  CHECK_EQ(boost::json::parse(out).as_object().at("troubles").as_array().size(), 2u);
  CHECK_EQ(run({"tenant", "create", "new"}), 0);
  CHECK_EQ(run({"tenant", "verify", "3"}), 1);
  CHECK(says("it has no key: troupectl key create --tenant=3\n"));
  CHECK_EQ(run({"tenant", "verify", "99"}), 1);
  CHECK(complains("There is no such tenant."));
}

END_FIXTURE_SCOPE()

} // namespace troupe::ctl_work_suite
