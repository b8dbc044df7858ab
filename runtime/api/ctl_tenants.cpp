#include "runtime/api/ctl_line.hpp"

#include <boost/json/array.hpp>

// Tenants, keys and the audit trail.
namespace troupe::api {
namespace {

namespace json = boost::json;

struct column {
  const char* head;
  const char* member;
  bool state = false;
};

int show_rows(const ctl_call& from, const json::array& all, std::string_view name,
              std::initializer_list<column> columns) {
  if (shown_as_json(from, json::object{{name, all}}))
    return 0;
  std::vector<std::string> heads;
  for (auto& one : columns)
    heads.emplace_back(one.head);
  std::vector<std::vector<cell>> rows;
  for (auto& value : all) {
    auto& row = rows.emplace_back();
    for (auto& one : columns)
      row.push_back({shown_member(value.as_object(), one.member), one.state});
  }
  print_table(from.to(), heads, rows);
  return 0;
}

// -- tenants ---------------------------------------------------------------------------------------

int create_tenant(const ctl_call& from) {
  json::object body{{"name", from.words[0]}};
  if (from.has("max-bots"))
    body["max_bots"] = from.number("max-bots");
  if (from.has("rps"))
    body["rps"] = from.number("rps");
  auto answer = ask_node(from, "POST", "/v1/tenants", &body);
  if (!shown_as_json(from, answer))
    from.world.out << "tenant " << shown_member(answer.as_object(), "id")
                   << " is made. Give it a key: troupectl key create --tenant="
                   << shown_member(answer.as_object(), "id") << '\n';
  return 0;
}

int list_tenants(const ctl_call& from) {
  return show_rows(from, ask_pages(from, "/v1/tenants", "tenants"), "tenants",
                   {{"#id", "id"},
                    {"name", "name"},
                    {"state", "state", true},
                    {"#bots at most", "max_bots"},
                    {"#requests/s", "rps"},
                    {"created", "created_at"}});
}

int list_credentials(const ctl_call& from) {
  auto path = "/v1/tenants/" + id_word(from, 0) + "/keys";
  return show_rows(from, ask_pages(from, path, "keys"), "keys",
                   {{"#id", "id"},
                    {"prefix", "prefix"},
                    {"name", "name"},
                    {"role", "role"},
                    {"expires", "expires_at"},
                    {"revoked", "revoked_at"},
                    {"last used", "used_at"}});
}

// -- keys ------------------------------------------------------------------------------------------

/// The tenant's keys with --tenant, else the operators'.
std::string keys_path(const ctl_call& from) {
  return from.has("tenant") ? "/v1/tenants/" + std::to_string(from.number("tenant")) + "/keys"
                            : "/v1/keys";
}

int create_key(const ctl_call& from) {
  json::object body{{"name", from.has("name") ? from.option("name") : "made by troupectl"}};
  if (from.has("role"))
    body["role"] = from.option("role");
  if (from.has("user"))
    body["user"] = from.number("user");
  if (from.has("expires-in"))
    body["expires_in"] = from.number("expires-in");
  auto answer = ask_node(from, "POST", keys_path(from), &body);
  if (shown_as_json(from, answer))
    return 0;
  // The key alone on its line, so that it can be taken from there.
  from.world.err << "Keep this key: it is not shown again.\n";
  from.world.out << shown_member(answer.as_object(), "key") << '\n';
  return 0;
}

int list_keys(const ctl_call& from) {
  return show_rows(from, ask_pages(from, keys_path(from), "keys"), "keys",
                   {{"#id", "id"},
                    {"prefix", "prefix"},
                    {"name", "name"},
                    {"role", "role"},
                    {"expires", "expires_at"},
                    {"revoked", "revoked_at"},
                    {"last used", "used_at"}});
}

int revoke_key(const ctl_call& from) {
  auto answer = ask_node(from, "DELETE", keys_path(from) + '/' + id_word(from, 0));
  if (!shown_as_json(from, answer))
    from.world.out << "key " << from.words[0] << " is revoked.\n";
  return 0;
}

// -- audit -----------------------------------------------------------------------------------------

int audit(const ctl_call& from) {
  std::string path = "/v1/audit";
  char mark = '?';
  for (auto name : {"subject", "action", "tenant"})
    if (from.has(name)) {
      path += mark + std::string{name} + '=' + encoded(from.option(name));
      mark = '&';
    }
  return show_rows(from, ask_pages(from, path, "entries"), "entries",
                   {{"at", "at"},
                    {"who", "actor"},
                    {"from", "address"},
                    {"action", "action"},
                    {"subject", "subject"},
                    {"outcome", "outcome"},
                    {"request", "request_id"}});
}

constexpr command tenant_command_table[] = {
  {"tenant create", "NAME", "max-bots= rps=", "add a tenant", create_tenant},
  {"tenant list", "", "limit=", "the tenants", list_tenants},
  {"tenant credentials", "ID", "limit=", "a tenant's keys", list_credentials},
  {"key create", "", "tenant= role= name= user= expires-in=",
   "make a key: an operator's, or with --tenant=ID a tenant's (--role=admin|developer|viewer)",
   create_key},
  {"key list", "", "tenant= limit=", "the keys of the operators or of a tenant", list_keys},
  {"key revoke", "ID", "tenant=", "refuse a key from now on", revoke_key},
  {"audit", "", "subject= action= tenant= limit=", "who did what, the newest first", audit},
};

} // namespace

std::span<const command> tenant_commands() {
  return tenant_command_table;
}

} // namespace troupe::api
