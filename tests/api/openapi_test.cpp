#define CAF_SUITE api.openapi
#include "runtime/api/openapi.hpp"
#include "tests/api/managed.hpp"

#include "runtime/api/router.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <set>

namespace troupe::openapi_suite {

using namespace std::literals;
using fakes::json_of;
using fakes::told;

namespace {

namespace json = boost::json;

struct fixture : fakes::managed_node {
  json::object document = json_of(get("/openapi.json", ""));
  json::object& schemas = document.at("components").as_object().at("schemas").as_object();
};

std::string upper(std::string_view method) {
  std::string text{method};
  for (auto& c : text)
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

/// A value of which the document says that it is allowed.
json::value allowed_by(const json::object& schema) {
  if (auto* words = schema.if_contains("enum"))
    return words->as_array().at(0);
  auto type = schema.at("type").as_string();
  if (type == "string")
    return json::value(std::string(static_cast<std::size_t>(schema.at("minLength").as_int64()), 'a'));
  if (type == "integer")
    return schema.at("minimum");
  if (type == "boolean")
    return false;
  if (type == "array")
    return json::array(static_cast<std::size_t>(schema.at("minItems").as_int64()),
                       schema.at("items").as_object().at("type").as_string() == "integer"
                         ? json::value(1)
                         : json::value("a"));
  json::object all;
  if (auto* members = schema.if_contains("properties"))
    for (auto& one : members->as_object())
      all[one.key()] = allowed_by(one.value().as_object());
  return all;
}

std::string type_of(const json::value& x) {
  return x.is_null()     ? "null"
         : x.is_bool()   ? "boolean"
         : x.is_string() ? "string"
         : x.is_double() ? "number"
         : x.is_array()  ? "array"
         : x.is_object() ? "object"
                         : "integer";
}

bool allows(const json::value& type, const json::value& x) {
  if (type.is_string())
    return type.as_string() == type_of(x);
  for (auto& one : type.as_array())
    if (allows(one, x))
      return true;
  return false;
}

/// Where `x` is not as the schema says; empty if it is.
std::string deviation(const json::object& schemas, const json::object& schema, const json::value& x,
                      const std::string& where) {
  if (auto* link = schema.if_contains("$ref")) {
    std::string_view name = link->as_string();
    name.remove_prefix(name.rfind('/') + 1);
    return deviation(schemas, schemas.at(name).as_object(), x, where);
  }
  if (!allows(schema.at("type"), x))
    return where + " is of type " + type_of(x);
  if (auto* items = schema.if_contains("items"); items != nullptr && x.is_array())
    for (auto& one : x.as_array())
      if (auto wrong = deviation(schemas, items->as_object(), one, where + "[]"); !wrong.empty())
        return wrong;
  auto* members = schema.if_contains("properties");
  if (members == nullptr || !x.is_object())
    return "";
  for (auto& one : x.as_object()) {
    auto* known = members->as_object().if_contains(one.key());
    auto place = where + '.' + std::string{one.key()};
    if (known == nullptr)
      return place + " is not in the schema";
    if (auto wrong = deviation(schemas, known->as_object(), one.value(), place); !wrong.empty())
      return wrong;
  }
  for (auto& name : schema.at("required").as_array())
    if (!x.as_object().contains(name.as_string()))
      return where + " lacks " + std::string{name.as_string()};
  return "";
}

std::string filled(std::string_view path) {
  std::string text;
  for (std::size_t i = 0; i < path.size(); ++i)
    path[i] == '{' ? (text += '7', i = path.find('}', i)) : (text += path[i], i);
  return text;
}

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("the document and the table of routes name the same operations") {
  CHECK_EQ(document.at("openapi").as_string(), "3.1.0");
  CHECK_EQ(document.at("info").as_object().at("version").as_string(), TROUPE_VERSION);
  std::set<std::string> documented;
  for (auto& path : document.at("paths").as_object())
    for (auto& method : path.value().as_object())
      documented.insert(upper(method.key()) + ' ' + std::string{path.key()});
  std::set<std::string> served;
  for (auto& one : api::routes())
    served.insert(std::string{one.method} + ' ' + std::string{one.path});
  CHECK_EQ(documented, served);
}

SCENARIO("every documented operation is served, with whatever the document allows") {
  kept->note({}, 1, "x", "a");
  int compared = 0;
  for (auto& path : document.at("paths").as_object())
    for (auto& method : path.value().as_object()) {
      kept->add_bot(7, 1);
      kept->tenants[7] = {.id = 7, .name = "seven", .created = 1'700'000'000'000};
      auto& operation = method.value().as_object();
      auto target = filled(path.key());
      char mark = '?';
      for (auto& value : operation.at("parameters").as_array()) {
        auto& parameter = value.as_object();
        if (parameter.at("in").as_string() != "query" || parameter.at("name").as_string() == "cursor")
          continue;
        auto sample = allowed_by(parameter.at("schema").as_object());
        target += mark + std::string{parameter.at("name").as_string()} + '='
                  + (sample.is_string() ? std::string{sample.as_string()} : json::serialize(sample));
        mark = '&';
      }
      std::string body;
      if (auto* takes = operation.if_contains("requestBody")) {
        auto& content = takes->as_object().at("content").as_object();
        auto& schema = content.at("application/json").as_object().at("schema").as_object();
        body = json::serialize(allowed_by(schema));
      }
      auto answer = send(upper(method.key()), target, body, boss);
      auto code = told(answer);
      for (auto refused : {"400 bad_request", "400 bad_json", "400 unknown_field", "400 missing_field",
                           "400 body_missing", "400 body_unexpected", "404 not_found",
                           "405 method_not_allowed", "415 media_type", "403 forbidden"})
        CHECK_NE(code, refused);
      if (answer.status >= 300)
        continue;
      auto& responses = operation.at("responses").as_object();
      auto* described = responses.if_contains(std::to_string(answer.status));
      CHECK(described != nullptr);
      if (described == nullptr || answer.status == 204)
        continue;
      for (auto& content : described->as_object().at("content").as_object())
        if (auto* schema = content.value().as_object().if_contains("schema")) {
          auto wrong = deviation(schemas, schema->as_object(), json::parse(answer.body),
                                 std::string{operation.at("operationId").as_string()});
          if (!wrong.empty())
            CAF_MESSAGE("the document is wrong: " << wrong);
          CHECK_EQ(wrong, "");
          ++compared;
        }
    }
  CHECK(compared > 12);
}

SCENARIO("the schemas of answers tell what may be null from what may not") {
  auto& bot = schemas.at("bot").as_object().at("properties").as_object();
  CHECK_EQ(bot.at("id").as_object().at("type").as_string(), "integer");
  CHECK_EQ(json::serialize(bot.at("reason").as_object().at("type")), R"(["string","null"])");
  CHECK_EQ(bot.at("created_at").as_object().at("type").as_string(), "string");
  CHECK(bot.at("limits").as_object().at("properties").as_object().contains("rps"));
  json::object wrong{{"id", "7"}};
  CHECK_EQ(deviation(schemas, schemas.at("bot").as_object(), wrong, "bot"),
           "bot.id is of type string");
}

SCENARIO("the document lists every code that an error can have") {
  auto& members = schemas.at("problem").as_object().at("properties").as_object();
  std::set<std::string> listed;
  for (auto& one : members.at("code").as_object().at("enum").as_array())
    listed.insert(std::string{one.as_string()});
  for (auto part : {api::api_error_texts(), api::ec_texts(), api::store_texts()})
    for (auto& one : part)
      CHECK_EQ(listed.count(std::string{one.code}), 1u);
  for (auto& name : {"type", "title", "status", "detail", "advice", "code", "request_id"})
    CHECK(members.contains(name));
}

END_FIXTURE_SCOPE()

} // namespace troupe::openapi_suite
