#pragma once
#include "runtime/store/database.hpp"
#include "runtime/store/names.hpp"

/// The audit trail: who did what, when, from where. The schema lets nobody change or remove an
/// entry.
namespace troupe::store {

struct audit_entry {
  std::int64_t id = 0;
  wall_time at{};
  std::string actor{};                       ///< The key's shown prefix and name, or "system".
  std::optional<std::int64_t> key{};         ///< The API key's id.
  std::optional<troupe::tenant_id> tenant{}; ///< Whose affairs it was; empty: the node's.
  std::string action{};                      ///< "bot.register", "key.revoke", …
  std::string subject{};                     ///< "bot:123", "tenant:2", …
  std::string outcome{};                     ///< "ok", or the code of the refusal.
  std::string address{};                     ///< The client's.
  std::string request{};                     ///< Its request id.
  std::string detail = "{}";                 ///< JSON; never a secret.
};

/// To be called in the unit of what it tells of: both are stored, or neither. `what.id` is not
/// read.
std::int64_t add_audit(unit& u, const audit_entry& what);

/// Which entries, newest first.
struct audit_query {
  std::optional<troupe::tenant_id>
    tenant{};            ///< Empty: of all tenants and the node, for operators only.
  std::string subject{}; ///< Empty: any.
  std::string action{};  ///< Empty: any.
  wall_time from{};
  wall_time until{std::chrono::milliseconds{INT64_MAX}};
  std::int64_t before = INT64_MAX; ///< Ids below this: the next page.
  std::size_t limit = 100;
};

[[nodiscard]] std::vector<audit_entry> find_audit(unit& u, const audit_query& what);

} // namespace troupe::store
