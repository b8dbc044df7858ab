#define CAF_SUITE bots
#include "runtime/store/bots.hpp"
#include "runtime/store/tenants.hpp"
#include "runtime/store/tokens.hpp"

#include "tests/store/samples.hpp"
#include "tests/store/stores.hpp"

#include <set>
#include <thread>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::store::bots_suite {

namespace {

void add_bots(database& db, bot_id first, bot_id last, troupe::tenant_id tenant = 1) {
  db.write([&](unit& u) {
    for (auto id = first; id <= last; ++id)
      (void)add_bot(u, sample_bot(id, tenant), sample_token(id));
  });
}

std::set<bot_id> ids_of(const std::vector<bot>& bots) {
  std::set<bot_id> result;
  for (auto& one : bots)
    result.insert(one.id);
  return result;
}

} // namespace

SCENARIO("a bot comes back as it was registered") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto mine = sample_bot(4'503'599'627'370'495);
    mine.username = "ünïcode_bot";
    mine.state.phase = bot_phase::quarantined;
    mine.state.reason = "crashed";
    mine.state.until = at(9);
    mine.state.quarantines = 2;
    mine.limits = {20, 3};
    mine.settings = R"({"updates":["message"]})";
    db.write([&](unit& u) { CHECK(add_bot(u, mine, sample_token(1)) == registration::done); });
    auto again = store.open();
    again.read([&](unit& u) {
      auto found = find_bot(u, 1, mine.id);
      REQUIRE(found.has_value());
      CHECK_EQ(found->username, mine.username);
      CHECK_EQ(found->name, mine.name);
      CHECK(found->state == mine.state);
      CHECK(found->limits == mine.limits);
      CHECK_EQ(found->settings, mine.settings);
      CHECK(found->created == mine.created);
      CHECK_EQ(found->version, 1);
      CHECK(!found->owner.has_value());
      CHECK(!found->verified.has_value());
      auto loaded = load_bots(u, 0, 10);
      REQUIRE_EQ(loaded.size(), 1u);
      CHECK_EQ(loaded[0].token.box.key_id, "key-1");
      CHECK_EQ(loaded[0].token.box.box, "box-1");
      CHECK_EQ(loaded[0].token.hash, "hash-1");
      CHECK(loaded[0].bot.state == mine.state);
    });
  });
}

SCENARIO("a bot or a token is registered once, whoever tries") {
  on_both([](test_store& store) {
    auto db = store.open();
    db.write([](unit& u) {
      auto other = add_tenant(u, {.name = "other"}).value();
      CHECK(add_bot(u, sample_bot(1), sample_token(1)) == registration::done);
      CHECK(add_bot(u, sample_bot(1), sample_token(1)) == registration::taken);
      CHECK(add_bot(u, sample_bot(1, other), sample_token(2)) == registration::taken);
      CHECK(add_bot(u, sample_bot(2, other), sample_token(1)) == registration::taken);
      CHECK(add_bot(u, sample_bot(2, other), sample_token(2)) == registration::done);
      CHECK(find_bot(u, 1, 1).has_value());
      CHECK(!find_bot(u, other, 1).has_value());
    });
    CHECK(fault_of([&] {
            db.write([](unit& u) { (void)add_bot(u, sample_bot(3, 77), sample_token(3)); });
          })
          == fault::constraint);
  });
}

SCENARIO("of many who register the same bot at once one succeeds") {
  on_both([](test_store& store) {
    auto db = store.open();
    std::atomic<int> done{0}, taken{0}, failed{0};
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i)
      threads.emplace_back([&] {
        auto error = failure_of([&] {
          auto mine = store.connect();
          mine.set_patience(60s);
          auto how = mine.write([](unit& u) { return add_bot(u, sample_bot(5), sample_token(5)); });
          (how == registration::done ? done : taken) += 1;
        });
        failed += error.has_value();
      });
    for (auto& thread : threads)
      thread.join();
    CHECK_EQ(done.load(), 1);
    CHECK_EQ(taken.load(), 5);
    CHECK_EQ(failed.load(), 0);
  });
}

SCENARIO("a tenant's quota is exact under concurrency") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto small =
      db.write([](unit& u) { return add_tenant(u, {.name = "small", .max_bots = 10}).value(); });
    std::atomic<int> done{0}, too_many{0};
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&, i] {
        (void)failure_of([&] {
          auto mine = store.connect();
          mine.set_patience(60s);
          for (bot_id id = 100 * i; id < 100 * i + 5; ++id) {
            auto how = mine.write(
              [&](unit& u) { return add_bot(u, sample_bot(id, small), sample_token(id)); });
            (how == registration::done ? done : too_many) += 1;
          }
        });
      });
    for (auto& thread : threads)
      thread.join();
    CHECK_EQ(done.load(), 10);
    CHECK_EQ(too_many.load(), 10);
    CHECK_EQ(db.read([&](unit& u) { return count_bots(u, small); }), 10);
  });
}

SCENARIO("a batch of any size is answered whole, for one tenant") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto other = db.write([](unit& u) { return add_tenant(u, {.name = "other"}).value(); });
    add_bots(db, 1, 350);
    add_bots(db, 351, 400, other);
    for (std::size_t size : {0, 1, 99, 100, 101, 250, 1000}) {
      std::vector<bot_id> ids;
      for (std::size_t i = 1; i <= size; ++i)
        ids.push_back(static_cast<bot_id>(i));
      auto found = db.read([&](unit& u) { return find_bots(u, 1, ids); });
      CHECK_EQ(found.size(), std::min<std::size_t>(size, 350));
      CHECK_EQ(ids_of(found).size(), found.size());
    }
    std::vector<bot_id> odd{350, 351, -1, INT64_MAX, 7, 7, 350};
    for (int i = 0; i < 200; ++i)
      odd.push_back(7);
    auto found = db.read([&](unit& u) { return find_bots(u, 1, odd); });
    CHECK_EQ(found.size(), 2u);
    CHECK(ids_of(found) == (std::set<bot_id>{7, 350}));
  });
}

SCENARIO("bots are paged by id, of one phase or of all") {
  on_both([](test_store& store) {
    auto db = store.open();
    add_bots(db, 1, 25);
    db.write([](unit& u) {
      for (bot_id id = 2; id <= 24; id += 2)
        CHECK(set_bot_state(u, 1, id, {bot_phase::suspended, "asked", at(1), {}, 0}, at(1)));
    });
    db.read([](unit& u) {
      std::set<bot_id> seen;
      bot_id after = 0;
      for (int pages = 0; pages < 10; ++pages) {
        auto page = list_bots(u, 1, std::nullopt, after, 10);
        if (page.empty())
          break;
        for (auto& one : page)
          seen.insert(one.id);
        after = page.back().id;
      }
      CHECK_EQ(seen.size(), 25u);
      auto suspended = list_bots(u, 1, bot_phase::suspended, 10, 5);
      CHECK(ids_of(suspended) == (std::set<bot_id>{12, 14, 16, 18, 20}));
      CHECK(list_bots(u, 2, std::nullopt, 0, 10).empty());
      CHECK_EQ(load_bots(u, 20, 100).size(), 5u);
    });
  });
}

SCENARIO("of two who change the same version one is told") {
  on_both([](test_store& store) {
    auto db = store.open();
    add_bots(db, 1, 1);
    db.write([](unit& u) {
      auto mine = find_bot(u, 1, 1).value();
      auto yours = mine;
      mine.name = "mine";
      mine.limits = {5, 2};
      CHECK(change_bot(u, mine, at(10)));
      yours.name = "yours";
      CHECK(!change_bot(u, yours, at(11)));
      auto found = find_bot(u, 1, 1).value();
      CHECK_EQ(found.name, "mine");
      CHECK(found.limits == (bot_limits{5, 2}));
      CHECK_EQ(found.version, 2);
      CHECK(found.updated == at(10));
      found.tenant = 2;
      CHECK(!change_bot(u, found, at(12)));
    });
  });
}

SCENARIO("states and tokens change for their own tenant only") {
  on_both([](test_store& store) {
    auto db = store.open();
    add_bots(db, 1, 2);
    db.write([](unit& u) {
      bot_state suspended{bot_phase::suspended, "by hand", at(5), {}, 0};
      CHECK(!set_bot_state(u, 2, 1, suspended, at(5)));
      CHECK(set_bot_state(u, 1, 1, suspended, at(5)));
      CHECK(find_bot(u, 1, 1)->state == suspended);
      CHECK_EQ(find_bot(u, 1, 1)->version, 2);
      CHECK(!set_bot_token(u, 2, 1, sample_token(9), at(6)));
      CHECK(set_bot_token(u, 1, 1, sample_token(9), at(6)));
      CHECK_EQ(load_bots(u, 0, 1)[0].token.hash, "hash-9");
      CHECK(!remove_bot(u, 2, 1));
      CHECK(find_bot(u, 1, 1).has_value());
    });
    CHECK(
      fault_of([&] { db.write([](unit& u) { set_bot_token(u, 1, 1, sample_token(2), at(7)); }); })
      == fault::constraint);
  });
}

SCENARIO("a removed bot leaves nothing behind and its token is free again") {
  on_both([](test_store& store) {
    auto db = store.open();
    add_bots(db, 1, 2);
    db.write([](unit& u) {
      for (bot_id id : {1, 2}) {
        CHECK(set_verification(u, 1, id, "code", at(0), at(100)));
        CHECK(add_virtual_token(u, {.tenant = 1, .bot = id}, "v" + std::to_string(id)).has_value());
        CHECK(verify(u, id, "another", 5, 5, at(1)) == verdict::wrong);
      }
    });
    db.write([](unit& u) {
      CHECK(remove_bot(u, 1, 1));
      CHECK(!remove_bot(u, 1, 1));
    });
    db.write([](unit& u) {
      for (std::string table : {"verification_codes", "verification_tries", "virtual_tokens"}) {
        CHECK_EQ(*u.value<int>("SELECT COUNT(*) FROM " + table + " WHERE bot = 1"), 0);
        CHECK_EQ(*u.value<int>("SELECT COUNT(*) FROM " + table + " WHERE bot = 2"), 1);
      }
      CHECK(add_bot(u, sample_bot(1), sample_token(1)) == registration::done);
    });
  });
}

} // namespace troupe::store::bots_suite
