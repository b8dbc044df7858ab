#include "runtime/store/tenants.hpp"

namespace troupe::store {

static auto columns(tenant& x) {
  return std::tie(x.id, x.name, x.state, x.max_bots, x.rps, x.created);
}

static auto columns(user& x) {
  return std::tie(x.id, x.tenant, x.name, x.role, x.created);
}

std::optional<tenant_id> add_tenant(unit& u, const tenant& x) {
  return u.value<tenant_id>("INSERT INTO tenants (name, state, max_bots, rps, created) "
                            "VALUES (:name, :state, :max_bots, :rps, :created) "
                            "ON CONFLICT (name) DO NOTHING RETURNING id",
                            x.name, x.state, x.max_bots, x.rps, x.created);
}

std::optional<tenant> find_tenant(unit& u, tenant_id id) {
  return u.row<tenant>("SELECT id, name, state, max_bots, rps, created FROM tenants WHERE id = :id",
                       id);
}

std::vector<tenant> list_tenants(unit& u, tenant_id after, std::size_t limit) {
  return u.rows<tenant>("SELECT id, name, state, max_bots, rps, created FROM tenants "
                        "WHERE id > :after ORDER BY id LIMIT :limit",
                        after, limit);
}

bool change_tenant(unit& u, const tenant& x) {
  return u.execute("UPDATE tenants SET name = :name, state = :state, max_bots = :max_bots, "
                   "rps = :rps WHERE id = :id",
                   x.name, x.state, x.max_bots, x.rps, x.id)
         == 1;
}

bool remove_tenant(unit& u, tenant_id id) {
  return u.execute("DELETE FROM tenants WHERE id = :id", id) == 1;
}

std::optional<std::int64_t> add_user(unit& u, const user& x) {
  return u.value<std::int64_t>("INSERT INTO users (tenant, name, role, created) "
                               "VALUES (:tenant, :name, :role, :created) "
                               "ON CONFLICT (tenant, name) DO NOTHING RETURNING id",
                               x.tenant, x.name, x.role, x.created);
}

std::optional<user> find_user(unit& u, tenant_id tenant, std::int64_t id) {
  return u.row<user>("SELECT id, tenant, name, role, created FROM users "
                     "WHERE tenant = :tenant AND id = :id",
                     tenant, id);
}

std::vector<user> list_users(unit& u, tenant_id tenant, std::int64_t after, std::size_t limit) {
  return u.rows<user>("SELECT id, tenant, name, role, created FROM users "
                      "WHERE tenant = :tenant AND id > :after ORDER BY id LIMIT :limit",
                      tenant, after, limit);
}

std::int64_t count_users(unit& u, tenant_id tenant) {
  return u.value<std::int64_t>("SELECT COUNT(*) FROM users WHERE tenant = :tenant", tenant)
    .value_or(0);
}

bool remove_user(unit& u, tenant_id tenant, std::int64_t id) {
  return u.execute("DELETE FROM users WHERE tenant = :tenant AND id = :id", tenant, id) == 1;
}

} // namespace troupe::store
