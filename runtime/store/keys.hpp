#pragma once
#include "runtime/store/database.hpp"
#include "runtime/store/names.hpp"

/// API keys. The key itself is never here: its keyed hash is (runtime/crypto/api_key.hpp).
namespace troupe::store {

struct api_key {
  std::int64_t id = 0;
  std::optional<tenant_id> tenant{}; ///< Empty exactly for operators.
  std::optional<std::int64_t> user{};
  store::role role = role::viewer;
  std::string name{};
  std::string prefix{}; ///< What may be shown of it.
  wall_time created{};
  std::optional<wall_time> expires{};
  std::optional<wall_time> revoked{};
  std::optional<wall_time> used{}; ///< About: written at most once a minute.
};

/// @returns the new id. `what.id`, `revoked` and `used` are not read.
/// @throws store_error (constraint) when role and tenant contradict, or the user is another
/// tenant's
std::int64_t add_key(unit& u, const api_key& what, const std::string& hash);

/// The key behind a request, revoked and expired ones included: say why it is refused.
[[nodiscard]] std::optional<api_key> find_key(unit& u, const std::string& hash);

/// A tenant's keys by id; without a tenant the operators'.
[[nodiscard]] std::vector<api_key> list_keys(unit& u, std::optional<tenant_id> tenant,
                                             std::int64_t after, std::size_t limit);

/// A tenant's that are valid at `now`.
[[nodiscard]] std::int64_t count_keys(unit& u, tenant_id tenant, wall_time now);

/// From now on. @returns false if this tenant (or the operators) have no such key that still is
/// valid
bool revoke_key(unit& u, std::optional<tenant_id> tenant, std::int64_t id, wall_time now);

void mark_key_used(unit& u, std::int64_t id, wall_time now);

/// Whether there is any operator key that is valid at `now`: if not, a first one is made.
[[nodiscard]] bool has_operator_key(unit& u, wall_time now);

} // namespace troupe::store
