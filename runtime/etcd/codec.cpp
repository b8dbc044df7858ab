#include "runtime/etcd/codec.hpp"

#include "runtime/crypto/bytes.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <charconv>

namespace troupe::etcd {
namespace {

namespace json = boost::json;

/// Thrown within this file for what etcd never says.
struct not_etcd {};

std::string base64(std::string_view bytes) {
  return crypto::to_base64(crypto::as_bytes(bytes));
}

std::string text_of(std::int64_t x) {
  return std::to_string(x);
}

// -- to JSON ------------------------------------------------------------------

json::object keys(const std::string& key, const std::string& range_end) {
  json::object out{{"key", base64(key)}};
  if (!range_end.empty())
    out["range_end"] = base64(range_end);
  return out;
}

json::object to_json(const range& x) {
  auto out = keys(x.key, x.range_end);
  if (x.at != 0)
    out["revision"] = text_of(x.at);
  if (x.limit != 0)
    out["limit"] = text_of(x.limit);
  if (x.keys_only)
    out["keys_only"] = true;
  return out;
}

json::object to_json(const put& x) {
  json::object out{{"key", base64(x.key)}, {"value", base64(x.value)}};
  if (x.lease != 0)
    out["lease"] = text_of(x.lease);
  return out;
}

json::object to_json(const erase& x) {
  return keys(x.key, x.range_end);
}

json::object to_json(const compare& x) {
  using part = compare::part;
  static constexpr const char* relations[] = {"EQUAL", "GREATER", "LESS", "NOT_EQUAL"};
  json::object out{{"key", base64(x.key)}, {"result", relations[static_cast<std::size_t>(x.is)]}};
  auto condition = [&out](const char* target, const char* field, std::string value) {
    out["target"] = target;
    out[field] = std::move(value);
  };
  switch (x.of) {
  case part::created:
    condition("CREATE", "create_revision", text_of(x.number));
    break;
  case part::modified:
    condition("MOD", "mod_revision", text_of(x.number));
    break;
  case part::version:
    condition("VERSION", "version", text_of(x.number));
    break;
  case part::lease:
    condition("LEASE", "lease", text_of(x.number));
    break;
  case part::value:
    condition("VALUE", "value", base64(x.value));
    break;
  }
  return out;
}

json::array to_json(const std::vector<operation>& operations) {
  static constexpr const char* names[] = {"request_range", "request_put", "request_delete_range"};
  json::array out;
  for (auto& one : operations) {
    auto body = std::visit([](auto& x) { return to_json(x); }, one);
    out.push_back(json::object{{names[one.index()], std::move(body)}});
  }
  return out;
}

json::object to_json(const txn& x) {
  json::array when;
  for (auto& one : x.when)
    when.push_back(to_json(one));
  return {
    {"compare", std::move(when)}, {"success", to_json(x.then)}, {"failure", to_json(x.otherwise)}};
}

json::object to_json(const lease_grant& x) {
  return {{"TTL", text_of(x.ttl.count())}};
}

json::object to_json(const lease_keep_alive& x) {
  return {{"ID", text_of(x.id)}};
}

json::object to_json(const lease_revoke& x) {
  return {{"ID", text_of(x.id)}};
}

// -- from JSON ----------------------------------------------------------------

std::int64_t number(const json::object& from, std::string_view name) {
  auto* found = from.if_contains(name);
  if (found == nullptr)
    return 0;
  if (auto* plain = found->if_int64())
    return *plain;
  auto* text = found->if_string();
  std::int64_t result = 0;
  if (text == nullptr)
    throw not_etcd{};
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), result);
  if (error != std::errc{} || end != text->data() + text->size())
    throw not_etcd{};
  return result;
}

bool flag(const json::object& from, std::string_view name) {
  auto* found = from.if_contains(name);
  return found != nullptr && found->is_bool() && found->get_bool();
}

std::string text(const json::object& from, std::string_view name) {
  auto* found = from.if_contains(name);
  auto* result = found ? found->if_string() : nullptr;
  return result ? std::string{result->data(), result->size()} : std::string{};
}

std::string bytes(const json::object& from, std::string_view name) {
  auto* found = from.if_contains(name);
  auto* encoded = found ? found->if_string() : nullptr;
  auto decoded = crypto::from_base64(encoded ? std::string_view{encoded->data(), encoded->size()}
                                             : std::string_view{});
  if (!decoded || (found != nullptr && encoded == nullptr))
    throw not_etcd{};
  return std::move(*decoded);
}

const json::object& object(const json::value& from) {
  if (auto* result = from.if_object())
    return *result;
  throw not_etcd{};
}

/// The object of this name, or an empty one.
const json::object& object(const json::object& from, std::string_view name) {
  static const json::object nothing;
  auto* found = from.if_contains(name);
  return found ? object(*found) : nothing;
}

/// Calls `each` with every object of this array, if it is there.
template <class F>
void objects(const json::object& from, std::string_view name, F each) {
  auto* found = from.if_contains(name);
  if (found == nullptr)
    return;
  auto* list = found->if_array();
  if (list == nullptr)
    throw not_etcd{};
  for (auto& one : *list)
    each(object(one));
}

entry entry_of(const json::object& from) {
  entry result;
  result.key = bytes(from, "key");
  result.value = bytes(from, "value");
  result.created = number(from, "create_revision");
  result.modified = number(from, "mod_revision");
  result.version = number(from, "version");
  result.lease = number(from, "lease");
  return result;
}

/// Range, put, deletion, transaction and leases share no name that means two things.
reply reply_of(const json::object& from) {
  reply result;
  result.at = number(object(from, "header"), "revision");
  objects(from, "kvs", [&](auto& kv) { result.entries.push_back(entry_of(kv)); });
  result.count = number(from, "count") + number(from, "deleted");
  result.succeeded = flag(from, "succeeded");
  objects(from, "responses", [&](auto& part) {
    if (part.size() != 1)
      throw not_etcd{};
    result.parts.push_back(reply_of(object(part.begin()->value())));
  });
  result.lease = number(from, "ID");
  result.ttl = std::chrono::seconds{number(from, "TTL")};
  return result;
}

std::optional<json::value> parsed(std::string_view text) {
  json::error_code ec;
  auto result = json::parse(text, ec);
  if (ec)
    return std::nullopt;
  return result;
}

} // namespace

std::string prefix_end(std::string_view prefix) {
  std::string result{prefix};
  while (!result.empty() && result.back() == '\xff')
    result.pop_back();
  if (result.empty())
    return std::string(1, '\0'); // All keys from `prefix` on.
  result.back() = static_cast<char>(static_cast<unsigned char>(result.back()) + 1);
  return result;
}

std::string_view to_string(status x) noexcept {
  static constexpr std::string_view names[] = {"done", "refused", "unavailable", "unknown"};
  return names[static_cast<std::size_t>(x)];
}

std::string_view path_of(const request& what) noexcept {
  static constexpr std::string_view paths[] = {
    "/v3/kv/range",    "/v3/kv/put",          "/v3/kv/deleterange", "/v3/kv/txn",
    "/v3/lease/grant", "/v3/lease/keepalive", "/v3/lease/revoke"};
  static_assert(std::size(paths) == std::variant_size_v<request>);
  return paths[what.index()];
}

std::string body_of(const request& what) {
  return json::serialize(std::visit([](auto& x) { return to_json(x); }, what));
}

std::string body_of(const watch_spec& what) {
  auto out = keys(what.key, what.range_end);
  if (what.from != 0)
    out["start_revision"] = text_of(what.from);
  return json::serialize(json::object{{"create_request", std::move(out)}});
}

std::optional<reply> read_reply(const request& to, std::string_view text) try {
  auto value = parsed(text);
  if (!value)
    return std::nullopt;
  auto* body = &object(*value);
  if (std::holds_alternative<lease_keep_alive>(to)) // A stream of one.
    body = &object(*body, "result");
  if (!body->contains("header"))
    return std::nullopt;
  return reply_of(*body);
} catch (const not_etcd&) {
  return std::nullopt;
}

std::optional<complaint> read_complaint(std::string_view from) try {
  auto value = parsed(from);
  if (!value || !value->is_object() || !value->get_object().contains("error"))
    return std::nullopt;
  auto& body = value->get_object();
  if (body.at("error").is_object()) { // Within a stream.
    auto& error = body.at("error").get_object();
    return complaint{static_cast<int>(number(error, "grpc_code")), text(error, "message")};
  }
  return complaint{static_cast<int>(number(body, "code")), text(body, "error")};
} catch (const not_etcd&) {
  return std::nullopt;
}

std::optional<watch_message> read_watch_line(std::string_view line) try {
  watch_message result;
  if (auto refused = read_complaint(line)) {
    result.canceled = true;
    result.code = refused->code;
    result.reason = refused->message;
    return result;
  }
  auto value = parsed(line);
  if (!value)
    return std::nullopt;
  auto& body = object(*value);
  if (!body.contains("result"))
    return std::nullopt;
  auto& from = object(body, "result");
  result.at = number(object(from, "header"), "revision");
  result.created = flag(from, "created");
  result.canceled = flag(from, "canceled");
  result.compacted = number(from, "compact_revision");
  result.reason = text(from, "cancel_reason");
  objects(from, "events", [&](auto& event) {
    result.changes.push_back({entry_of(object(event, "kv")), text(event, "type") == "DELETE"});
  });
  return result;
} catch (const not_etcd&) {
  return std::nullopt;
}

} // namespace troupe::etcd
