#pragma once
#include "runtime/crypto/random.hpp"

#include <vector>

namespace troupe::crypto {

/// A secret as it is stored. Neither part is secret.
struct sealed {
  std::string key_id; ///< Names the master key.
  std::string box;    ///< base64url of format (1), nonce (12), ciphertext, tag (16).
  friend bool operator==(const sealed&, const sealed&) = default;
};

/// What a seal belongs to. It opens for nothing else: a row copied to another bot is damage.
struct seal_context {
  std::string_view purpose; ///< See `purpose` in hash.hpp.
  std::int64_t owner = 0;   ///< The bot's id; 0 for what belongs to the store itself.
};

/// A key's name: 16 hexadecimal characters made from it by SHA-256. Says nothing about the key.
[[nodiscard]] std::string key_id(const secret_key& key);

/// Master keys: one that seals, and older ones that still open. Rotation without downtime: nodes
/// get the new key as an older one first, then as the current one; then every seal for which
/// `is_stale` is opened and sealed again; then the old key is taken out.
///
/// AES-256-GCM (NIST SP 800-38D) with random 96-bit nonces: one key may seal 2^32 times, far more
/// than there are bots to register and rotate.
class key_ring {
public:
  /// The first key is the current one. @throws crypto_error (bad_key) without keys
  explicit key_ring(std::vector<secret_key> keys);

  [[nodiscard]] const std::string& current() const noexcept { return ids_.front(); }
  [[nodiscard]] const std::vector<std::string>& ids() const noexcept { return ids_; }

  [[nodiscard]] sealed seal(std::string_view secret, const seal_context& belongs_to,
                            const random_source& source) const;

  /// @throws crypto_error unknown_key or damaged
  [[nodiscard]] secret_text open(const sealed& what, const seal_context& belongs_to) const;

  /// Whether it should be sealed again, under the current key.
  [[nodiscard]] bool is_stale(const sealed& what) const noexcept {
    return what.key_id != current();
  }

  /// By the keys' names.
  friend bool operator==(const key_ring& a, const key_ring& b) noexcept { return a.ids_ == b.ids_; }

private:
  std::vector<secret_key> keys_;
  std::vector<std::string> ids_;
};

} // namespace troupe::crypto
