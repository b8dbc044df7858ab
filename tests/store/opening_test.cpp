#define CAF_SUITE opening
#include "runtime/store/opening.hpp"

#include "runtime/crypto/api_key.hpp"
#include "runtime/crypto/hash.hpp"
#include "runtime/store/idempotency.hpp"
#include "runtime/store/keys.hpp"

#include "tests/store/samples.hpp"
#include "tests/store/stores.hpp"

#include <filesystem>
#include <fstream>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::store::opening_suite {

namespace fs = std::filesystem;

namespace {

/// A data directory beside a store of either kind.
struct place {
  explicit place(const test_store& on) {
    std::string name = (fs::temp_directory_path() / "troupe-open-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      CAF_FAIL("no temporary directory");
    dir = name;
    how.database = on.options();
    how.keys.data_dir = dir;
    // PostgreSQL may be shared by nodes: it never makes a key up.
    if (on.kind == backend::postgresql)
      how.keys.environment = crypto::to_base64(std::vector<std::uint8_t>(32, 7));
    how.operator_key_file = dir + "/operator.key";
  }
  ~place() {
    std::error_code ignored;
    fs::remove_all(dir, ignored);
  }
  place(const place&) = delete;
  place& operator=(const place&) = delete;

  std::string operator_key() const {
    std::string text;
    std::ifstream{how.operator_key_file} >> text;
    return text;
  }

  std::string dir;
  opening how;
};

auto random_bytes = crypto::os_random();

} // namespace

SCENARIO("a first start makes what is missing, a second one finds it") {
  on_both([](test_store& on) {
    place p{on};
    auto first = store::open(p.how, random_bytes);
    CHECK(first.made_operator_key);
    CHECK_EQ(first.lost_requests, 0u);
    CHECK_EQ(first.keys.created, on.kind == backend::sqlite);
    CHECK((fs::status(p.how.operator_key_file).permissions() & fs::perms{0077})
          == fs::perms::none);
    auto key = p.operator_key();
    CHECK(crypto::api_key_form(key) == crypto::api_key_kind::operator_key);
    auto db = on.connect();
    auto hash = crypto::keyed_hash(first.lookup, crypto::purpose::api_key, key);
    auto found = db.read([&](unit& u) { return find_key(u, hash); });
    REQUIRE(found.has_value());
    CHECK(found->role == role::operator_);
    auto second = store::open(p.how, random_bytes);
    CHECK(!second.made_operator_key);
    CHECK(!second.keys.created);
    CHECK(second.lookup == first.lookup);
    CHECK_EQ(p.operator_key(), key);
  });
}

SCENARIO("when the last operator key is gone, the next start makes another") {
  on_both([](test_store& on) {
    place p{on};
    (void)store::open(p.how, random_bytes);
    auto old = p.operator_key();
    auto db = on.connect();
    db.write([](unit& u) { u.execute("UPDATE api_keys SET revoked = 1"); });
    CHECK(store::open(p.how, random_bytes).made_operator_key);
    CHECK_NE(p.operator_key(), old);
    // Without a place for it, none is made.
    db.write([](unit& u) { u.execute("UPDATE api_keys SET revoked = 1"); });
    p.how.operator_key_file.clear();
    CHECK(!store::open(p.how, random_bytes).made_operator_key);
  });
}

SCENARIO("a key that could not be written is no key") {
  test_store on{backend::sqlite};
  place p{on};
  p.how.operator_key_file = p.dir + "/missing/operator.key";
  CHECK(fault_of([&] { (void)store::open(p.how, random_bytes); }) == fault::other);
  auto db = on.connect();
  CHECK(!db.read([](unit& u) { return has_operator_key(u, at(0)); }));
}

SCENARIO("what this node ran when it ended has an unknown outcome, others' requests go on") {
  on_both([](test_store& on) {
    place p{on};
    (void)store::open(p.how, random_bytes);
    auto db = on.connect();
    db.write([](unit& u) {
      (void)begin_request(u, {1, 0, "mine"}, "b", "node", at(0), at(1'000'000));
      (void)begin_request(u, {1, 0, "other"}, "b", "other-node", at(0), at(1'000'000));
    });
    CHECK_EQ(store::open(p.how, random_bytes).lost_requests, 1u);
    db.write([](unit& u) {
      CHECK(begin_request(u, {1, 0, "mine"}, "b", "node", at(0), at(1)).what
            == idempotency_verdict::outcome_unknown);
      CHECK(begin_request(u, {1, 0, "other"}, "b", "node", at(0), at(1)).what
            == idempotency_verdict::running);
    });
  });
}

SCENARIO("another master key seals everything anew at the next start, and then suffices") {
  on_both([](test_store& on) {
    place p{on};
    auto old_key = crypto::to_base64(std::vector<std::uint8_t>(32, 1));
    auto new_key = crypto::to_base64(std::vector<std::uint8_t>(32, 2));
    p.how.keys.environment.clear();
    p.how.keys.file = p.dir + "/keys";
    std::ofstream{p.how.keys.file} << old_key << '\n';
    auto first = store::open(p.how, random_bytes);
    auto db = on.connect();
    db.write([&](unit& u) {
      for (bot_id id = 1; id <= 700; ++id) {
        auto row = sample_bot(id);
        auto box = first.keys.ring.seal("secret", {crypto::purpose::bot_token, id}, random_bytes);
        (void)add_bot(u, row, {box, "hash-" + std::to_string(id)});
      }
    });
    CHECK_EQ(store::open(p.how, random_bytes).resealed, 0u);
    std::ofstream{p.how.keys.file} << new_key << '\n' << old_key << '\n';
    auto second = store::open(p.how, random_bytes);
    CHECK_EQ(second.resealed, 701u); // And the lookup key.
    CHECK(!second.unreadable);
    CHECK(second.lookup == first.lookup);
    std::ofstream{p.how.keys.file} << new_key << '\n';
    auto third = store::open(p.how, random_bytes);
    CHECK(third.lookup == first.lookup);
    auto one = db.read([](unit& u) { return load_bots(u, 699, 1); }).at(0);
    CHECK_EQ(third.keys.ring.open(one.token.box, {crypto::purpose::bot_token, 700}).reveal(),
             "secret");
  });
}

SCENARIO("a store in use does not open without its master key") {
  test_store on{backend::sqlite};
  place p{on};
  (void)store::open(p.how, random_bytes);
  fs::remove(p.dir + "/master.key");
  bool refused = false;
  try {
    (void)store::open(p.how, random_bytes);
  } catch (const crypto::crypto_error& x) {
    refused = x.kind() == crypto::failure::bad_key;
  }
  CHECK(refused);
  CHECK(!fs::exists(p.dir + "/master.key"));
}

} // namespace troupe::store::opening_suite
