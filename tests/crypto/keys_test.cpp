#define CAF_SUITE keys
#include "runtime/crypto/api_key.hpp"
#include "runtime/crypto/codes.hpp"
#include "runtime/crypto/hash.hpp"
#include "runtime/telegram/token.hpp"

#include "tests/crypto/sources.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::keys_suite {

using namespace troupe::crypto;

SCENARIO("a keyed hash depends on key, purpose and text") {
  auto one = keyed_hash(key_of(1), "bot-token", "text");
  // printf 'bot-token\0text' | openssl dgst -mac HMAC -macopt hexkey:0101… -sha256 -binary
  CHECK_EQ(one, "tszzsmWSP2Ln8-NoQmDMkok1B_DRGluUKOY7-CnGWJ8");
  CHECK_EQ(one, keyed_hash(key_of(1), "bot-token", "text"));
  CHECK_NE(one, keyed_hash(key_of(2), "bot-token", "text"));
  CHECK_NE(one, keyed_hash(key_of(1), "bot-tokent", "ext"));
  CHECK_NE(one, keyed_hash(key_of(1), "bot-token", "text2"));
  CHECK_EQ(one.size(), 43u);
  // The empty text's, from FIPS 180-4's test vectors.
  CHECK_EQ(plain_hash(""), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
}

SCENARIO("comparison looks at every byte") {
  CHECK(same("", ""));
  CHECK(same("abc", "abc"));
  CHECK(!same("abc", "abd"));
  CHECK(!same("abc", "xbc"));
  CHECK(!same("abc", "ab"));
  CHECK(key_of(3) == key_of(3));
  CHECK(!(key_of(3) == key_of(4)));
}

SCENARIO("an API key tells its kind and its typing errors") {
  auto source = os_random();
  auto owner = make_api_key(api_key_kind::operator_key, source);
  auto tenant = make_api_key(api_key_kind::tenant_key, source);
  CHECK(api_key_form(owner.reveal()) == api_key_kind::operator_key);
  CHECK(api_key_form(tenant.reveal()) == api_key_kind::tenant_key);
  auto text = tenant.reveal();
  CHECK_EQ(text.size(), api_key_length);
  int taken = 0;
  for (std::size_t size = 0; size < text.size(); ++size)
    taken += api_key_form(text.substr(0, size)).has_value();
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto wrong = text;
    wrong[i] = wrong[i] == 'x' ? 'y' : 'x';
    taken += api_key_form(wrong).has_value();
  }
  CHECK_EQ(taken, 0);
  CHECK(!api_key_form(text + "A"));
  CHECK(!api_key_form(std::string(api_key_length, '\0')));
  CHECK_EQ(api_key_prefix(text), text.substr(0, 14));
}

SCENARIO("a verification code is read as people type it") {
  auto code = make_verification_code(seeded(5));
  CHECK_EQ(code.size(), 10u);
  CHECK_EQ(read_verification_code(code), code);
  CHECK_EQ(read_verification_code("01oil-abcde"), "01011ABCDE");
  CHECK_EQ(read_verification_code("0123456789"), "0123456789");
  CHECK_EQ(read_verification_code("01234-abcde"), "01234ABCDE");
  CHECK_EQ(read_verification_code("012345678"), "");
  CHECK_EQ(read_verification_code("01234567890"), "");
  CHECK_EQ(read_verification_code("012345678U"), "");
  CHECK_EQ(read_verification_code("012345678\xc3"), "");
  CHECK_EQ(read_verification_code(""), "");
}

SCENARIO("a virtual token has a bot token's form") {
  auto token = make_virtual_token(123456, os_random());
  auto parsed = troupe::telegram::bot_token::parse(token.reveal());
  REQUIRE(parsed.has_value());
  CHECK_EQ(parsed->id(), 123456);
  CHECK_NE(make_virtual_token(123456, os_random()).reveal(), token.reveal());
}

SCENARIO("random texts use every character equally often") {
  auto text = random_text(os_random(), "0123456789", 100'000);
  std::map<char, int> counts;
  for (auto c : text)
    ++counts[c];
  CHECK_EQ(counts.size(), 10u);
  // Ten thousand each; 600 is more than six standard deviations.
  for (auto& [c, n] : counts)
    CHECK(n > 9400 && n < 10600);
  CHECK_EQ(random_text(seeded(3), token_alphabet, 40), random_text(seeded(3), token_alphabet, 40));
  CHECK_NE(random_text(seeded(3), token_alphabet, 40), random_text(seeded(4), token_alphabet, 40));
}

SCENARIO("random ids are positive and differ") {
  std::set<std::int64_t> seen;
  auto source = os_random();
  for (int i = 0; i < 1000; ++i)
    seen.insert(random_id(source));
  CHECK_EQ(seen.size(), 1000u);
  CHECK(*seen.begin() > 0);
}

SCENARIO("base64 takes only what it gives") {
  std::string all;
  for (int i = 0; i < 256; ++i)
    all += static_cast<char>(i);
  for (std::size_t size = 0; size <= all.size(); ++size) {
    auto part = all.substr(0, size);
    CHECK(from_base64(to_base64(as_bytes(part))) == part);
    CHECK(from_base64url(to_base64url(as_bytes(part))) == part);
  }
  CHECK_EQ(to_base64(as_bytes("foob")), "Zm9vYg==");
  CHECK_EQ(to_base64url(as_bytes("foob")), "Zm9vYg");
  for (auto* text :
       {"Zm9vYg", "Zm9vYg=", "Zm9vYh==", "Zm9v Yg=", "Z===", "====", "Zm9vYg==Zm9v", "Zm-v"})
    CHECK(!from_base64(text));
  for (auto* text : {"Zm9vYg==", "Z", "Zm9vYh", "Zm+v"})
    CHECK(!from_base64url(text));
}

SCENARIO("secrets are overwritten when they go") {
  std::string text(100, 's');
  text.resize(50);
  auto* bytes = text.data();
  wipe(text);
  CHECK(text.empty());
  CHECK_EQ(std::count(bytes, bytes + 100, 's'), 0);
  std::string brief{"short"};
  secret_text first{std::move(brief)};
  secret_text second{std::move(first)};
  CHECK_EQ(second.reveal(), "short");
  CHECK(first.empty());
  alignas(secret_key) unsigned char room[sizeof(secret_key)];
  auto* key = new (room) secret_key{key_of(0x5a)};
  key->~secret_key();
  CHECK_EQ(std::count(room, room + sizeof room, 0x5a), 0);
}

} // namespace troupe::keys_suite
