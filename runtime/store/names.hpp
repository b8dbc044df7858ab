#pragma once
#include "messages/bot.hpp"

/// The words of the store's columns.
namespace troupe::store {

enum class tenant_state : std::uint8_t { active, suspended };
inline constexpr std::array tenant_state_names{"active", "suspended"};
TROUPE_ENUM(tenant_state, tenant_state_names)

/// What a key or a user may do, the most first. An operator belongs to no tenant.
enum class role : std::uint8_t {
  operator_, ///< Everything, for every tenant.
  admin,     ///< Everything of its tenant, keys and users included.
  developer, ///< Bots of its tenant: register, change, call.
  viewer,    ///< Reads.
};
inline constexpr std::array role_names{"operator", "admin", "developer", "viewer"};
TROUPE_ENUM(role, role_names)

} // namespace troupe::store
