#define CAF_SUITE tokens
#include "runtime/crypto/hash.hpp"
#include "runtime/store/secrets.hpp"
#include "runtime/store/tenants.hpp"
#include "runtime/store/tokens.hpp"

#include "tests/crypto/sources.hpp"
#include "tests/store/samples.hpp"
#include "tests/store/stores.hpp"

#include <thread>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::store::tokens_suite {

namespace crypto = troupe::crypto;

namespace {

void add_sample(database& db, troupe::bot_id id) {
  db.write([&](unit& u) { (void)add_bot(u, sample_bot(id), sample_token(id)); });
}

verdict try_code(database& db, const std::string& hash, std::int64_t ms) {
  return db.write([&](unit& u) { return verify(u, 1, hash, 555, 5, at(ms)); });
}

} // namespace

SCENARIO("the right code in time makes its sender the owner, once") {
  on_both([](test_store& store) {
    auto db = store.open();
    add_sample(db, 1);
    CHECK(try_code(db, "right", 1) == verdict::no_code);
    db.write([](unit& u) {
      CHECK(!set_verification(u, 2, 1, "right", at(0), at(100)));
      CHECK(set_verification(u, 1, 1, "right", at(0), at(100)));
    });
    CHECK(try_code(db, "wrong", 1) == verdict::wrong);
    db.read([](unit& u) {
      CHECK_EQ(find_verification(u, 1, 1)->attempts, 1);
      CHECK(!find_verification(u, 2, 1).has_value());
      CHECK(!find_bot(u, 1, 1)->verified.has_value());
    });
    CHECK(try_code(db, "right", 100) == verdict::expired);
    CHECK(try_code(db, "right", 99) == verdict::verified);
    db.read([](unit& u) {
      auto bot = find_bot(u, 1, 1).value();
      CHECK(bot.owner == 555);
      CHECK(bot.verified == at(99));
      CHECK(bot.state.phase == troupe::bot_phase::pending);
    });
    CHECK(try_code(db, "right", 99) == verdict::no_code);
  });
}

SCENARIO("after too many attempts even the right code is refused, until there is a new one") {
  on_both([](test_store& store) {
    auto db = store.open();
    add_sample(db, 1);
    auto ask = [&](const std::string& hash) {
      db.write([&](unit& u) { CHECK(set_verification(u, 1, 1, hash, at(0), at(100))); });
    };
    ask("right");
    for (int i = 0; i < 5; ++i)
      CHECK(try_code(db, "wrong", 1) == verdict::wrong);
    CHECK(try_code(db, "right", 1) == verdict::too_many_attempts);
    ask("newer");
    CHECK(try_code(db, "right", 1) == verdict::wrong);
    CHECK(try_code(db, "newer", 1) == verdict::verified);
  });
}

SCENARIO("attempts that come at once are all counted") {
  on_both([](test_store& store) {
    auto db = store.open();
    add_sample(db, 1);
    db.write([](unit& u) { CHECK(set_verification(u, 1, 1, "right", at(0), at(100))); });
    std::atomic<int> wrong{0};
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        (void)failure_of([&] {
          auto mine = store.connect();
          mine.set_patience(60s);
          for (int j = 0; j < 5; ++j)
            wrong += try_code(mine, "wrong", 1) == verdict::wrong;
        });
      });
    for (auto& thread : threads)
      thread.join();
    CHECK_EQ(wrong.load(), 5);
    CHECK(try_code(db, "right", 1) == verdict::too_many_attempts);
  });
}

SCENARIO("virtual tokens belong to a bot of a tenant and end at once") {
  on_both([](test_store& store) {
    auto db = store.open();
    add_sample(db, 1);
    add_sample(db, 2);
    db.write([](unit& u) {
      virtual_token mine{.tenant = 1,
                         .bot = 1,
                         .name = "ci",
                         .methods = {"getme", "sendmessage"},
                         .created = at(1),
                         .expires = at(50)};
      auto id = add_virtual_token(u, mine, "h1");
      REQUIRE(id.has_value());
      auto all = add_virtual_token(u, {.tenant = 1, .bot = 1, .name = "all"}, "h2");
      auto twos = add_virtual_token(u, {.tenant = 1, .bot = 2}, "h3");
      CHECK(!add_virtual_token(u, {.tenant = 2, .bot = 1}, "h4").has_value());
      CHECK(!add_virtual_token(u, {.tenant = 1, .bot = 3}, "h5").has_value());
      auto found = find_virtual_token(u, "h1");
      REQUIRE(found.has_value());
      CHECK_EQ(found->id, *id);
      CHECK_EQ(found->bot, 1);
      CHECK_EQ(found->name, "ci");
      CHECK_EQ(found->methods, mine.methods);
      CHECK(found->expires == at(50));
      CHECK(find_virtual_token(u, "h2")->methods.empty());
      CHECK(!find_virtual_token(u, "h4").has_value());
      CHECK_EQ(list_virtual_tokens(u, 1, 1, 0, 10).size(), 2u);
      CHECK_EQ(list_virtual_tokens(u, 1, 1, *id, 10).size(), 1u);
      CHECK(list_virtual_tokens(u, 2, 1, 0, 10).empty());
      CHECK_EQ(load_virtual_tokens(u, 0, 10, at(49)).size(), 3u);
      CHECK_EQ(load_virtual_tokens(u, 0, 10, at(50)).size(), 2u);
      CHECK(!revoke_virtual_token(u, 2, 1, *all, at(9)));
      CHECK(!revoke_virtual_token(u, 1, 2, *all, at(9)));
      CHECK(revoke_virtual_token(u, 1, 1, *all, at(9)));
      CHECK(!revoke_virtual_token(u, 1, 1, *all, at(10)));
      auto left = load_virtual_tokens(u, 0, 10, at(50));
      REQUIRE_EQ(left.size(), 1u);
      CHECK_EQ(left[0].first.id, *twos);
      CHECK_EQ(left[0].second, "h3");
      CHECK(find_virtual_token(u, "h2")->revoked == at(9));
    });
  });
}

SCENARIO("the key of all hashes is made once and survives every master key") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto source = crypto::os_random();
    crypto::key_ring first{{crypto::key_of(1)}};
    CHECK(!db.read([](unit& u) { return has_seals(u); }));
    auto key = db.write([&](unit& u) { return lookup_key(u, first, source); });
    CHECK(db.read([](unit& u) { return has_seals(u); }));
    CHECK(key == db.write([&](unit& u) { return lookup_key(u, first, source); }));
    // With another master key nothing opens, and nothing is made instead.
    crypto::key_ring stranger{{crypto::key_of(9)}};
    CHECK_THROWS_AS(db.write([&](unit& u) { (void)lookup_key(u, stranger, source); }),
                    crypto::crypto_error);
    crypto::key_ring both{{crypto::key_of(2), crypto::key_of(1)}};
    db.write([&](unit& u) { CHECK(reseal(u, both, source, 10).done); });
    crypto::key_ring second{{crypto::key_of(2)}};
    CHECK(key == db.write([&](unit& u) { return lookup_key(u, second, source); }));
  });
}

SCENARIO("nodes that start together agree on the key of all hashes") {
  on_both([](test_store& store) {
    auto db = store.open();
    crypto::key_ring ring{{crypto::key_of(1)}};
    std::vector<std::string> hashes(4);
    std::vector<std::jthread> threads;
    for (auto& mine : hashes)
      threads.emplace_back([&] {
        (void)failure_of([&] {
          auto own = store.connect();
          own.set_patience(60s);
          auto key = own.write([&](unit& u) { return lookup_key(u, ring, crypto::os_random()); });
          mine = crypto::keyed_hash(key, "test", "text");
        });
      });
    for (auto& thread : threads)
      thread.join();
    for (auto& one : hashes)
      CHECK_EQ(one, hashes.front());
    CHECK_EQ(hashes.front().size(), 43u);
  });
}

SCENARIO("tokens move to a new master key a few at a time, while they change") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto source = crypto::os_random();
    crypto::key_ring before{{crypto::key_of(1)}};
    crypto::key_ring during{{crypto::key_of(2), crypto::key_of(1)}};
    crypto::key_ring after{{crypto::key_of(2)}};
    auto sealed = [&](const crypto::key_ring& ring, troupe::bot_id id) {
      auto text = std::to_string(id);
      return stored_token{ring.seal("token-" + text, {crypto::purpose::bot_token, id}, source),
                          "hash-" + text};
    };
    db.write([&](unit& u) {
      for (troupe::bot_id id = 1; id <= 25; ++id)
        CHECK(add_bot(u, sample_bot(id), sealed(before, id)) == registration::done);
    });
    auto step = [&] { return db.write([&](unit& u) { return reseal(u, during, source, 10); }); };
    CHECK_EQ(step().resealed, 10u);
    // A bot whose token is replaced meanwhile is left alone.
    auto stale = db.read([](unit& u) { return load_bots(u, 10, 1).at(0).token.box; });
    db.write([&](unit& u) {
      CHECK(set_bot_token(u, 1, 11, sealed(during, 11), at(1)));
      CHECK(!reseal_bot(u, 11, stale, {"x", "y"}));
    });
    CHECK(!step().done);
    auto last = step();
    CHECK_EQ(last.resealed, 4u);
    CHECK(last.done);
    CHECK_EQ(step().resealed, 0u);
    db.read([&](unit& u) {
      auto all = load_bots(u, 0, 100);
      CHECK_EQ(all.size(), 25u);
      for (auto& one : all)
        CHECK_EQ(after.open(one.token.box, {crypto::purpose::bot_token, one.bot.id}).reveal(),
                 "token-" + std::to_string(one.bot.id));
    });
  });
}

SCENARIO("a token that does not open keeps no other from moving to a new master key") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto source = crypto::os_random();
    crypto::key_ring before{{crypto::key_of(1)}};
    crypto::key_ring during{{crypto::key_of(2), crypto::key_of(1)}};
    db.write([&](unit& u) {
      for (troupe::bot_id id = 1; id <= 5; ++id) {
        auto whose = id == 2 ? 3 : id; // Sealed for another bot: it does not open.
        auto box = before.seal("token", {crypto::purpose::bot_token, whose}, source);
        CHECK(add_bot(u, sample_bot(id), {box, "hash-" + std::to_string(id)})
              == registration::done);
      }
    });
    reseal_progress part;
    std::size_t resealed = 0;
    std::size_t unreadable = 0;
    while (!part.done) {
      part = db.write([&](unit& u) { return reseal(u, during, source, 2, part.last); });
      resealed += part.resealed;
      unreadable += part.unreadable;
    }
    CHECK_EQ(resealed, 4u);
    CHECK_EQ(unreadable, 1u);
  });
}

} // namespace troupe::store::tokens_suite
