#pragma once
#include <string>

namespace troupe::store {

enum class backend : unsigned char { sqlite, postgresql };

/// Which database.
struct location {
  backend kind = backend::sqlite;
  std::string name; ///< A file's path, or a libpq URI. A secret: it may hold a password.
};

/// Reads store.uri: `sqlite:PATH`, `postgresql://…`, or empty: `troupe.db` in the data directory.
/// @throws store_error (other) for anything else; never quotes the URI
[[nodiscard]] location locate(const std::string& uri, const std::string& data_dir);

/// What may be printed of it: the path, or the URI without its password.
[[nodiscard]] std::string shown(const location& where);

} // namespace troupe::store
