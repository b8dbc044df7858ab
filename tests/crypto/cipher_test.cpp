#define CAF_SUITE cipher
#include "runtime/crypto/cipher.hpp"

#include "tests/crypto/sources.hpp"

#include <set>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::cipher_suite {

using namespace troupe::crypto;

namespace {

const std::string secret = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";
const seal_context mine{"bot-token", 123456};

/// Why opening fails, if it does.
std::optional<failure> why_not(const key_ring& ring, const sealed& what,
                               const seal_context& where) {
  try {
    (void)ring.open(what, where);
    return std::nullopt;
  } catch (const crypto_error& x) {
    CHECK_EQ(std::string{x.what()}.find(secret.substr(10)), std::string::npos);
    return x.kind();
  }
}

} // namespace

SCENARIO("what is sealed opens again, for its owner and purpose alone") {
  key_ring ring{{key_of(1)}};
  auto source = os_random();
  auto box = ring.seal(secret, mine, source);
  CHECK_EQ(ring.open(box, mine).reveal(), secret);
  CHECK_EQ(box.box.find("AAHd"), std::string::npos);
  CHECK(why_not(ring, box, {"bot-token", 123457}) == failure::damaged);
  CHECK(why_not(ring, box, {"bot-toke", 123456}) == failure::damaged);
  CHECK(why_not(ring, box, {"", 123456}) == failure::damaged);
  CHECK_EQ(ring.open(ring.seal("", mine, source), mine).reveal(), "");
  std::string long_text(100'000, 'x');
  CHECK_EQ(ring.open(ring.seal(long_text, mine, source), mine).reveal(), long_text);
}

SCENARIO("no bit of a seal can be changed and no byte left out") {
  key_ring ring{{key_of(1)}};
  auto box = ring.seal(secret, mine, os_random());
  auto bytes = from_base64url(box.box);
  REQUIRE(bytes.has_value());
  int opened = 0;
  for (std::size_t i = 0; i < bytes->size() * 8; ++i) {
    auto changed = *bytes;
    changed[i / 8] = static_cast<char>(changed[i / 8] ^ (1 << (i % 8)));
    opened +=
      why_not(ring, {box.key_id, to_base64url(as_bytes(changed))}, mine) != failure::damaged;
  }
  for (std::size_t size = 0; size < bytes->size(); ++size)
    opened += why_not(ring, {box.key_id, to_base64url(as_bytes(*bytes).first(size))}, mine)
              != failure::damaged;
  CHECK_EQ(opened, 0);
  CHECK(why_not(ring, {box.key_id, "not base64url!"}, mine) == failure::damaged);
}

SCENARIO("the same secret never makes the same seal") {
  key_ring ring{{key_of(1)}};
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i)
    seen.insert(ring.seal(secret, mine, os_random()).box);
  CHECK_EQ(seen.size(), 1000u);
}

SCENARIO("a master key is replaced while both are in use") {
  auto source = seeded(1);
  auto old_key = random_key(source);
  auto new_key = random_key(source);
  key_ring before{{old_key}};
  key_ring learning{{old_key, new_key}};
  key_ring during{{new_key, old_key}};
  key_ring after{{new_key}};
  auto box = before.seal(secret, mine, source);
  CHECK(during.is_stale(box));
  CHECK_EQ(during.open(box, mine).reveal(), secret);
  auto again = during.seal(during.open(box, mine).reveal(), mine, source);
  CHECK(!during.is_stale(again));
  CHECK_EQ(after.open(again, mine).reveal(), secret);
  CHECK_EQ(learning.open(again, mine).reveal(), secret);
  CHECK(why_not(after, box, mine) == failure::unknown_key);
  CHECK(why_not(before, again, mine) == failure::unknown_key);
  // The key's name is part of what is sealed.
  CHECK(why_not(during, {again.key_id, box.box}, mine) == failure::damaged);
}

SCENARIO("a ring has at least one key of 32 bytes") {
  CHECK_THROWS_AS(key_ring({}), crypto_error);
  CHECK_THROWS_AS(secret_key(as_bytes("too short")), crypto_error);
}

SCENARIO("seals made by the first version open for ever") {
  key_ring ring{{key_of(7)}};
  CHECK_EQ(ring.current(), key_id(key_of(7)));
  auto box = ring.seal("the secret", {"lookup-key", -2}, constant(9));
  // Made with another implementation of AES-256-GCM.
  CHECK_EQ(box.key_id, "9f8b1458902b5712");
  CHECK_EQ(box.box, "AQkJCQkJCQkJCQkJCVPt4bTNlaITxRbdh4fAyyUpBrj4VI0O99wn");
}

} // namespace troupe::cipher_suite
