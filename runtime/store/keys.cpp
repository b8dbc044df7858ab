#include "runtime/store/keys.hpp"

namespace troupe::store {

static auto columns(api_key& x) {
  return std::tie(x.id, x.tenant, x.user, x.role, x.name, x.prefix, x.created, x.expires, x.revoked,
                  x.used);
}

std::int64_t add_key(unit& u, const api_key& x, const std::string& hash) {
  return u
    .value<std::int64_t>(
      "INSERT INTO api_keys (tenant, user_id, role, name, prefix, hash, created, expires) "
      "VALUES (:tenant, :user, :role, :name, :prefix, :hash, :created, :expires) RETURNING id",
      x.tenant, x.user, x.role, x.name, x.prefix, hash, x.created, x.expires)
    .value();
}

std::optional<api_key> find_key(unit& u, const std::string& hash) {
  return u.row<api_key>(
    "SELECT id, tenant, user_id, role, name, prefix, created, expires, revoked, "
    "used FROM api_keys WHERE hash = :hash",
    hash);
}

std::vector<api_key> list_keys(unit& u, std::optional<tenant_id> tenant, std::int64_t after,
                               std::size_t limit) {
  if (tenant)
    return u.rows<api_key>(
      "SELECT id, tenant, user_id, role, name, prefix, created, expires, revoked, used "
      "FROM api_keys WHERE tenant = :tenant AND id > :after ORDER BY id LIMIT :limit",
      *tenant, after, limit);
  return u.rows<api_key>(
    "SELECT id, tenant, user_id, role, name, prefix, created, expires, revoked, used "
    "FROM api_keys WHERE tenant IS NULL AND id > :after ORDER BY id LIMIT :limit",
    after, limit);
}

std::int64_t count_keys(unit& u, tenant_id tenant, wall_time now) {
  return u
    .value<std::int64_t>("SELECT COUNT(*) FROM api_keys WHERE tenant = :tenant AND revoked IS NULL "
                         "AND (expires IS NULL OR expires > :now)",
                         tenant, now)
    .value_or(0);
}

bool revoke_key(unit& u, std::optional<tenant_id> tenant, std::int64_t id, wall_time now) {
  if (tenant)
    return u.execute("UPDATE api_keys SET revoked = :now "
                     "WHERE tenant = :tenant AND id = :id AND revoked IS NULL",
                     now, *tenant, id)
           == 1;
  return u.execute("UPDATE api_keys SET revoked = :now "
                   "WHERE tenant IS NULL AND id = :id AND revoked IS NULL",
                   now, id)
         == 1;
}

void mark_key_used(unit& u, std::int64_t id, wall_time now) {
  u.execute("UPDATE api_keys SET used = :now WHERE id = :id AND (used IS NULL OR used < :before)",
            now, id, now - std::chrono::minutes{1});
}

bool has_operator_key(unit& u, wall_time now) {
  return u
    .value<std::int64_t>("SELECT id FROM api_keys WHERE tenant IS NULL AND revoked IS NULL "
                         "AND (expires IS NULL OR expires > :now) LIMIT 1",
                         now)
    .has_value();
}

} // namespace troupe::store
