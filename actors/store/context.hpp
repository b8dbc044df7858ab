#pragma once
#include "runtime/crypto/cipher.hpp"
#include "runtime/registry/live_value.hpp"
#include "runtime/store/cells.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace troupe::storage {

/// Master keys that may be replaced while the node runs. Copies share them. Thread-safe.
class live_keys {
public:
  live_keys(crypto::key_ring first) // Wherever a ring will do.
    : all_(std::make_shared<live_value<crypto::key_ring>>(std::move(first))) {}
  const crypto::key_ring* operator->() const noexcept { return &all_->get(); }
  void replace(crypto::key_ring next) const { all_->publish(std::move(next)); }

private:
  std::shared_ptr<live_value<crypto::key_ring>> all_;
};

/// What requests need beside the database. Shared by the actor and the threads; only the keys change.
struct context {
  live_keys ring;            ///< Seals tokens.
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
