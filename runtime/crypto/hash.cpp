#include "runtime/crypto/hash.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace troupe::crypto {

std::string plain_hash(std::string_view text) {
  std::array<std::uint8_t, 32> digest{};
  if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    throw crypto_error(failure::library, "SHA-256 failed");
  return to_base64url(digest);
}

std::string keyed_hash(const secret_key& key, std::string_view purpose, std::string_view text) {
  std::string whole;
  whole.reserve(purpose.size() + 1 + text.size());
  whole.append(purpose).append(1, '\0').append(text);
  std::array<std::uint8_t, 32> digest{};
  auto bytes = as_bytes(whole);
  auto* done = HMAC(EVP_sha256(), key.reveal().data(), secret_key::size, bytes.data(), bytes.size(),
                    digest.data(), nullptr);
  wipe(whole);
  if (done == nullptr)
    throw crypto_error(failure::library, "HMAC-SHA-256 failed");
  return to_base64url(digest);
}

} // namespace troupe::crypto
