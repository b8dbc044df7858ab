#define CAF_SUITE store_property
#include "tests/durable/fixture.hpp"

#include "runtime/store/updates.hpp"

#include <map>
#include <random>
#include <set>

namespace troupe::store_property_suite {

using namespace troupe::durable_tests;
using store::on_both;
using store::test_store;

namespace {

constexpr bot_id bot_count = 9;

/// What the store should hold: of each bot, whose it is and what was last said of it.
struct model {
  struct owned {
    tenant_id tenant = 0;
    std::uint32_t rps = 0;
    bot_phase phase = bot_phase::active;
    std::set<std::int64_t> tokens;
    bool verified = false;
    bool has_code = false;
    bool has_health = false;
  };
  std::map<tenant_id, bool> tenants{{1, false}}; ///< Whether suspended.
  std::map<bot_id, owned> bots;

  /// The bot, if this tenant (0: an operator) may know of it.
  owned* find(tenant_id as, bot_id bot) {
    auto found = bots.find(bot);
    if (found == bots.end() || (as != 0 && found->second.tenant != as))
      return nullptr;
    return &found->second;
  }
  std::vector<bot_id> of(tenant_id as) const {
    std::vector<bot_id> result;
    for (const auto& [bot, x] : bots)
      if (as == 0 || x.tenant == as)
        result.push_back(bot);
    return result;
  }
};

struct property_fixture : fixture {
  std::mt19937 rng;
  model m;
  std::int64_t seq = 0;

  std::uint32_t pick(std::uint32_t n) { return static_cast<std::uint32_t>(rng() % n); }

  /// Whoever asks for what is not its own is told the same as for what nobody has.
  template <class T, class Request>
  bool allowed(Request x, const model::owned* mine) {
    auto result = why<T>(std::move(x));
    if (result != (mine != nullptr ? store_refusal::none : store_refusal::not_found))
      FAIL("told " << to_string(result));
    return mine != nullptr;
  }

  void insert_one(bot_id bot, tenant_id tenant) {
    bot_insert x;
    x.by = ada();
    x.bot.id = bot;
    x.bot.tenant = tenant;
    x.bot.phase = bot_phase::active;
    x.bot.verified = pick(4) == 0 ? 0 : 1;
    x.token.text = token_of(bot);
    auto known = m.tenants.find(tenant);
    auto expected = known == m.tenants.end() ? store_refusal::not_found
                    : known->second          ? store_refusal::tenant_suspended
                    : m.bots.contains(bot)   ? store_refusal::duplicate
                                             : store_refusal::none;
    CHECK_EQ(why<bot_row>(x), expected);
    if (expected == store_refusal::none) {
      m.bots[bot].tenant = tenant;
      m.bots[bot].verified = x.bot.verified != 0;
    }
  }

  void change_tenants() {
    auto id = static_cast<tenant_id>(1 + pick(4));
    if (pick(3) == 0 && !m.tenants.contains(id))
      return;
    if (!m.tenants.contains(id)) {
      auto made =
        get<tenant_row>(tenant_put{ada(), {0, "tenant " + std::to_string(rng()), false, 0, 0, 0}});
      m.tenants[made.id] = false;
    } else if (pick(2) == 0) {
      auto suspended = pick(3) == 0;
      get<tenant_row>(
        tenant_put{ada(), {id, "renamed " + std::to_string(rng()), suspended, 0, 0, 0}});
      m.tenants[id] = suspended;
    } else {
      bool goes = id != 1 && m.of(id).empty();
      CHECK_EQ(why<done>(tenant_remove{ada(), id}),
               goes ? store_refusal::none : store_refusal::conflict);
      if (goes)
        m.tenants.erase(id);
    }
  }

  /// What the node itself writes down of a bot, known or not.
  void record(test_store& on, bot_id bot) {
    auto* known = m.find(0, bot);
    usage_delta delta;
    delta.bot = bot;
    delta.hour.at = wall.time_since_epoch().count() / 3'600'000 - pick(200);
    delta.hour.calls.requests = 1;
    get<done>(usage_add{{delta}});
    health_row health;
    health.bot = bot;
    get<done>(health_save{{health}});
    if (known == nullptr)
      return;
    known->has_health = true;
    get<idempotency_answer>(
      idempotency_begin{known->tenant, bot, "key " + std::to_string(rng()), "body"});
    auto db = on.connect();
    db.write([&](store::unit& u) {
      static const std::string body = "{}";
      std::vector<store::new_update> two{
        {++seq, bot, seq, 1, "message", false, 5, false, 1, 2, body, true, false},
        {++seq, bot, seq, 1, "message", false, 5, false, 1, 2, body, true, true}};
      (void)store::append_updates(u, two);
      u.execute("INSERT INTO dead_letters VALUES (:id, :bot, 1, 'message', 0, 5, 0, 1, 2, 3, "
                "'why', '{}')",
                ++seq, bot);
    });
  }

  void act_on(bot_id bot, tenant_id as) {
    auto* mine = m.find(as, bot);
    switch (pick(8)) {
    case 0:
      if (auto rps = pick(50);
          allowed<bot_row>(bot_change{ada(), as, bot, 0, "n", rps, 0, "{}"}, mine))
        mine->rps = rps;
      break;
    case 1: {
      bot_state_set x;
      x.by = ada();
      x.action = "bot.suspend";
      x.tenant = as;
      x.bot = bot;
      x.phase = pick(2) == 0 ? bot_phase::suspended : bot_phase::active;
      if (auto phase = x.phase; allowed<bot_row>(x, mine))
        mine->phase = phase;
      break;
    }
    case 2:
      if (allowed<bot_row>(bot_remove{ada(), as, bot}, mine))
        m.bots.erase(bot);
      break;
    case 3: {
      auto made =
        answer_of<made_virtual_token>(ask(virtual_token_make{ada(), as, bot, "ci", {}, 0}));
      auto expected = mine == nullptr  ? store_refusal::not_found
                      : mine->verified ? store_refusal::none
                                       : store_refusal::not_verified;
      if (made ? expected != store_refusal::none : made.error() != expected)
        FAIL("a virtual token of " << bot << " for tenant " << as);
      if (made)
        mine->tokens.insert(made->row.id);
      break;
    }
    case 4: {
      std::int64_t id = 1 + pick(40); // Anybody's.
      bool his = mine != nullptr && mine->tokens.contains(id);
      CHECK_EQ(why<done>(virtual_token_revoke{ada(), as, bot, id}),
               his ? store_refusal::none : store_refusal::not_found);
      if (his)
        mine->tokens.erase(id);
      break;
    }
    case 5:
      if (allowed<verification_row>(verification_make{ada(), as, bot}, mine))
        mine->has_code = true;
      break;
    case 6:
      allowed<usage_report>(usage_query{as, bot, 90}, mine);
      break;
    default: {
      auto tokens = answer_of<page<virtual_token_row>>(ask(virtual_token_query{as, bot, 0, 100}));
      std::set<std::int64_t> alive;
      if (tokens)
        for (const auto& x : tokens->rows)
          if (x.revoked == 0)
            alive.insert(x.id);
      CHECK_EQ(alive, mine != nullptr ? mine->tokens : std::set<std::int64_t>{});
      CHECK_EQ(answer_of<health_row>(ask(health_query{as, bot})).engaged(),
               mine != nullptr && mine->has_health);
    }
    }
  }

  /// Each tenant sees its own bots, all of them, and nothing else.
  void check_views() {
    for (tenant_id as = 0; as <= 5; ++as) {
      bot_lookup what{as, {}};
      for (bot_id bot = 0; bot <= bot_count + 1; ++bot)
        what.ids.push_back(bot);
      auto seen = get<bot_batch>(what);
      auto expected = m.of(as);
      REQUIRE_EQ(seen.bots.size(), expected.size());
      CHECK_EQ(seen.missing.size(), what.ids.size() - expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const auto& truth = m.bots.at(expected[i]);
        CHECK_EQ(seen.bots[i].id, expected[i]);
        CHECK_EQ(seen.bots[i].tenant, truth.tenant);
        CHECK_EQ(seen.bots[i].rps, truth.rps);
        CHECK_EQ(seen.bots[i].phase, truth.phase);
      }
      bot_query all;
      all.tenant = as;
      all.limit = 1000;
      CHECK_EQ(get<page<bot_row>>(all).rows.size(), expected.size());
    }
  }

  /// In no table a row names a bot that is not there; whatever tables there are.
  void check_remains(test_store& on) {
    auto db = on.connect();
    db.read([&](store::unit& u) {
      auto tables = u.rows<std::tuple<std::string>>(
        on.kind == store::backend::sqlite
          ? "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) p "
            "WHERE m.type = 'table' AND p.name = 'bot'"
          : "SELECT table_name::text FROM information_schema.columns "
            "WHERE column_name = 'bot' AND table_schema = current_schema()");
      REQUIRE_GE(tables.size(), 9u);
      for (const auto& [table] : tables)
        if (auto left = u.value<std::int64_t>("SELECT COUNT(*) FROM " + table
                                              + " WHERE bot NOT IN (SELECT id FROM bots)");
            left.value_or(-1) != 0)
          FAIL(table << " has " << left.value_or(-1) << " rows of removed bots");
      auto tenants = u.rows<std::tuple<std::int64_t>>(
        "SELECT DISTINCT b.tenant FROM bots b WHERE b.tenant NOT IN (SELECT id FROM tenants)");
      CHECK(tenants.empty());
    });
  }

  void run(test_store& on, unsigned seed) {
    rng.seed(seed);
    m = {};
    seq = 0;
    start(on);
    for (int i = 0; i < 200; ++i) {
      auto bot = static_cast<bot_id>(1 + pick(bot_count));
      auto as = static_cast<tenant_id>(pick(5));
      switch (pick(8)) {
      case 0:
        change_tenants();
        break;
      case 1:
      case 2:
        insert_one(bot, static_cast<tenant_id>(1 + pick(4)));
        break;
      case 3:
        record(on, bot);
        break;
      default:
        act_on(bot, as);
      }
      if (i % 20 == 19) {
        check_views();
        check_remains(on);
      }
    }
    for (auto bot : m.of(0)) { // At the end nothing is left.
      get<bot_row>(bot_remove{ada(), 0, bot});
      m.bots.erase(bot);
    }
    check_views();
    check_remains(on);
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(property_fixture)

SCENARIO("tenants see their own bots alone, and of a removed bot nothing is left in any table") {
  for (unsigned seed = 1; seed <= 3; ++seed)
    on_both([this, seed](test_store& on) {
      MESSAGE("seed " << seed);
      run(on, seed);
    });
}

END_FIXTURE_SCOPE()

} // namespace troupe::store_property_suite
