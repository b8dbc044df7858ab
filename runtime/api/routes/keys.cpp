#include "runtime/api/inquiry.hpp"
#include "runtime/api/routes/scope.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/api/rows.hpp"

namespace troupe::api {
namespace {

namespace json = boost::json;
using namespace std::string_view_literals;

const error_text& no_key() {
  return text_of(api_error::unknown_key);
}

/// @param tenant 0: an operator's key
task make_key(context& ctx, const inquiry& from, tenant_id tenant, key_role role) {
  key_make what;
  what.by = from.by();
  what.tenant = tenant;
  what.user = from.number("user");
  what.role = role;
  what.name = from.text("name");
  what.expires = expiry_of(from);
  auto asked = ctx.ask_store<made_key>(from.what.io, std::move(what));
  auto made = co_await outcome_of(asked, text_of(api_error::unknown_user), text_of(api_error::key_limit));
  auto body = to_json(made.row);
  body["key"] = made.key.text;
  co_return json_response(body, 201);
}

task list_keys(context& ctx, const inquiry& from, tenant_id tenant) {
  key_query what{tenant, cursor_of(from), limit_of(from)};
  auto asked = ctx.ask_store<page<key_row>>(from.what.io, std::move(what));
  auto found = co_await answer_to(asked, no_key());
  auto last = found.rows.empty() ? 0 : found.rows.back().id;
  co_return json_response(json::object{{"keys", list_of(found.rows)},
                                       {"next_cursor", next_cursor(last, found.more)}});
}

task revoke_key(context& ctx, const inquiry& from, tenant_id tenant) {
  key_revoke what{from.by(), tenant, from.id("key", no_key())};
  auto asked = ctx.ask_store<done>(from.what.io, std::move(what));
  co_await outcome_of(asked, no_key());
  response answer;
  answer.status = 204;
  co_return answer;
}

task create_tenant_key(context& ctx, const inquiry& from) {
  auto tenant = co_await tenant_of_path(ctx, from);
  auto name = from.text("role", "developer");
  auto role = key_role::developer;
  from_string(caf::string_view{name.data(), name.size()}, role);
  co_return co_await make_key(ctx, from, tenant.id, role);
}

task list_tenant_keys(context& ctx, const inquiry& from) {
  auto tenant = co_await tenant_of_path(ctx, from);
  co_return co_await list_keys(ctx, from, tenant.id);
}

task revoke_tenant_key(context& ctx, const inquiry& from) {
  auto tenant = co_await tenant_of_path(ctx, from);
  co_return co_await revoke_key(ctx, from, tenant.id);
}

task create_operator_key(context& ctx, const inquiry& from) {
  return make_key(ctx, from, 0, key_role::operator_);
}

task list_operator_keys(context& ctx, const inquiry& from) {
  return list_keys(ctx, from, 0);
}

task revoke_operator_key(context& ctx, const inquiry& from) {
  return revoke_key(ctx, from, 0);
}

task who_am_i(context&, const inquiry& from) {
  auto body = to_json(from.who.who.key);
  body["tenant_name"] = from.who.is_operator() ? json::value(nullptr)
                                               : json::value(from.who.who.tenant_name);
  co_return json_response(body);
}

constexpr field key_name{"name", shape::text, 1, 200, "What the key is for.", true};
constexpr field of_tenant_key[] = {
  key_name,
  {"role", shape::text, 0, 0, "What the key may do; developer without it.", false, user_roles},
  {"user", shape::integer, 1, INT64_MAX, "A user of the tenant to whom it belongs."},
  expiry_field,
};
constexpr field of_operator_key[] = {key_name, expiry_field};

constexpr route key_table[] = {
  {"GET", "/v1/me", "whoAmI", "The key that makes the request.", access::viewer, who_am_i},
  {"POST", "/v1/tenants/{tenant}/keys", "createTenantKey",
   "Makes a key of the tenant. The key is shown once, in this answer.", access::admin,
   create_tenant_key, 201, {}, body_use::needed, of_tenant_key},
  {"GET", "/v1/tenants/{tenant}/keys", "listTenantKeys", "The tenant's keys, by id.", access::admin,
   list_tenant_keys, 200, of_page},
  {"DELETE", "/v1/tenants/{tenant}/keys/{key}", "revokeTenantKey",
   "Revokes a key: it is refused from now on.", access::admin, revoke_tenant_key, 204},
  {"POST", "/v1/keys", "createOperatorKey",
   "Makes an operator's key. The key is shown once, in this answer.", access::operator_,
   create_operator_key, 201, {}, body_use::needed, of_operator_key},
  {"GET", "/v1/keys", "listOperatorKeys", "The operators' keys, by id.", access::operator_,
   list_operator_keys, 200, of_page},
  {"DELETE", "/v1/keys/{key}", "revokeOperatorKey", "Revokes an operator's key.",
   access::operator_, revoke_operator_key, 204},
};

} // namespace

std::span<const route> key_routes() {
  return key_table;
}

} // namespace troupe::api
