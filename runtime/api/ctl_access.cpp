#include "runtime/api/ctl_line.hpp"

#include <boost/json/array.hpp>

// Who may do what with a tenant's bots: users, virtual tokens; what becomes of a tenant, or of a
// part of the node.
namespace troupe::api {
namespace {

namespace json = boost::json;

// -- virtual tokens -------------------------------------------------------------------------------

int create_token(const ctl_call& from) {
  json::object body{{"name", from.has("name") ? from.option("name") : "made by troupectl"}};
  json::array methods;
  for (std::size_t i = 1; i < from.words.size(); ++i)
    methods.emplace_back(from.words[i]);
  if (!methods.empty())
    body["methods"] = std::move(methods);
  if (from.has("expires-in"))
    body["expires_in"] = from.number("expires-in");
  auto answer = ask_node(from, "POST", bot_path(from, "/tokens"), &body);
  if (shown_as_json(from, answer))
    return 0;
  // The token alone on its line, so that it can be taken from there.
  from.world.err << "Keep this token: it is not shown again.\n";
  from.world.out << shown_member(answer.as_object(), "token") << '\n';
  return 0;
}

int list_tokens(const ctl_call& from) {
  auto all = ask_pages(from, bot_path(from, "/tokens"), "tokens");
  for (auto& one : all) { // A list has no place in a table's cell.
    auto& methods = one.at("methods");
    if (from.json() || !methods.is_array())
      continue;
    std::string names;
    for (auto& name : methods.as_array())
      names += (names.empty() ? "" : " ") + std::string{name.as_string()};
    methods = names;
  }
  return show_rows(from, all, "tokens",
                   {{"#id", "id"},
                    {"name", "name"},
                    {"methods", "methods"},
                    {"expires", "expires_at"},
                    {"revoked", "revoked_at"}});
}

int revoke_token(const ctl_call& from) {
  auto answer = ask_node(from, "DELETE", bot_path(from, "/tokens/" + id_word(from, 1)));
  if (!shown_as_json(from, answer))
    from.world.out << "virtual token " << from.words[1] << " is revoked.\n";
  return 0;
}

// -- users ----------------------------------------------------------------------------------------

std::string users_path(const ctl_call& from) {
  return "/v1/tenants/" + id_word(from, 0) + "/users";
}

int add_user(const ctl_call& from) {
  json::object body{{"name", from.words[1]}};
  if (from.has("role"))
    body["role"] = from.option("role");
  auto answer = ask_node(from, "POST", users_path(from), &body);
  if (!shown_as_json(from, answer))
    from.world.out << "user " << shown_member(answer.as_object(), "id")
                   << " is added. Give a key: troupectl key create --tenant=" << from.words[0]
                   << " --user=" << shown_member(answer.as_object(), "id") << '\n';
  return 0;
}

int list_users(const ctl_call& from) {
  return show_rows(from, ask_pages(from, users_path(from), "users"), "users",
                   {{"#id", "id"}, {"name", "name"}, {"role", "role"}, {"created", "created_at"}});
}

int remove_user(const ctl_call& from) {
  auto answer = ask_node(from, "DELETE", users_path(from) + '/' + id_word(from, 1));
  if (!shown_as_json(from, answer))
    from.world.out << "user " << from.words[1] << " and all keys of theirs are removed.\n";
  return 0;
}

// -- tenants --------------------------------------------------------------------------------------

int change_tenant(const ctl_call& from) {
  json::object body;
  for (auto name : {"name", "state"})
    if (from.has(name))
      body[name] = from.option(name);
  if (from.has("max-bots"))
    body["max_bots"] = from.number("max-bots");
  if (from.has("rps"))
    body["rps"] = from.number("rps");
  auto answer = ask_node(from, "PATCH", "/v1/tenants/" + id_word(from, 0), &body);
  if (!shown_as_json(from, answer))
    print_members(from.to(), answer.as_object());
  return 0;
}

int remove_tenant(const ctl_call& from) {
  auto answer = ask_node(from, "DELETE", "/v1/tenants/" + id_word(from, 0));
  if (!shown_as_json(from, answer))
    from.world.out << "tenant " << from.words[0] << ", its users and its keys are removed.\n";
  return 0;
}

// -- the node -------------------------------------------------------------------------------------

int restart_part(const ctl_call& from) {
  json::object body{{"name", from.words[0]}};
  if (from.has("kill"))
    body["kill"] = true;
  auto answer = ask_node(from, "POST", "/v1/supervision:restart", &body);
  if (!shown_as_json(from, answer))
    from.world.out << from.words[0] << " ends; its supervisor starts it again.\n";
  return 0;
}

int show_answer(const ctl_call& from, const std::string& path) {
  auto answer = ask_node(from, "GET", path);
  if (!shown_as_json(from, answer))
    print_members(from.to(), answer.as_object());
  return 0;
}

constexpr command access_command_table[] = {
  {"tenant change", "ID", "name= state= max-bots= rps=",
   "change a tenant; --state=suspended refuses its keys, --state=active takes them again",
   change_tenant},
  {"tenant remove", "ID", "", "remove a tenant without bots, with its users and keys",
   remove_tenant},
  {"user add", "TENANT NAME",
   "role=", "add a user to whom keys may belong (--role=admin|developer|viewer)", add_user},
  {"user list", "TENANT", "limit=", "a tenant's users", list_users},
  {"user remove", "TENANT USER", "", "remove a user with all keys of theirs", remove_user},
  {"token create", "ID [METHOD...]", "name= expires-in=",
   "make a virtual token of a bot, for these methods or for all", create_token},
  {"token list", "ID", "limit=", "a bot's virtual tokens", list_tokens},
  {"token revoke", "ID TOKEN", "", "refuse a virtual token, by its number, from now on",
   revoke_token},
  {"restart", "PART", "kill",
   "end a part of the node, by its name in `tree`; its supervisor starts it again", restart_part},
  {"whoami", "", "", "the key that is used, and what it may do",
   [](const ctl_call& from) { return show_answer(from, "/v1/me"); }},
  {"store", "", "", "how the store and the registrar do",
   [](const ctl_call& from) { return show_answer(from, "/v1/store"); }},
};

} // namespace

std::span<const command> access_commands() {
  return access_command_table;
}

} // namespace troupe::api
