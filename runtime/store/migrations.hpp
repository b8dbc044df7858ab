#pragma once
#include "runtime/store/database.hpp"

namespace troupe::store {

/// One step of the schema. Published steps never change: a new step changes what they made.
/// Statements are the same for both databases but for `{id}` (a key that the database counts up),
/// `{key}` (a BIGINT primary key) and `{clustered}` (rows lie in the order of their key, where that
/// can be asked for); a statement that begins with `sqlite:` or `postgresql:` is for that one only.
struct migration {
  int version;
  std::string_view name;
  std::span<const std::string_view> statements;
  void (*fill)(unit&) = nullptr; ///< Run after them: what no SQL can compute.
};

/// All steps, in order; the first has version 1.
[[nodiscard]] std::span<const migration> migrations() noexcept;

/// The version this program works with.
[[nodiscard]] int latest_version() noexcept;

/// The version of the store; 0 for an empty one. @throws store_error
[[nodiscard]] int schema_version(database& db);

/// Brings the store to `target`, each step in a unit of its own. Several nodes may start at once:
/// one does it, the others find it done. Never goes back.
/// @throws store_error (schema) if the store is newer than this program
void migrate(database& db, int target = latest_version());

} // namespace troupe::store
