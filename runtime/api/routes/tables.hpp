#pragma once
#include "runtime/api/router.hpp"

/// The tables of this folder's files, which together are the table of routes.
namespace troupe::api {

inline constexpr std::string_view user_roles[] = {"admin", "developer", "viewer"};

[[nodiscard]] std::span<const route> page_routes();   ///< Dashboard, metrics, probes, OpenAPI.
[[nodiscard]] std::span<const route> node_routes();   ///< What the services report; backups.
[[nodiscard]] std::span<const route> cluster_routes(); ///< The nodes of a cluster.
[[nodiscard]] std::span<const route> bot_routes();    ///< Register, list, get, change, delete.
[[nodiscard]] std::span<const route> life_routes();   ///< Verification, phases, tokens.
[[nodiscard]] std::span<const route> insight_routes(); ///< Health, analytics.
[[nodiscard]] std::span<const route> update_routes(); ///< Pending updates, dead letters.
[[nodiscard]] std::span<const route> event_routes(); ///< What happens, as it happens.
[[nodiscard]] std::span<const route> method_routes();
[[nodiscard]] std::span<const route> tenant_routes();
[[nodiscard]] std::span<const route> key_routes();
[[nodiscard]] std::span<const route> audit_routes();

} // namespace troupe::api
