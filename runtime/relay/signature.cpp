#include "runtime/relay/signature.hpp"

#include "runtime/crypto/hash.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

namespace troupe::relay {

std::string signing_key(const crypto::secret_key& lookup_key, bot_id bot) {
  return crypto::keyed_hash(lookup_key, "signing", std::to_string(bot));
}

std::string signature(std::string_view key, std::int64_t now, std::string_view body) {
  auto time = std::to_string(now);
  std::string whole;
  whole.reserve(time.size() + 1 + body.size());
  whole.append(time).append(1, '.').append(body);
  std::array<std::uint8_t, 32> digest{};
  auto bytes = crypto::as_bytes(whole);
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes.data(), bytes.size(),
           digest.data(), nullptr)
      == nullptr)
    throw crypto::crypto_error(crypto::failure::library, "HMAC-SHA-256 failed");
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result = "t=" + time + ",v1=";
  for (auto byte : digest)
    result.append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
  return result;
}

} // namespace troupe::relay
