#include "runtime/api/inquiry.hpp"
#include "runtime/api/routes/scope.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/api/rows.hpp"

namespace troupe::api {
namespace {

namespace json = boost::json;
using namespace std::string_view_literals;

const error_text& nobody() {
  return text_of(api_error::unknown_tenant);
}

/// What the body says of a tenant, over what it was.
void apply(const inquiry& from, tenant_row& to) {
  to.name = from.text("name", to.name);
  to.max_bots = static_cast<std::uint32_t>(from.number("max_bots", to.max_bots));
  to.rps = static_cast<std::uint32_t>(from.number("rps", to.rps));
  if (from.member("state") != nullptr)
    to.suspended = from.text("state") == "suspended";
}

task put(context& ctx, const inquiry& from, tenant_row row, int status) {
  apply(from, row);
  tenant_put what{from.by(), std::move(row)};
  auto asked = ctx.ask_registrar<tenant_row>(from.what.io, std::move(what));
  auto stored = co_await outcome_of(asked, nobody());
  auto answer = json_response(to_json(stored), status);
  if (status == 201)
    answer.headers = "Location: /v1/tenants/" + std::to_string(stored.id) + "\r\n";
  co_return answer;
}

task create_tenant(context& ctx, const inquiry& from) {
  tenant_row row;
  co_return co_await put(ctx, from, std::move(row), 201);
}

task change_tenant(context& ctx, const inquiry& from) {
  if (from.body.empty())
    throw refused{api_error::nothing_to_change};
  auto row = co_await tenant_of_path(ctx, from);
  co_return co_await put(ctx, from, std::move(row), 200);
}

task list_tenants(context& ctx, const inquiry& from) {
  tenant_query what;
  auto cursor = cursor_of(from);
  what.after = cursor > UINT32_MAX ? UINT32_MAX : static_cast<tenant_id>(cursor);
  what.limit = limit_of(from);
  auto asked = ctx.ask_store<page<tenant_row>>(from.what.io, std::move(what));
  auto found = co_await answer_to(asked, nobody());
  auto last = found.rows.empty() ? 0 : found.rows.back().id;
  co_return json_response(
    json::object{{"tenants", list_of(found.rows)}, {"next_cursor", next_cursor(last, found.more)}});
}

task get_tenant(context& ctx, const inquiry& from) {
  auto row = co_await tenant_of_path(ctx, from);
  co_return json_response(to_json(row));
}

task remove_tenant(context& ctx, const inquiry& from) {
  auto row = co_await tenant_of_path(ctx, from);
  tenant_remove what{from.by(), row.id};
  auto asked = ctx.ask_registrar<done>(from.what.io, std::move(what));
  co_await outcome_of(asked, nobody());
  response answer;
  answer.status = 204;
  co_return answer;
}

// -- users ----------------------------------------------------------------------------------------

task create_user(context& ctx, const inquiry& from) {
  auto tenant = co_await tenant_of_path(ctx, from);
  user_put what;
  what.by = from.by();
  what.row.tenant = tenant.id;
  what.row.name = from.text("name");
  auto role = from.text("role", "developer");
  from_string(caf::string_view{role.data(), role.size()}, what.row.role);
  auto asked = ctx.ask_store<user_row>(from.what.io, std::move(what));
  auto stored = co_await outcome_of(asked, nobody(), text_of(api_error::user_limit));
  co_return json_response(to_json(stored), 201);
}

task list_users(context& ctx, const inquiry& from) {
  auto tenant = co_await tenant_of_path(ctx, from);
  user_query what{tenant.id, cursor_of(from), limit_of(from)};
  auto asked = ctx.ask_store<page<user_row>>(from.what.io, std::move(what));
  auto found = co_await answer_to(asked, nobody());
  auto last = found.rows.empty() ? 0 : found.rows.back().id;
  co_return json_response(
    json::object{{"users", list_of(found.rows)}, {"next_cursor", next_cursor(last, found.more)}});
}

task remove_user(context& ctx, const inquiry& from) {
  auto tenant = co_await tenant_of_path(ctx, from);
  auto& no_user = text_of(api_error::unknown_user);
  user_remove what{from.by(), tenant.id, from.id("user", no_user)};
  auto asked = ctx.ask_store<done>(from.what.io, std::move(what));
  co_await outcome_of(asked, no_user);
  response answer;
  answer.status = 204;
  co_return answer;
}

// -- the table ------------------------------------------------------------------------------------

constexpr std::string_view tenant_states[] = {"active"sv, "suspended"sv};

constexpr field max_bots{"max_bots", shape::integer, 0, 10'000'000, "0: no limit."};
constexpr field rps{
  "rps", shape::integer, 0, 1'000'000,
  "Requests of all its bots in any second, live; 0: what rate-governor.tenant-rps says."};

constexpr field of_creation[] = {
  {"name", shape::text, 1, 200, "Unique.", true},
  max_bots,
  rps,
};
constexpr field of_tenant_change[] = {
  {"name", shape::text, 1, 200, "Unique."},
  {"state", shape::text, 0, 0, "A suspended tenant's keys are refused, and its bots take no calls.", false, tenant_states},
  max_bots,
  rps,
};
constexpr field of_user[] = {
  {"name", shape::text, 1, 200, "Unique in the tenant.", true},
  {"role", shape::text, 0, 0, "What the user may do; developer without it.", false, user_roles},
};

constexpr route tenant_table[] = {
  {"POST",
   "/v1/tenants",
   "createTenant",
   "Adds a tenant.",
   access::operator_,
   create_tenant,
   201,
   {},
   body_use::needed,
   of_creation},
  {"GET", "/v1/tenants", "listTenants", "All tenants, by id.", access::operator_, list_tenants, 200,
   of_page},
  {"GET", "/v1/tenants/{tenant}", "getTenant", "One tenant; a tenant's key sees its own.",
   access::viewer, get_tenant},
  {"PATCH",
   "/v1/tenants/{tenant}",
   "changeTenant",
   "Changes name, state or limits.",
   access::operator_,
   change_tenant,
   200,
   {},
   body_use::needed,
   of_tenant_change},
  {"DELETE", "/v1/tenants/{tenant}", "removeTenant",
   "Removes a tenant without bots, with its users and keys.", access::operator_, remove_tenant,
   204},
  {"POST",
   "/v1/tenants/{tenant}/users",
   "createUser",
   "Adds a user to whom keys may belong.",
   access::admin,
   create_user,
   201,
   {},
   body_use::needed,
   of_user},
  {"GET", "/v1/tenants/{tenant}/users", "listUsers", "The tenant's users, by id.", access::admin,
   list_users, 200, of_page},
  {"DELETE", "/v1/tenants/{tenant}/users/{user}", "removeUser", "Removes a user with all its keys.",
   access::admin, remove_user, 204},
};

} // namespace

std::span<const route> tenant_routes() {
  return tenant_table;
}

} // namespace troupe::api
