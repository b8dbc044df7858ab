#include "actors/store/perform_parts.hpp"
#include "runtime/crypto/api_key.hpp"
#include "runtime/crypto/hash.hpp"

namespace troupe::storage {
namespace {

std::optional<store::tenant> tenant_named(unit& u, const std::string& name) {
  auto id = u.value<tenant_id>("SELECT id FROM tenants WHERE name = :name", name);
  return id ? store::find_tenant(u, *id) : std::nullopt;
}

std::optional<tenant_id> maybe_tenant(tenant_id x) noexcept {
  return x == 0 ? std::nullopt : std::optional{x};
}

} // namespace

answer<tenant_row> perform(unit& u, const context& c, const tenant_put& x) {
  auto row = x.row;
  bool adds = row.id == 0;
  auto outcome = store_refusal::none;
  if (!adds && !store::find_tenant(u, row.id))
    outcome = store_refusal::not_found;
  else if (auto other = tenant_named(u, row.name); other && other->id != row.id)
    outcome = store_refusal::duplicate;
  if (outcome == store_refusal::none) {
    auto what = tenant_of(row);
    if (adds) {
      what.created = c.now();
      auto id = store::add_tenant(u, what);
      if (id)
        row.id = *id;
      else
        outcome = store_refusal::duplicate;
    } else {
      store::change_tenant(u, what);
    }
  }
  enter(u, c, x.by, row.id, adds ? "tenant.add" : "tenant.change", subject_of("tenant", row.id),
        outcome);
  if (outcome != store_refusal::none)
    return refused(outcome);
  return row_of(store::find_tenant(u, row.id).value());
}

answer<done> perform(unit& u, const context& c, const tenant_remove& x) {
  auto outcome = store_refusal::none;
  // Tenant 1 owns the bots that nobody registered.
  if (!store::find_tenant(u, x.id))
    outcome = store_refusal::not_found;
  else if (x.id == 1 || store::count_bots(u, x.id) > 0)
    outcome = store_refusal::conflict;
  else
    store::remove_tenant(u, x.id);
  enter(u, c, x.by, x.id, "tenant.remove", subject_of("tenant", x.id), outcome);
  if (outcome != store_refusal::none)
    return refused(outcome);
  return done{};
}

answer<page<tenant_row>> perform(unit& u, const context&, const tenant_query& x) {
  if (x.id != 0) {
    auto found = store::find_tenant(u, x.id);
    if (!found)
      return refused(store_refusal::not_found);
    return page<tenant_row>{{row_of(*found)}, false};
  }
  auto limit = rows_at_most(x.limit);
  return page_of<tenant_row>(store::list_tenants(u, x.after, limit + 1), limit);
}

answer<user_row> perform(unit& u, const context& c, const user_put& x) {
  store::user what;
  what.tenant = x.row.tenant;
  what.name = x.row.name;
  what.role = role_of(x.row.role);
  what.created = c.now();
  auto outcome = store_refusal::none;
  std::optional<std::int64_t> id;
  if (x.row.role == key_role::operator_)
    outcome = store_refusal::invalid;
  else if (!store::find_tenant(u, what.tenant))
    outcome = store_refusal::not_found;
  else if (store::count_users(u, what.tenant) >= c.max_users)
    outcome = store_refusal::too_many;
  else if (id = store::add_user(u, what); !id)
    outcome = store_refusal::duplicate;
  what.id = id.value_or(0);
  enter(u, c, x.by, what.tenant, "user.add", subject_of("user", what.id), outcome);
  if (outcome != store_refusal::none)
    return refused(outcome);
  return row_of(what);
}

answer<done> perform(unit& u, const context& c, const user_remove& x) {
  auto outcome =
    store::remove_user(u, x.tenant, x.id) ? store_refusal::none : store_refusal::not_found;
  enter(u, c, x.by, x.tenant, "user.remove", subject_of("user", x.id), outcome);
  if (outcome != store_refusal::none)
    return refused(outcome);
  return done{};
}

answer<page<user_row>> perform(unit& u, const context&, const user_query& x) {
  auto limit = rows_at_most(x.limit);
  return page_of<user_row>(store::list_users(u, x.tenant, x.after, limit + 1), limit);
}

answer<made_key> perform(unit& u, const context& c, const key_make& x) {
  auto outcome = store_refusal::none;
  bool for_operator = x.tenant == 0;
  if (for_operator != (x.role == key_role::operator_) || (for_operator && x.user != 0))
    outcome = store_refusal::invalid;
  else if (!for_operator && !store::find_tenant(u, x.tenant))
    outcome = store_refusal::not_found;
  else if (x.user != 0 && !store::find_user(u, x.tenant, x.user))
    outcome = store_refusal::not_found;
  else if (!for_operator && store::count_keys(u, x.tenant, c.now()) >= c.max_keys)
    outcome = store_refusal::too_many;
  made_key result;
  if (outcome == store_refusal::none) {
    auto key = crypto::make_api_key(for_operator ? crypto::api_key_kind::operator_key
                                                 : crypto::api_key_kind::tenant_key,
                                    c.random);
    store::api_key what;
    what.tenant = maybe_tenant(x.tenant);
    if (x.user != 0)
      what.user = x.user;
    what.role = role_of(x.role);
    what.name = x.name;
    what.prefix = crypto::api_key_prefix(key.reveal());
    what.created = c.now();
    what.expires = maybe_time(x.expires);
    what.id =
      store::add_key(u, what, crypto::keyed_hash(c.lookup, crypto::purpose::api_key, key.reveal()));
    result = {row_of(what), {key.reveal()}};
  }
  enter(u, c, x.by, x.tenant, "key.make", subject_of("key", result.row.id), outcome);
  if (outcome != store_refusal::none)
    return refused(outcome);
  return result;
}

answer<done> perform(unit& u, const context& c, const key_revoke& x) {
  auto revoked = store::revoke_key(u, maybe_tenant(x.tenant), x.id, c.now());
  auto outcome = revoked ? store_refusal::none : store_refusal::not_found;
  enter(u, c, x.by, x.tenant, "key.revoke", subject_of("key", x.id), outcome);
  if (!revoked)
    return refused(outcome);
  return done{};
}

answer<page<key_row>> perform(unit& u, const context&, const key_query& x) {
  auto limit = rows_at_most(x.limit);
  return page_of<key_row>(store::list_keys(u, maybe_tenant(x.tenant), x.after, limit + 1), limit);
}

answer<identity> perform(unit& u, const context& c, const authenticate& x) {
  if (!crypto::api_key_form(x.key.text))
    return refused(store_refusal::not_found);
  auto found =
    store::find_key(u, crypto::keyed_hash(c.lookup, crypto::purpose::api_key, x.key.text));
  if (!found)
    return refused(store_refusal::not_found);
  if (found->revoked)
    return refused(store_refusal::revoked);
  if (found->expires && *found->expires <= c.now())
    return refused(store_refusal::expired);
  identity result{row_of(*found), {}};
  if (found->tenant) {
    auto tenant = store::find_tenant(u, *found->tenant);
    if (!tenant)
      return refused(store_refusal::not_found);
    if (tenant->state == store::tenant_state::suspended)
      return refused(store_refusal::tenant_suspended);
    result.tenant_name = tenant->name;
  }
  return result;
}

} // namespace troupe::storage
