#include "runtime/api/ctl_line.hpp"

#include <boost/json/array.hpp>

#include <algorithm>

// Tenants, keys and the audit trail.
namespace troupe::api {

int show_rows(const ctl_call& from, const boost::json::array& all, std::string_view name,
              std::initializer_list<column> columns) {
  if (shown_as_json(from, boost::json::object{{name, all}}))
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

namespace {

namespace json = boost::json;

// -- tenants --------------------------------------------------------------------------------------

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

/// What keeps a bot from working, for people; empty when nothing does.
std::string trouble_of(const json::object& bot) {
  auto phase = shown_member(bot, "phase");
  if (phase == "pending")
    return "its owner has not proven that it is theirs: troupectl bot verify";
  if (phase == "unauthorized")
    return "Telegram rejects its token: troupectl bot rotate";
  if (phase == "quarantined")
    return "it crashed too often and rests: troupectl bot restart";
  if (phase == "suspended")
    return "it is suspended: troupectl bot resume";
  return shown_member(bot, "health") == "unhealthy" ? "its calls fail: troupectl bot health" : "";
}

/// Whether a tenant can work: it is there and not suspended, has a valid key, and all its bots take
/// calls.
int verify_tenant(const ctl_call& from) {
  auto id = id_word(from, 0);
  auto tenant = ask_node(from, "GET", "/v1/tenants/" + id).as_object();
  auto keys = ask_pages(from, "/v1/tenants/" + id + "/keys", "keys");
  auto bots = ask_pages(from, "/v1/bots?tenant=" + id, "bots");
  json::array troubles;
  auto note = [&](const json::value& bot, const std::string& text) {
    troubles.push_back(json::object{{"bot", bot}, {"trouble", text}});
  };
  if (auto state = shown_member(tenant, "state"); state != "active")
    note(nullptr, "the tenant is " + state);
  auto valid = std::count_if(keys.begin(), keys.end(),
                             [](const json::value& one) { return one.at("revoked_at").is_null(); });
  if (valid == 0)
    note(nullptr, "it has no key: troupectl key create --tenant=" + id);
  for (auto& one : bots)
    if (auto text = trouble_of(one.as_object()); !text.empty())
      note(one.at("id"), text);
  auto status = troubles.empty() ? 0 : 1;
  if (shown_as_json(from, json::object{{"tenant", tenant},
                                       {"keys", valid},
                                       {"bots", bots.size()},
                                       {"troubles", troubles}}))
    return status;
  from.world.out << "tenant " << id << " (" << shown_member(tenant, "name") << "): " << valid
                 << " keys, " << bots.size() << " bots, "
                 << (troubles.empty() ? "nothing is wrong" : "this is wrong:") << '\n';
  for (auto& one : troubles) {
    auto bot = shown_member(one.as_object(), "bot");
    from.world.out << (bot == "-" ? "  " : "  bot " + bot + ": ")
                   << shown_member(one.as_object(), "trouble") << '\n';
  }
  return status;
}

// -- keys -----------------------------------------------------------------------------------------

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

// -- audit ----------------------------------------------------------------------------------------

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
  {"tenant verify", "ID", "",
   "whether a tenant can work: its state, its keys, each of its bots; exit status 1 if not",
   verify_tenant},
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
