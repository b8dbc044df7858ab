#pragma once
#include "runtime/crypto/cipher.hpp"

namespace troupe::crypto {

/// Where the master key may come from (contract: "trouped").
struct master_key_places {
  std::string environment; ///< TROUPE_MASTER_KEY, or empty.
  std::string file;        ///< secrets.master-key-file, or empty.
  std::string data_dir;    ///< node.data-dir.
  bool embedded = false;   ///< The store is SQLite in the data directory.
  bool in_use = false;     ///< The store holds seals already: then no key may be made up.
};

struct master_keys {
  key_ring ring;
  std::string origin;              ///< For the log: where the current key comes from.
  bool created = false;            ///< Just now, in the data directory.
  bool readable_by_others = false; ///< The file's mode lets other users read it: worth a warning.
};

/// Loads the ring. A key is 32 bytes in base64; a file holds one a line (`#` begins a comment): the
/// first is the current one, the others are older and open only. A key in the environment is
/// current before all of the file's. With the embedded store and neither given, `master.key` in the
/// data directory serves; on first start it is made, mode 0600, and on disk before anything is
/// sealed under it. When a key is given later, `master.key` still opens what it sealed.
/// @throws crypto_error (bad_key): none given or one malformed (the sentence names file and line,
/// never what stands there); or the key of a store in use is gone: a new one could open nothing.
[[nodiscard]] master_keys load_master_keys(const master_key_places& places,
                                           const random_source& source);

} // namespace troupe::crypto
