#define CAF_SUITE api.openapi
#include "runtime/api/openapi.hpp"
#include "tests/api/managed.hpp"

#include "runtime/api/router.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <set>

using namespace troupe;
using namespace std::literals;
using fakes::json_of;
using fakes::told;

namespace {

namespace json = boost::json;

struct fixture : fakes::managed_node {
  json::object document = json_of(get("/openapi.json", ""));
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
  kept->add_bot(7, 1);
  kept->tenants[7] = {.id = 7, .name = "seven"};
  for (auto& path : document.at("paths").as_object())
    for (auto& method : path.value().as_object()) {
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
      if (answer.status < 300)
        CHECK(operation.at("responses").as_object().contains(std::to_string(answer.status)));
    }
}

SCENARIO("the document lists every code that an error can have") {
  auto& schemas = document.at("components").as_object().at("schemas").as_object();
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
