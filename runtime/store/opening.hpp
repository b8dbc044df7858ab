#pragma once
#include "runtime/crypto/master_key.hpp"
#include "runtime/store/database.hpp"

#include <functional>

/// A node's first words with its store.
namespace troupe::store {

struct opening {
  database_options database;
  crypto::master_key_places keys; ///< `embedded` and `in_use` are found out here.
  std::string node = "node";      ///< Whose unfinished requests have an unknown outcome now.
  std::string operator_key_file;  ///< Where a first operator key goes; empty: none is made.
};

struct opened {
  crypto::master_keys keys;
  crypto::secret_key lookup;
  std::size_t resealed = 0;      ///< Tokens and secrets that were sealed under an older key.
  bool unreadable = false;       ///< One of them does not open; the others after it stay as they are.
  std::size_t lost_requests = 0; ///< Requests with an Idempotency-Key that ran when the node ended.
  bool made_operator_key = false;
};

/// What an older master key sealed, under the current one.
struct renewal {
  std::size_t resealed = 0;
  bool unreadable = false; ///< A token did not open; the others after it are sealed anew.
};

/// Seals anew what an older master key sealed, while nodes use the store. `take_over` is called
/// when it is sure that `ring` opens the store: from then on nobody must seal under another one.
/// Blocks. @throws store_error or crypto_error with a sentence for operators
renewal renew(const database_options& where, const crypto::key_ring& ring,
              const crypto::random_source& random, const std::function<void()>& take_over);

/// Connects, brings the schema up to date, loads the master keys and the lookup key; seals anew what
/// an older master key sealed; marks what this node ran when it ended as lost; makes a first operator key (file mode 0600, written before the
/// store knows it) when there is no valid one. Blocks.
/// @throws store_error or crypto_error with a sentence for operators
[[nodiscard]] opened open(const opening& how, const crypto::random_source& random);

} // namespace troupe::store
