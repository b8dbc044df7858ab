// The control API: finds the route, reads the body, writes errors.
#include "tests/sandbox/control.hpp"
#include "tests/sandbox/parameters.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>

namespace troupe::sandbox {

namespace {

namespace json = boost::json;

bool matches(std::string_view pattern, std::string_view path,
             std::array<std::string_view, 2>& captured) {
  std::size_t count = 0;
  for (;;) {
    auto want = pattern.substr(0, pattern.find('/'));
    auto have = path.substr(0, path.find('/'));
    if (want == "*" && !have.empty())
      captured.at(count++) = have;
    else if (want != have)
      return false;
    if (want.size() == pattern.size() || have.size() == path.size())
      return want.size() == pattern.size() && have.size() == path.size();
    pattern.remove_prefix(want.size() + 1);
    path.remove_prefix(have.size() + 1);
  }
}

const json::value* member(const json::object& x, std::string_view name) {
  auto* value = x.if_contains({name.data(), name.size()});
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string error_json(std::string_view why) {
  std::string out = R"({"error":)";
  telegram::append_json_string(out, why);
  return out + '}';
}

json::object read_body(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return {};
  boost::system::error_code error;
  auto parsed = json::parse({text.data(), text.size()}, error);
  if (error || !parsed.is_object())
    throw control_error{400, "the body must be a JSON object"};
  return std::move(parsed.get_object());
}

} // namespace

void expect_members(const json::object& body, std::string_view members) {
  std::string words{members.empty() ? "there is none" : "there are "};
  for (char c : members)
    words += c == ' ' ? std::string{", "} : std::string{c};
  auto spaced = ' ' + std::string{members} + ' ';
  for (auto& one : body) {
    std::string name{one.key().data(), one.key().size()};
    if (name.empty() || spaced.find(' ' + name + ' ') == std::string::npos)
      throw control_error{400, "no such member: " + name.substr(0, 64) + "; " + words};
  }
}

std::string_view control_request::text(std::string_view name) const {
  auto* value = member(body, name);
  if (value == nullptr)
    return {};
  if (!value->is_string())
    throw control_error{400, std::string{name} + " must be a string"};
  return {value->get_string().data(), value->get_string().size()};
}

std::string_view control_request::required_text(std::string_view name) const {
  auto result = text(name);
  if (result.empty())
    throw control_error{400, std::string{name} + " is missing"};
  return result;
}

std::optional<std::int64_t> control_request::integer(std::string_view name) const {
  auto* value = member(body, name);
  if (value == nullptr)
    return std::nullopt;
  if (value->is_int64())
    return value->get_int64();
  if (auto* string = value->if_string())
    if (auto result = to_integer({string->data(), string->size()}))
      return result;
  throw control_error{400, std::string{name} + " must be a whole number"};
}

std::int64_t control_request::required_integer(std::string_view name) const {
  if (auto result = integer(name))
    return *result;
  throw control_error{400, std::string{name} + " is missing"};
}

double control_request::number(std::string_view name, double otherwise) const {
  auto* value = member(body, name);
  if (value == nullptr)
    return otherwise;
  if (!value->is_number())
    throw control_error{400, std::string{name} + " must be a number"};
  return value->to_number<double>();
}

bool control_request::flag(std::string_view name, bool otherwise) const {
  auto* value = member(body, name);
  if (value == nullptr)
    return otherwise;
  if (!value->is_bool())
    throw control_error{400, std::string{name} + " must be true or false"};
  return value->get_bool();
}

std::shared_ptr<bot> control_request::named_bot() const {
  auto id = required_integer("bot");
  if (auto result = w().find_bot(id))
    return result;
  throw control_error{404, "no bot has the id " + std::to_string(id)};
}

std::shared_ptr<const user> control_request::named_user() const {
  auto id = required_integer("user");
  if (auto result = w().find_user(id))
    return result;
  throw control_error{404, "no user has the id " + std::to_string(id)};
}

std::int64_t control_request::captured_id(std::size_t index) const {
  if (auto result = to_integer(captured.at(index)))
    return *result;
  throw control_error{404, "not an id: " + std::string{captured.at(index)}};
}

std::shared_ptr<chat> control_request::captured_chat() const {
  auto id = captured_id();
  parameters from_query;
  from_query.read_query(query);
  auto of_bot = integer("bot").value_or(from_query.integer("bot").value_or(0));
  auto found = w().find_chats(id, of_bot);
  if (found.empty())
    throw control_error{404, "no chat has the id " + std::to_string(id)};
  if (found.size() > 1)
    throw control_error{400, "several bots have a private chat with user " + std::to_string(id)
                               + ": say which one with \"bot\""};
  return found.front();
}

void serve_control(const control_context& context, const net::http_request& request,
                   net::http_response& out) {
  auto path = request.path();
  path.remove_prefix(std::min(path.size(), std::string_view{"/sandbox/"}.size()));
  auto known_path = false;
  try {
    for (auto table : {scene_routes(), steering_routes()})
      for (auto& route : table) {
        std::array<std::string_view, 2> captured;
        if (!matches(route.pattern, path, captured))
          continue;
        known_path = true;
        if (route.method != request.method)
          continue;
        auto body = read_body(request.body);
        expect_members(body, route.members);
        out.body = route.run({context, body, captured, request.query()});
        return;
      }
    throw control_error{known_path ? 405 : 404,
                        known_path ? "this path does not take that method"
                                   : "no such path; troupe-sandbox --help lists them"};
  } catch (const control_error& e) {
    out.status = e.status;
    out.body = error_json(e.what());
  }
}

} // namespace troupe::sandbox
