#include "runtime/api/openapi_answers.hpp"

#include "runtime/api/rows.hpp"

#include <array>

namespace troupe::api {
namespace {

namespace json = boost::json;

constexpr wall_ms some_time = 1'700'000'000'000;

// -- rows, full and empty --------------------------------------------------------------------------

json::object full_bot() {
  bot_row x;
  x.id = x.owner = 1;
  x.username = x.name = x.reason = "x";
  x.since = x.until = x.verified = x.created = x.updated = some_time;
  x.rps = x.concurrent = 1;
  x.settings = R"({"updates":{},"delivery":{}})";
  return to_json(x, health_status::healthy);
}

json::object full_tenant() {
  tenant_row x;
  x.max_bots = x.rps = 1;
  x.created = some_time;
  return to_json(x);
}

json::object full_key() {
  key_row x;
  x.tenant = 1;
  x.user = 1;
  x.created = x.expires = x.revoked = x.used = some_time;
  return to_json(x);
}

json::object full_user() {
  user_row x;
  x.created = some_time;
  return to_json(x);
}

json::object full_token() {
  virtual_token_row x;
  x.methods = {"getme"};
  x.created = x.expires = x.revoked = some_time;
  return to_json(x);
}

json::object full_entry() {
  audit_row x;
  x.at = some_time;
  x.by = {"x", 1, "x", "x"};
  x.tenant = 1;
  return to_json(x);
}

json::object with(json::object from, std::string_view name) {
  from[name] = "x";
  return from;
}

/// Times that every row has, and that an empty one has not.
json::object dated(json::object empty) {
  for (auto name : {"created_at", "updated_at", "phase_since", "at"})
    if (empty.contains(name))
      empty[name] = "x";
  return empty;
}

struct sample {
  std::string_view name;
  json::object full;
  json::object empty;
};

std::vector<sample> samples() {
  auto key = dated(to_json(key_row{}));
  auto token = dated(to_json(virtual_token_row{}));
  return {{"bot", full_bot(), dated(to_json(bot_row{}, std::nullopt))},
          {"tenant", full_tenant(), to_json(tenant_row{})}, // The first one was always there.
          {"user", full_user(), dated(to_json(user_row{}))},
          {"key", full_key(), key},
          {"made_key", with(full_key(), "key"), with(key, "key")},
          {"virtual_token", full_token(), token},
          {"made_virtual_token", with(full_token(), "token"), with(token, "token")},
          {"audit_entry", full_entry(), dated(to_json(audit_row{}))}};
}

// -- schemas ---------------------------------------------------------------------------------------

std::string_view type_of(const json::value& x) {
  switch (x.kind()) {
  case json::kind::null:
    return "null";
  case json::kind::bool_:
    return "boolean";
  case json::kind::string:
    return "string";
  case json::kind::double_:
    return "number";
  case json::kind::array:
    return "array";
  case json::kind::object:
    return "object";
  default:
    return "integer";
  }
}

json::object schema_like(const json::value& full, const json::value& empty) {
  json::object schema;
  auto type = type_of(full);
  if (type == type_of(empty))
    schema["type"] = type;
  else
    schema["type"] = json::array{json::value(type), json::value(type_of(empty))};
  if (full.is_array() && !full.get_array().empty())
    schema["items"] = json::object{{"type", type_of(full.get_array().front())}};
  if (!full.is_object() || !empty.is_object() || full.get_object().empty())
    return schema;
  json::object members;
  json::array required;
  for (auto& one : full.get_object()) {
    members[one.key()] = schema_like(one.value(), empty.get_object().at(one.key()));
    required.push_back(json::value(one.key()));
  }
  schema["properties"] = std::move(members);
  schema["required"] = std::move(required);
  return schema;
}

json::object reference(std::string_view name) {
  return {{"$ref", "#/components/schemas/" + std::string{name}}};
}

/// An operation, the rows it answers with, and the member that lists them; one row without it.
struct answer_of {
  std::string_view operation;
  std::string_view row;
  std::string_view list = {};
};

constexpr std::array answers{
  answer_of{"registerBot", "bot"},
  answer_of{"getBot", "bot"},
  answer_of{"changeBot", "bot"},
  answer_of{"activateBot", "bot"},
  answer_of{"suspendBot", "bot"},
  answer_of{"resumeBot", "bot"},
  answer_of{"restartBot", "bot"},
  answer_of{"rotateBotToken", "bot"},
  answer_of{"listBots", "bot", "bots"},
  answer_of{"createVirtualToken", "made_virtual_token"},
  answer_of{"listVirtualTokens", "virtual_token", "tokens"},
  answer_of{"createTenant", "tenant"},
  answer_of{"getTenant", "tenant"},
  answer_of{"changeTenant", "tenant"},
  answer_of{"listTenants", "tenant", "tenants"},
  answer_of{"createUser", "user"},
  answer_of{"listUsers", "user", "users"},
  answer_of{"createTenantKey", "made_key"},
  answer_of{"listTenantKeys", "key", "keys"},
  answer_of{"createOperatorKey", "made_key"},
  answer_of{"listOperatorKeys", "key", "keys"},
  answer_of{"listAudit", "audit_entry", "entries"},
};

json::object page_schema(const answer_of& of) {
  json::object rows{{"type", "array"}, {"items", reference(of.row)}};
  json::object cursor{{"type", json::array{"string", "null"}},
                      {"description", "The next page's `cursor`; null on the last."}};
  json::object members;
  members[of.list] = std::move(rows);
  members["next_cursor"] = std::move(cursor);
  return {{"type", "object"},
          {"properties", std::move(members)},
          {"required", json::array{json::value(of.list), json::value("next_cursor")}}};
}

} // namespace

json::object row_schemas() {
  json::object all;
  for (auto& one : samples())
    all[one.name] = schema_like(one.full, one.empty);
  return all;
}

std::optional<json::object> answer_schema(std::string_view operation) {
  for (auto& one : answers)
    if (one.operation == operation)
      return one.list.empty() ? reference(one.row) : page_schema(one);
  return std::nullopt;
}

} // namespace troupe::api
