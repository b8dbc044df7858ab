#include "actors/gateway/updates.hpp"

#include "runtime/telegram/params.hpp"
#include "runtime/telegram/same_word.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

namespace troupe::gateway {
namespace {

namespace json = boost::json;

std::int64_t number_in(std::string_view text, std::int64_t otherwise) {
  std::int64_t x = otherwise;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), x);
  return ec == std::errc{} ? x : otherwise;
}

bool truthy(std::string_view text) {
  return telegram::same_word(text, "true") || text == "1" || telegram::same_word(text, "yes");
}

/// Names that could be kinds; the Bot API ignores the others.
std::optional<std::vector<std::string>> kinds_in(std::string_view text) {
  json::error_code ec;
  auto list = json::parse(json::string_view{text.data(), text.size()}, ec);
  if (ec || !list.is_array())
    return std::nullopt;
  std::vector<std::string> result;
  for (const auto& x : list.get_array()) {
    auto fits = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
    if (x.is_string() && !x.get_string().empty() && x.get_string().size() <= 64
        && result.size() < 100 && std::ranges::all_of(x.get_string(), fits))
      result.emplace_back(x.get_string().c_str());
  }
  return result;
}

/// More parameters than these methods have, of which the others are none.
constexpr std::size_t most_params = 100;

void set(update_params& out, std::string_view name, std::string_view value) {
  if (name == "offset")
    out.offset = number_in(value, 0);
  else if (name == "limit")
    out.limit = static_cast<std::uint32_t>(std::clamp<std::int64_t>(number_in(value, 100), 1, 100));
  else if (name == "timeout")
    out.timeout = std::chrono::seconds{std::clamp<std::int64_t>(number_in(value, 0), 0, 50)};
  else if (name == "allowed_updates")
    out.allowed = kinds_in(value);
  else if (name == "url")
    out.url = value;
  else if (name == "secret_token")
    out.secret_token = value;
  else if (name == "max_connections")
    out.max_connections = number_in(value, 0);
  else if (name == "drop_pending_updates")
    out.drop_pending = truthy(value);
}

json::object read_object(std::string_view text) {
  json::error_code ec;
  auto value = json::parse(json::string_view{text.data(), text.size()}, ec);
  return !ec && value.is_object() ? std::move(value.get_object()) : json::object{};
}

json::object part_of(const json::object& settings, std::string_view name) {
  const auto* part = settings.if_contains(json::string_view{name.data(), name.size()});
  return part && part->is_object() ? part->get_object() : json::object{};
}

void put_kinds(json::object& settings, const update_params& params) {
  if (!params.allowed)
    return;
  auto intake = part_of(settings, "updates");
  intake["allowed_updates"] = json::array(params.allowed->begin(), params.allowed->end());
  settings["updates"] = std::move(intake);
}

/// With what it was before, to see whether anything changed.
steered_settings finish(std::string_view before, const json::object& after) {
  steered_settings result;
  result.changed = read_object(before) != after;
  result.json = json::serialize(after);
  return result;
}

} // namespace

update_params read_update_params(std::string_view query, std::string_view body,
                                 std::string_view content_type, std::string_view content_encoding) {
  update_params result;
  std::vector<std::string> seen; // What comes first wins, as at Telegram.
  auto note = [&](std::string_view name, std::string_view value) {
    if (std::ranges::find(seen, name) != seen.end() || seen.size() > most_params)
      return;
    seen.emplace_back(name);
    set(result, name, value);
  };
  telegram::each_in_form(query, note);
  if (!body.empty())
    telegram::each_in_body(body, content_type, content_encoding, note);
  return result;
}

/// In another order, or with some of them twice, they are the same: of several workers each may say
/// them in its own way, and each change is one of the webhook, too.
bool changes_kinds(const update_params& params, const updates::update_settings& settings) {
  using kinds = std::set<std::string_view>;
  const auto& known = settings.intake.allowed_updates;
  return params.allowed
         && (!known
             || kinds(params.allowed->begin(), params.allowed->end())
                  != kinds(known->begin(), known->end()));
}

std::string updates_body(const std::vector<shared_text>& updates) {
  constexpr std::string_view begin = R"({"ok":true,"result":[)";
  std::size_t size = begin.size() + 2;
  for (const auto& x : updates)
    size += x.str().size() + 1;
  std::string body;
  body.reserve(size);
  body += begin;
  for (std::size_t i = 0; i < updates.size(); ++i)
    body.append(i == 0 ? "" : ",").append(updates[i].str());
  return body += "]}";
}

steered_settings with_webhook(std::string_view settings, const update_params& params) {
  auto all = read_object(settings);
  auto delivery = part_of(all, "delivery");
  auto mode = delivery.if_contains("mode");
  if (!mode || *mode != "relay")
    delivery = {};
  delivery["mode"] = "relay";
  delivery["url"] = params.url;
  delivery.erase("secret_token");
  if (!params.secret_token.empty())
    delivery["secret_token"] = params.secret_token;
  delivery.erase("max_connections");
  if (params.max_connections)
    delivery["max_connections"] = std::clamp<std::int64_t>(*params.max_connections, 1, 100);
  all["delivery"] = std::move(delivery);
  put_kinds(all, params);
  auto result = finish(settings, all);
  static_cast<void>(updates::read_settings(result.json));
  return result;
}

steered_settings with_pull(std::string_view settings) {
  auto all = read_object(settings);
  auto delivery = part_of(all, "delivery");
  auto mode = delivery.if_contains("mode");
  if (mode && *mode != "pull")
    all["delivery"] = json::object{{"mode", "pull"}};
  return finish(settings, all);
}

steered_settings with_kinds(std::string_view settings, const update_params& params) {
  auto all = read_object(settings);
  put_kinds(all, params);
  return finish(settings, all);
}

} // namespace troupe::gateway
