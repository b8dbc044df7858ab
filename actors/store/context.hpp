#pragma once
#include "runtime/crypto/cipher.hpp"
#include "runtime/store/cells.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace troupe::storage {

/// What requests need beside the database. Shared by the actor and the threads; never changes.
struct context {
  crypto::key_ring ring;     ///< Seals tokens.
  crypto::secret_key lookup; ///< Makes keyed hashes.
  crypto::random_source random = crypto::os_random();
  std::function<store::wall_time()> now = [] {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  };
  std::string node = "node"; ///< Who runs requests with an Idempotency-Key.
  std::chrono::minutes code_lifetime{15};
  std::uint32_t code_attempts = 5;
  std::chrono::hours answers_kept{24};
  std::int64_t max_users = 1000;          ///< Of a tenant.
  std::int64_t max_keys = 1000;           ///< Of a tenant, that are valid.
  std::int64_t max_virtual_tokens = 1000; ///< Of a bot, that are valid: all are kept in memory.
  std::function<void(const std::string& path)> back_up{}; ///< Blocks. @throws store_error
};

} // namespace troupe::storage
