#define CAF_SUITE registrar_tenants
#include "tests/durable/registrar_fixture.hpp"

namespace troupe::registrar_tenants_suite {

using namespace troupe::durable_tests;
using store::test_store;

namespace {

using rates = std::vector<std::pair<tenant_id, std::uint32_t>>;

struct tenants_fixture : registrar_fixture {
  test_store on{store::backend::sqlite};

  tenants_fixture() {
    governed = false;
    open(on);
  }
  ~tenants_fixture() override { lose_governor(); }

  void publish() {
    found->rate_governor.publish(governor);
    advance_time(25ms);
    sched.run();
  }
  void lose_governor() {
    found->rate_governor.publish({});
    caf::anon_send_exit(governor, caf::exit_reason::kill);
    sched.run();
  }
  tenant_row put(std::string name, std::uint32_t rps, tenant_id id = 0) {
    return want<tenant_row>(tenant_put{ada(), {id, std::move(name), false, 0, rps, 0}});
  }
  rates last() const { return heard->tenants.empty() ? rates{} : heard->tenants.back(); }
};

} // namespace

BEGIN_FIXTURE_SCOPE(tenants_fixture)

SCENARIO("the governor is told a tenant's rate when it is made, changed and removed") {
  publish();
  auto one = put("one", 5);
  CHECK_EQ(last(), (rates{{one.id, 5}}));
  auto two = put("two", 0);
  auto told = heard->tenants.size();
  put("two of them", 0, two.id); // Nothing that concerns it.
  CHECK_EQ(heard->tenants.size(), told);
  put("two", 9, two.id);
  CHECK_EQ(last(), (rates{{one.id, 5}, {two.id, 9}}));
  put("one", 0, one.id);
  CHECK_EQ(last(), (rates{{two.id, 9}}));
  want<done>(tenant_remove{ada(), two.id});
  CHECK(last().empty());
}

SCENARIO("what the store refuses changes no rate") {
  publish();
  auto one = put("one", 5);
  put("two", 0);
  auto told = heard->tenants.size();
  CHECK(refused<tenant_row>(tenant_put{ada(), {one.id, "two", false, 0, 50, 0}})
        == store_refusal::duplicate);
  CHECK(refused<tenant_row>(tenant_put{ada(), {77, "new", false, 0, 50, 0}})
        == store_refusal::not_found);
  CHECK(refused<done>(tenant_remove{ada(), 1}) == store_refusal::conflict);
  CHECK_EQ(heard->tenants.size(), told);
}

SCENARIO("a rate that may have been stored is looked for") {
  publish();
  auto one = put("one", 5);
  for (auto what : {inline_sql_unknown::lost, inline_sql_unknown::stored}) {
    auto rps = what == inline_sql_unknown::stored ? 8u : 7u;
    sql->unknown = what;
    CHECK(refused<tenant_row>(tenant_put{ada(), {one.id, "one", false, 0, rps, 0}})
          == store_refusal::outcome_unknown);
    CHECK_EQ(last(), (rates{{one.id, what == inline_sql_unknown::stored ? 8u : 5u}}));
  }
  sql->unknown = inline_sql_unknown::stored;
  CHECK(refused<tenant_row>(tenant_put{ada(), {0, "two", false, 0, 3, 0}})
        == store_refusal::outcome_unknown);
  CHECK_EQ(last().size(), 2u);
}

SCENARIO("at a start no bot is served before the governor knows what its tenant may") {
  publish();
  auto one = put("one", 5);
  enrol(42);
  boot(); // There is no governor yet.
  CHECK(!want<registrar_report>(get_report{}).restored);
  CHECK(notes->starts.empty());
  publish();
  CHECK_EQ(last(), (rates{{one.id, 5}}));
  CHECK(want<registrar_report>(get_report{}).restored);
  CHECK_EQ(notes->starts.size(), 1u);
}

SCENARIO("a registrar that was killed tells what was changed behind its back") {
  publish();
  auto one = put("one", 5);
  sql->hold = true;
  self->request(registrar, caf::infinite, tenant_put{ada(), {one.id, "one", false, 0, 6, 0}});
  sched.run();
  caf::anon_send_exit(registrar, caf::exit_reason::kill);
  sched.run();
  sql->hold = false;
  sql->release(); // Stored, and nobody was told.
  sched.run();
  CHECK_EQ(last(), (rates{{one.id, 5}}));
  registrar = spawn_registrar(sys, {}, ports);
  sched.run();
  CHECK_EQ(last(), (rates{{one.id, 6}}));
}

SCENARIO("a governor that dies with a rate leaves it to its successor") {
  publish();
  auto one = put("one", 5);
  caf::anon_send_exit(governor, caf::exit_reason::kill);
  sched.run(); // Its slot still names it.
  put("one", 6, one.id);
  CHECK_EQ(last(), (rates{{one.id, 5}}));
  governor = sys.spawn(fake_governor, heard);
  publish();
  CHECK_EQ(last(), (rates{{one.id, 6}}));
}

SCENARIO("of changes at the same time the last one that is stored stands") {
  publish();
  auto one = put("one", 5);
  sql->reversed = true;
  sql->hold = true;
  for (std::uint32_t rps : {6u, 7u, 8u})
    self->request(registrar, caf::infinite, tenant_put{ada(), {one.id, "one", false, 0, rps, 0}});
  for (int i = 0; i < 3; ++i) {
    sched.run();
    sql->release();
  }
  sched.run();
  sql->hold = sql->reversed = false;
  auto row = get<page<tenant_row>>(tenant_query{one.id, 0, 1}).rows.at(0);
  CHECK_EQ(row.rps, 8u);
  CHECK_EQ(last(), (rates{{one.id, row.rps}}));
}

END_FIXTURE_SCOPE()

} // namespace troupe::registrar_tenants_suite
