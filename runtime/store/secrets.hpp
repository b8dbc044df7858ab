#pragma once
#include "runtime/crypto/cipher.hpp"
#include "runtime/store/database.hpp"
#include "runtime/store/names.hpp"

/// The store's own secrets, and what a change of the master key asks of it.
namespace troupe::store {

/// Whether anything here is sealed: then a lost master key must not be replaced by a new one.
[[nodiscard]] bool has_seals(unit& u);

/// The key of all keyed hashes: made once, sealed under the master key, the same on every node and
/// for ever, so that hashes outlive master keys.
/// @throws crypto::crypto_error if it does not open: the master key is another one
[[nodiscard]] crypto::secret_key lookup_key(unit& u, const crypto::key_ring& ring,
                                            const crypto::random_source& source);

struct reseal_progress {
  std::size_t resealed = 0;
  std::size_t unreadable = 0; ///< Tokens that did not open: they stay as they are.
  bot_id last = 0;            ///< The last bot that was looked at: go on behind it.
  bool done = false;          ///< Behind it nothing is sealed under an older key.
};

/// Seals at most `limit` tokens again that are sealed under older keys, and the store's own
/// secrets. To be called in units of their own until `done`; any number of nodes may do so at once.
/// @throws crypto::crypto_error when the store's own secrets do not open
[[nodiscard]] reseal_progress reseal(unit& u, const crypto::key_ring& ring,
                                     const crypto::random_source& source, std::size_t limit,
                                     bot_id after = 0);

} // namespace troupe::store
