#include "runtime/api/openapi.hpp"

#include "runtime/api/openapi_answers.hpp"
#include "runtime/api/router.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <set>

namespace troupe::api {
namespace {

namespace json = boost::json;

json::value string_schema() {
  return json::object{{"type", "string"}};
}

json::object object_schema(std::span<const field> fields);

json::object schema_of(const field& f) {
  json::object schema;
  switch (f.type) {
  case shape::text: {
    schema["type"] = "string";
    if (f.words.empty()) {
      schema["minLength"] = f.least;
      schema["maxLength"] = f.most;
      break;
    }
    json::array words;
    for (auto word : f.words)
      words.push_back(json::value(word));
    schema["enum"] = std::move(words);
    break;
  }
  case shape::integer:
    schema = {{"type", "integer"}, {"minimum", f.least}, {"maximum", f.most}};
    break;
  case shape::boolean:
    schema["type"] = "boolean";
    break;
  case shape::ids:
  case shape::texts: {
    auto of = f.type == shape::ids ? json::object{{"type", "integer"}, {"minimum", 1}}
                                   : json::object{{"type", "string"}, {"maxLength", 100}};
    schema = {{"type", "array"}, {"minItems", f.least}, {"maxItems", f.most}, {"items", of}};
    break;
  }
  case shape::object:
    schema = object_schema(f.inside);
    break;
  case shape::any:
    schema["type"] = "object";
    break;
  }
  schema["description"] = f.help;
  return schema;
}

json::object object_schema(std::span<const field> fields) {
  json::object members;
  json::array required;
  for (auto& f : fields) {
    members[f.name] = schema_of(f);
    if (f.required)
      required.push_back(json::value(f.name));
  }
  json::object schema{
    {"type", "object"}, {"properties", std::move(members)}, {"additionalProperties", false}};
  if (!required.empty())
    schema["required"] = std::move(required);
  return schema;
}

void add_path_parameters(std::string_view path, json::array& to) {
  for (auto open = path.find('{'); open != std::string_view::npos; open = path.find('{', open + 1)) {
    auto name = path.substr(open + 1, path.find('}', open) - open - 1);
    auto schema = name == "method" ? json::object{{"type", "string"}}
                                   : json::object{{"type", "integer"}, {"minimum", 1}};
    to.push_back(json::object{
      {"name", name}, {"in", "path"}, {"required", true}, {"schema", std::move(schema)}});
  }
}

json::array parameters_of(const route& one) {
  json::array all;
  add_path_parameters(one.path, all);
  for (auto& f : one.query)
    all.push_back(json::object{{"name", f.name},
                               {"in", "query"},
                               {"required", f.required},
                               {"description", f.help},
                               {"schema", schema_of(f)}});
  if (one.takes == body_use::free)
    all.push_back(json::object{{"name", "Idempotency-Key"},
                               {"in", "header"},
                               {"required", false},
                               {"description", "Makes the call safe to repeat."},
                               {"schema", string_schema()}});
  return all;
}

json::object body_of(const route& one) {
  auto schema = one.takes == body_use::free ? json::object{{"type", "object"}}
                                            : object_schema(one.body);
  return {{"required", one.takes == body_use::needed},
          {"content", {{"application/json", {{"schema", std::move(schema)}}}}}};
}

json::object answers_of(const route& one) {
  json::object success{{"description", one.success == 204 ? "Done." : "The answer."}};
  if (one.success != 204) {
    json::object content;
    if (auto schema = answer_schema(one.name))
      content["schema"] = std::move(*schema);
    success["content"] = json::object{{one.answer, std::move(content)}};
  }
  return {{std::to_string(one.success), std::move(success)},
          {"default", {{"$ref", "#/components/responses/problem"}}}};
}

std::string_view role_of(access needs) {
  switch (needs) {
  case access::open:
    return "No key is needed.";
  case access::node:
    return "Operators only; without a key on a node without a store.";
  case access::viewer:
    return "Any key.";
  case access::developer:
    return "Keys with the role developer, admin or operator.";
  case access::admin:
    return "Keys with the role admin or operator.";
  case access::operator_:
    return "Operators only.";
  }
  return "";
}

json::object operation_of(const route& one) {
  json::object all{{"operationId", one.name},
                   {"summary", one.summary},
                   {"description", role_of(one.needs)},
                   {"parameters", parameters_of(one)},
                   {"responses", answers_of(one)}};
  if (one.takes != body_use::none)
    all["requestBody"] = body_of(one);
  if (one.needs == access::open)
    all["security"] = json::array{};
  return all;
}

std::string lower(std::string_view method) {
  std::string text{method};
  for (auto& c : text)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

json::array codes() {
  std::set<std::string_view> all;
  for (auto part : {api_error_texts(), ec_texts(), store_texts()})
    for (auto& one : part)
      all.insert(one.code);
  json::array list;
  for (auto code : all)
    list.push_back(json::value(code));
  return list;
}

json::object problem_schema() {
  json::object members{{"type", string_schema()},
                       {"title", string_schema()},
                       {"status", {{"type", "integer"}}},
                       {"detail", {{"type", "string"}, {"description", "What happened."}}},
                       {"advice", {{"type", "string"}, {"description", "What to do about it."}}},
                       {"code", {{"type", "string"}, {"enum", codes()}}},
                       {"field", {{"type", "string"}, {"description", "What is wrong."}}},
                       {"request_id", string_schema()}};
  return {{"type", "object"},
          {"properties", std::move(members)},
          {"required", {"type", "title", "status", "detail", "advice", "code", "request_id"}}};
}

json::object components() {
  json::object schema{{"$ref", "#/components/schemas/problem"}};
  json::object content{{"application/problem+json", {{"schema", std::move(schema)}}}};
  json::object problem{{"description", "A problem document (RFC 9457)."},
                       {"content", std::move(content)}};
  auto schemas = row_schemas();
  schemas["problem"] = problem_schema();
  return {{"schemas", std::move(schemas)},
          {"responses", {{"problem", std::move(problem)}}},
          {"securitySchemes", {{"key", {{"type", "http"}, {"scheme", "bearer"}}}}}};
}

std::string made() {
  json::object paths;
  for (auto& one : routes()) {
    auto& path = paths[one.path];
    if (!path.is_object())
      path = json::object{};
    path.get_object()[lower(one.method)] = operation_of(one);
  }
  json::object document{{"openapi", "3.1.0"},
                        {"info",
                         {{"title", "Troupe"},
                          {"description", "The control API of a node that runs Telegram bots."},
                          {"version", TROUPE_VERSION}}},
                        {"security", json::array{json::object{{"key", json::array{}}}}},
                        {"paths", std::move(paths)},
                        {"components", components()}};
  return json::serialize(document);
}

} // namespace

const std::string& openapi_document() {
  static const auto text = made();
  return text;
}

} // namespace troupe::api
