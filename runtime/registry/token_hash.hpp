#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace troupe {

/// What stands for a token in memory: 128 bits under a key that only this process knows.
struct token_digest {
  std::uint64_t key = 0;   ///< Finds the directory entry; travels as start_bot::token_hash.
  std::uint64_t check = 0; ///< Verifies the rest; never leaves gateway and directory.
};

using siphash_key = std::array<std::uint64_t, 2>;

/// SipHash-2-4 with 64 bits of output (Aumasson, Bernstein: https://www.aumasson.jp/siphash/).
[[nodiscard]] std::uint64_t siphash64(const siphash_key& key, std::string_view bytes) noexcept;

/// SipHash-2-4 with 128 bits of output: `key` holds the first eight bytes, `check` the others.
[[nodiscard]] token_digest siphash128(const siphash_key& key, std::string_view bytes) noexcept;

/// A new random key from the operating system. @throws std::runtime_error without randomness.
[[nodiscard]] siphash_key random_siphash_key();

/// The digest of a bot token under this process's key; costs about as much as a cache miss.
[[nodiscard]] inline token_digest token_hash(const siphash_key& key,
                                             std::string_view token) noexcept {
  return siphash128(key, token);
}

/// Equality in constant time: an answer's delay tells nothing about the stored digest.
[[nodiscard]] inline bool same_digest(const token_digest& a, const token_digest& b) noexcept {
  return ((a.key ^ b.key) | (a.check ^ b.check)) == 0;
}

/// The id of an adopted bot whose token nobody has accepted yet: negative, so it is no bot's
/// number.
[[nodiscard]] inline std::int64_t provisional_bot_id(const token_digest& digest) noexcept {
  return -static_cast<std::int64_t>((digest.key >> 2) + 2);
}

} // namespace troupe
