#define CAF_SUITE tenants
#include "runtime/store/bots.hpp"
#include "runtime/store/keys.hpp"
#include "runtime/store/tenants.hpp"

#include "tests/store/samples.hpp"
#include "tests/store/stores.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::store::tenants_suite {

SCENARIO("tenants have names of their own and limits that change") {
  on_both([](test_store& store) {
    auto db = store.open();
    db.write([](unit& u) {
      auto acme = add_tenant(u, {.name = "acme", .max_bots = 5, .rps = 7, .created = at(1)});
      REQUIRE(acme.has_value());
      CHECK(!add_tenant(u, {.name = "acme", .created = at(2)}).has_value());
      auto found = find_tenant(u, *acme);
      REQUIRE(found.has_value());
      CHECK_EQ(found->name, "acme");
      CHECK(found->state == tenant_state::active);
      CHECK_EQ(found->max_bots, 5);
      CHECK_EQ(found->rps, 7);
      CHECK(found->created == at(1));
      found->state = tenant_state::suspended;
      found->name = "Acme Inc.";
      found->max_bots = 0;
      CHECK(change_tenant(u, *found));
      CHECK_EQ(find_tenant(u, *acme)->name, "Acme Inc.");
      CHECK(find_tenant(u, *acme)->state == tenant_state::suspended);
      found->id = 99;
      CHECK(!change_tenant(u, *found));
      CHECK(!find_tenant(u, 99).has_value());
      auto all = list_tenants(u, 0, 10);
      REQUIRE_EQ(all.size(), 2u);
      CHECK_EQ(all[0].name, "default");
      CHECK_EQ(list_tenants(u, 1, 10).size(), 1u);
      CHECK_EQ(list_tenants(u, 0, 1).size(), 1u);
    });
  });
}

SCENARIO("a tenant goes with its users and keys, but not while it has bots") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto acme = db.write([](unit& u) {
      auto id = add_tenant(u, {.name = "acme", .created = at(1)}).value();
      auto user = add_user(u, {.tenant = id, .name = "ada", .role = role::admin});
      add_key(u, {.tenant = id, .user = user, .role = role::admin}, "h1");
      add_key(u, {.tenant = id, .role = role::viewer}, "h2");
      CHECK(add_bot(u, sample_bot(7, id), sample_token(7)) == registration::done);
      return id;
    });
    CHECK(fault_of([&] { db.write([&](unit& u) { remove_tenant(u, acme); }); })
          == fault::constraint);
    db.write([&](unit& u) {
      CHECK(remove_bot(u, acme, 7));
      CHECK(remove_tenant(u, acme));
      CHECK(!remove_tenant(u, acme));
      CHECK(!find_key(u, "h1").has_value());
      CHECK(!find_key(u, "h2").has_value());
      CHECK(list_users(u, acme, 0, 10).empty());
    });
  });
}

SCENARIO("users belong to one tenant and are seen by it alone") {
  on_both([](test_store& store) {
    auto db = store.open();
    db.write([](unit& u) {
      auto other = add_tenant(u, {.name = "other"}).value();
      auto ada =
        add_user(u, {.tenant = 1, .name = "ada", .role = role::developer, .created = at(3)});
      REQUIRE(ada.has_value());
      CHECK(!add_user(u, {.tenant = 1, .name = "ada"}).has_value());
      CHECK(add_user(u, {.tenant = other, .name = "ada"}).has_value());
      CHECK(find_user(u, 1, *ada)->role == role::developer);
      CHECK(!find_user(u, other, *ada).has_value());
      CHECK_EQ(list_users(u, 1, 0, 10).size(), 1u);
      CHECK(list_users(u, 1, *ada, 10).empty());
      auto key = add_key(u, {.tenant = 1, .user = ada, .role = role::developer}, "h");
      CHECK(key > 0);
      CHECK(!remove_user(u, other, *ada));
      CHECK(remove_user(u, 1, *ada));
      CHECK(!find_key(u, "h").has_value());
    });
  });
}

SCENARIO("keys are found by hash, listed by owner, revoked for good") {
  on_both([](test_store& store) {
    auto db = store.open();
    db.write([](unit& u) {
      CHECK(!has_operator_key(u, at(0)));
      auto other = add_tenant(u, {.name = "other"}).value();
      auto first = add_key(
        u, {.role = role::operator_, .name = "first", .prefix = "trp_o_x", .created = at(1)}, "h1");
      auto brief = add_key(u,
                           {.tenant = 1,
                            .role = role::developer,
                            .name = "ci",
                            .prefix = "trp_t_y",
                            .created = at(2),
                            .expires = at(100)},
                           "h2");
      CHECK(has_operator_key(u, at(0)));
      auto found = find_key(u, "h2");
      REQUIRE(found.has_value());
      CHECK_EQ(found->id, brief);
      CHECK(found->tenant == 1u);
      CHECK(found->role == role::developer);
      CHECK_EQ(found->prefix, "trp_t_y");
      CHECK(found->expires == at(100));
      CHECK(!found->revoked.has_value());
      CHECK(!find_key(u, "h3").has_value());
      CHECK_EQ(list_keys(u, 1, 0, 10).size(), 1u);
      CHECK_EQ(list_keys(u, std::nullopt, 0, 10).size(), 1u);
      CHECK_EQ(list_keys(u, other, 0, 10).size(), 0u);
      // Nobody revokes another's key.
      CHECK(!revoke_key(u, other, brief, at(5)));
      CHECK(!revoke_key(u, std::nullopt, brief, at(5)));
      CHECK(!revoke_key(u, 1, first, at(5)));
      CHECK(revoke_key(u, 1, brief, at(5)));
      CHECK(!revoke_key(u, 1, brief, at(6)));
      CHECK(find_key(u, "h2")->revoked == at(5));
      CHECK(revoke_key(u, std::nullopt, first, at(7)));
      CHECK(!has_operator_key(u, at(8)));
      add_key(u, {.role = role::operator_, .expires = at(10)}, "h4");
      CHECK(has_operator_key(u, at(9)));
      CHECK(!has_operator_key(u, at(10)));
    });
  });
}

SCENARIO("a key's last use is written once a minute") {
  on_both([](test_store& store) {
    auto db = store.open();
    db.write([](unit& u) {
      auto id = add_key(u, {.role = role::operator_}, "h");
      mark_key_used(u, id, at(1000));
      CHECK(find_key(u, "h")->used == at(1000));
      mark_key_used(u, id, at(60'999));
      CHECK(find_key(u, "h")->used == at(1000));
      mark_key_used(u, id, at(61'001));
      CHECK(find_key(u, "h")->used == at(61'001));
    });
  });
}

SCENARIO("a key's role, tenant and user cannot contradict") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto refused = [&](const api_key& what) {
      return fault_of([&] { db.write([&](unit& u) { add_key(u, what, "h"); }); })
             == fault::constraint;
    };
    auto [other, ada] = db.write([](unit& u) {
      return std::pair{add_tenant(u, {.name = "other"}).value(),
                       add_user(u, {.tenant = 1, .name = "ada"}).value()};
    });
    CHECK(refused({.role = role::viewer}));
    CHECK(refused({.tenant = 1, .role = role::operator_}));
    CHECK(refused({.tenant = 77, .role = role::viewer}));
    CHECK(refused({.tenant = other, .user = ada, .role = role::viewer}));
    CHECK(!refused({.tenant = 1, .user = ada, .role = role::viewer}));
    // The same hash twice.
    CHECK(refused({.tenant = 1, .role = role::viewer}));
  });
}

} // namespace troupe::store::tenants_suite
