#include "runtime/registry/token_hash.hpp"

#include <openssl/rand.h>

#include <bit>
#include <cstring>
#include <stdexcept>

namespace troupe {
namespace {

static_assert(std::endian::native == std::endian::little);

struct sip_state {
  std::uint64_t v0, v1, v2, v3;

  explicit sip_state(const siphash_key& k) noexcept
    : v0(k[0] ^ 0x736f6d6570736575u), v1(k[1] ^ 0x646f72616e646f6du),
      v2(k[0] ^ 0x6c7967656e657261u), v3(k[1] ^ 0x7465646279746573u) {}

  void round() noexcept {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }

  void absorb(std::uint64_t word) noexcept {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }

  void absorb(std::string_view bytes) noexcept {
    auto length = bytes.size();
    std::uint64_t word;
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
      std::memcpy(&word, bytes.data(), 8);
      absorb(word);
    }
    word = 0;
    if (!bytes.empty())
      std::memcpy(&word, bytes.data(), bytes.size());
    absorb(word | (static_cast<std::uint64_t>(length) << 56));
  }

  std::uint64_t squeeze() noexcept {
    for (int i = 0; i < 4; ++i)
      round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

} // namespace

std::uint64_t siphash64(const siphash_key& key, std::string_view bytes) noexcept {
  sip_state state{key};
  state.absorb(bytes);
  state.v2 ^= 0xff;
  return state.squeeze();
}

token_digest siphash128(const siphash_key& key, std::string_view bytes) noexcept {
  sip_state state{key};
  state.v1 ^= 0xee;
  state.absorb(bytes);
  state.v2 ^= 0xee;
  token_digest result;
  result.key = state.squeeze();
  state.v1 ^= 0xdd;
  result.check = state.squeeze();
  return result;
}

siphash_key random_siphash_key() {
  unsigned char raw[16];
  if (RAND_bytes(raw, sizeof raw) != 1)
    throw std::runtime_error("the operating system gave no random bytes");
  siphash_key key;
  std::memcpy(key.data(), raw, sizeof raw);
  return key;
}

} // namespace troupe
