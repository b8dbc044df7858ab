#pragma once
#include "runtime/api/inquiry.hpp"

/// Whose things a request may touch.
namespace troupe::api {

/// The tenant of the path. Operators: any that exists; others: their own. @throws refused
[[nodiscard]] net::http_task<tenant_row> tenant_of_path(context& ctx, const inquiry& from);

/// The tenant by its id, if there is one. @throws refused
[[nodiscard]] net::http_task<tenant_row> find_tenant(context& ctx, const inquiry& from,
                                                     tenant_id id);

/// A bot of the inquiry's tenant. @throws refused
[[nodiscard]] net::http_task<bot_row> find_bot(context& ctx, const inquiry& from, bot_id id);

/// Milliseconds since 1970 from the member `expires_in` (seconds) on; 0 without it.
[[nodiscard]] wall_ms expiry_of(const inquiry& from);

inline constexpr field expiry_field{"expires_in", shape::integer, 60, 315'360'000,
                                    "Seconds until it expires; without it, never."};

} // namespace troupe::api
