#pragma once
#include "messages/enum.hpp"

#include <stdexcept>

namespace troupe::store {

/// What went wrong, as far as a caller can act on it.
enum class fault : std::uint8_t {
  busy,            ///< Others hold the locks, or two writers met: may be tried again.
  disk_full,       ///< Nothing can be written until somebody frees space. Reading works.
  lost_connection, ///< The database cannot be reached now.
  constraint,      ///< The data break a rule of the schema, or are no UTF-8 text.
  schema,          ///< The schema is not the one this program knows.
  other,           ///< A damaged file, missing rights, a mistake in a statement.
};
inline constexpr std::array fault_names{"busy",       "disk_full", "lost_connection",
                                        "constraint", "schema",    "other"};
TROUPE_ENUM(fault, fault_names)

/// A failed unit of work: none of it is stored, unless `outcome_unknown`. The sentence is for
/// operators; it holds names of tables and constraints, never a stored value.
class store_error : public std::runtime_error {
public:
  store_error(fault kind, const std::string& sentence, bool outcome_unknown = false)
    : std::runtime_error(sentence), kind_(kind), outcome_unknown_(outcome_unknown) {}

  [[nodiscard]] fault kind() const noexcept { return kind_; }

  /// The connection broke while the database was asked to commit: all of the unit is stored, or
  /// nothing. Never true together with a retry.
  [[nodiscard]] bool outcome_unknown() const noexcept { return outcome_unknown_; }

private:
  fault kind_;
  bool outcome_unknown_;
};

/// Whether the same unit may succeed if it is tried again soon.
[[nodiscard]] inline bool is_transient(fault x) noexcept {
  return x == fault::busy || x == fault::lost_connection;
}

} // namespace troupe::store
