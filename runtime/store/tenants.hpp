#pragma once
#include "runtime/store/database.hpp"
#include "runtime/store/names.hpp"

/// Tenants and their users. Names are unique; at most 200 characters are sensible, the API checks
/// that.
namespace troupe::store {

struct tenant {
  tenant_id id = 0;
  std::string name{};
  tenant_state state = tenant_state::active;
  std::int64_t max_bots = 0; ///< 0: no limit.
  std::int64_t rps = 0;      ///< 0: no limit of its own.
  wall_time created{};
};

struct user {
  std::int64_t id = 0;
  tenant_id tenant = 0;
  std::string name{};
  store::role role = role::viewer;
  wall_time created{};
};

/// @returns the new id, or nothing when the name is taken. `what.id` is not read.
[[nodiscard]] std::optional<tenant_id> add_tenant(unit& u, const tenant& what);
[[nodiscard]] std::optional<tenant> find_tenant(unit& u, tenant_id id);
/// By id, from behind `after` on.
[[nodiscard]] std::vector<tenant> list_tenants(unit& u, tenant_id after, std::size_t limit);
/// Name, state and limits. @returns false without such a tenant; throws constraint when the name is
/// taken
bool change_tenant(unit& u, const tenant& what);
/// With its users and keys. @returns false without such a tenant; throws constraint while it has
/// bots
bool remove_tenant(unit& u, tenant_id id);

/// @returns the new id, or nothing when the tenant has a user of this name
[[nodiscard]] std::optional<std::int64_t> add_user(unit& u, const user& what);
[[nodiscard]] std::optional<user> find_user(unit& u, tenant_id tenant, std::int64_t id);
[[nodiscard]] std::vector<user> list_users(unit& u, tenant_id tenant, std::int64_t after,
                                           std::size_t limit);
[[nodiscard]] std::int64_t count_users(unit& u, tenant_id tenant);
/// With its keys. @returns false if this tenant has no such user
bool remove_user(unit& u, tenant_id tenant, std::int64_t id);

} // namespace troupe::store
