#define CAF_SUITE crypto_pem
#include "runtime/crypto/pem.hpp"
#include "tests/net/throwaway_ca.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::pem_suite {

using namespace troupe::crypto;

namespace {

/// The key under a passphrase.
std::string sealed(const std::string& key) {
  auto* in = BIO_new_mem_buf(key.data(), static_cast<int>(key.size()));
  auto* opened = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
  auto* out = BIO_new(BIO_s_mem());
  char word[] = "open sesame";
  PEM_write_bio_PKCS8PrivateKey(out, opened, EVP_aes_256_cbc(), word, sizeof word - 1, nullptr,
                                nullptr);
  const char* data = nullptr;
  auto size = BIO_ctrl(out, BIO_CTRL_INFO, 0, &data);
  std::string result{data, static_cast<std::size_t>(size)};
  BIO_free_all(in);
  BIO_free_all(out);
  EVP_PKEY_free(opened);
  return result;
}

} // namespace

SCENARIO("a key belongs to one certificate") {
  net::test::throwaway_ca authority;
  auto one = authority.issue("DNS:one.test");
  auto other = authority.issue("DNS:other.test");
  CHECK(is_key_of(one.key, one.certificate));
  CHECK(is_key_of(one.certificate + one.key, one.key + one.certificate + other.certificate));
  CHECK(!is_key_of(one.key, other.certificate));
  CHECK(!is_key_of(one.key, other.certificate + one.certificate)); // The first one is the server's.
  CHECK(!is_key_of("", one.certificate));
  CHECK(!is_key_of(one.key, ""));
}

SCENARIO("what only looks like a part, or needs a passphrase, is none") {
  auto made = net::test::throwaway_ca{}.issue("DNS:one.test");
  CHECK(holds_certificate(made.certificate));
  CHECK(holds_certificate("a note\n" + made.key + made.certificate));
  CHECK(holds_private_key(made.key));
  CHECK(!holds_certificate(made.key));
  CHECK(!holds_private_key(made.certificate));
  CHECK(!holds_certificate("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"));
  CHECK(!holds_private_key("-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n"));
  CHECK(!holds_private_key(sealed(made.key)));
  CHECK(!holds_certificate(""));
}

} // namespace troupe::pem_suite
