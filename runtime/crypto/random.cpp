#include "runtime/crypto/random.hpp"

#include <openssl/rand.h>

namespace troupe::crypto {

random_source os_random() {
  return [](std::span<std::uint8_t> bytes) {
    if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
      throw crypto_error(failure::no_randomness, "the operating system gave no random bytes");
  };
}

secret_key random_key(const random_source& source) {
  std::array<std::uint8_t, secret_key::size> bytes{};
  source(bytes);
  secret_key key{bytes};
  wipe(bytes.data(), bytes.size());
  return key;
}

std::string random_text(const random_source& source, std::string_view alphabet,
                        std::size_t length) {
  // Bytes from here on would make the first characters likelier than the others.
  const auto fair = 256 - 256 % alphabet.size();
  std::string out;
  out.reserve(length);
  std::array<std::uint8_t, 64> bytes{};
  while (out.size() < length) {
    source(bytes);
    for (auto byte : bytes)
      if (byte < fair && out.size() < length)
        out += alphabet[byte % alphabet.size()];
  }
  wipe(bytes.data(), bytes.size());
  return out;
}

std::int64_t random_id(const random_source& source) {
  std::array<std::uint8_t, 8> bytes{};
  std::int64_t id = 0;
  while (id == 0) {
    source(bytes);
    for (auto byte : bytes)
      id = ((id & 0x7fffffffffffff) << 8) | byte;
  }
  return id;
}

} // namespace troupe::crypto
