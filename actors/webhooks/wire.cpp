#include "actors/webhooks/wire.hpp"

#include "runtime/telegram/updates.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace troupe::keeping {
namespace {

namespace json = boost::json;

json::object object_in(std::string_view text) {
  boost::system::error_code ec;
  auto document = json::parse(text, ec);
  return !ec && document.is_object() ? std::move(document.get_object()) : json::object{};
}

std::string text_in(const json::object& from, std::string_view key) {
  auto* found = from.if_contains(key);
  auto* text = found != nullptr ? found->if_string() : nullptr;
  return text != nullptr ? std::string{text->data(), text->size()} : std::string{};
}

std::int64_t number_in(const json::object& from, std::string_view key) {
  auto* found = from.if_contains(key);
  return found != nullptr && found->is_int64() ? found->get_int64() : 0;
}

std::optional<std::vector<std::string>> texts_in(const json::object& from, std::string_view key) {
  auto* found = from.if_contains(key);
  if (found == nullptr || !found->is_array())
    return std::nullopt;
  std::vector<std::string> result;
  for (auto& x : found->get_array())
    if (auto* text = x.if_string())
      result.emplace_back(text->data(), text->size());
  std::sort(result.begin(), result.end());
  return result;
}

std::string serialize(const std::vector<std::string>& texts) {
  json::array list;
  for (auto& x : texts)
    list.emplace_back(x);
  return json::serialize(list);
}

/// The kinds that Telegram sends when nobody says otherwise; sorted.
std::vector<std::string> usual_kinds() {
  std::vector<std::string> result;
  for (auto& x : telegram::update_kinds())
    if (x.by_default)
      result.emplace_back(x.name);
  std::sort(result.begin(), result.end());
  return result;
}

void add_field(std::string& to, std::string_view boundary, std::string_view name,
               std::string_view value, std::string_view more = {}) {
  to += "--" + std::string{boundary} + "\r\nContent-Disposition: form-data; name=\""
        + std::string{name} + '"' + std::string{more} + "\r\n\r\n" + std::string{value} + "\r\n";
}

} // namespace

std::optional<webhook_info> read_info(std::string_view answer) {
  auto all = object_in(answer);
  auto* result = all.if_contains("result");
  if (result == nullptr || !result->is_object())
    return std::nullopt;
  auto& from = result->get_object();
  webhook_info x;
  x.url = text_in(from, "url");
  if (auto* own = from.if_contains("has_custom_certificate"); own != nullptr && own->is_bool())
    x.custom_certificate = own->get_bool();
  x.pending = static_cast<std::uint64_t>(
    std::max<std::int64_t>(number_in(from, "pending_update_count"), 0));
  x.last_error = text_in(from, "last_error_message");
  x.last_error_at = number_in(from, "last_error_date") * 1000;
  x.max_connections = static_cast<std::uint32_t>(
    std::clamp<std::int64_t>(number_in(from, "max_connections"), 0, 1000));
  x.allowed = texts_in(from, "allowed_updates");
  return x;
}

bool is_ok(std::string_view answer) {
  auto all = object_in(answer);
  auto* ok = all.if_contains("ok");
  return ok != nullptr && ok->is_bool() && ok->get_bool();
}

std::string description_of(std::string_view answer) {
  auto text = text_in(object_in(answer), "description");
  return text.empty() ? "an answer that is none" : text;
}

std::string allowed_json(const updates::intake_settings& how) {
  return how.allowed_updates ? serialize(*how.allowed_updates) : std::string{};
}

form set_webhook(const std::string& url, const std::string& secret,
                 const updates::intake_settings& how, const std::string& certificate) {
  // An empty list is Telegram's word for the default; not given it would keep what was before.
  auto allowed = how.allowed_updates.value_or(std::vector<std::string>{});
  if (certificate.empty()) {
    json::object body{{"url", url}, {"max_connections", how.max_connections}};
    body["secret_token"] = secret;
    body["allowed_updates"] = json::value_from(allowed);
    return {json::serialize(body)};
  }
  constexpr std::string_view boundary = "troupe-7d1f3a9c5e";
  form x;
  x.content_type = "multipart/form-data; boundary=" + std::string{boundary};
  add_field(x.body, boundary, "url", url);
  add_field(x.body, boundary, "max_connections", std::to_string(how.max_connections));
  add_field(x.body, boundary, "secret_token", secret);
  add_field(x.body, boundary, "allowed_updates", serialize(allowed));
  add_field(x.body, boundary, "certificate", certificate,
            "; filename=\"certificate.pem\"\r\nContent-Type: application/x-pem-file");
  x.body += "--" + std::string{boundary} + "--\r\n";
  return x;
}

std::string remembered(const webhook_info& x) {
  json::object body{{"url", x.url}};
  if (x.max_connections != 0)
    body["max_connections"] = x.max_connections;
  if (x.allowed)
    body["allowed_updates"] = json::value_from(*x.allowed);
  return json::serialize(body);
}

std::optional<form> put_back(std::string_view text) {
  if (text_in(object_in(text), "url").empty())
    return std::nullopt;
  return form{std::string{text}};
}

bool fits(const webhook_info& x, const updates::intake_settings& how, bool certificate) {
  if (x.custom_certificate != certificate)
    return false;
  if (x.max_connections != 0 && x.max_connections != how.max_connections)
    return false;
  auto wanted = how.allowed_updates.value_or(std::vector<std::string>{});
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  auto usual = usual_kinds();
  if (wanted.empty())
    wanted = usual;
  // Kinds that Telegram does not know are not told back.
  auto has = x.allowed && !x.allowed->empty() ? *x.allowed : usual;
  std::erase_if(wanted, [&](const std::string& kind) {
    return telegram::find_update_kind(kind) == telegram::unknown_update_kind
           && !std::binary_search(has.begin(), has.end(), kind);
  });
  return has == wanted || wanted.empty();
}

std::string shown_url(std::string_view url) {
  auto scheme = url.find("://");
  auto from = scheme == std::string_view::npos ? 0 : scheme + 3;
  auto host = url.substr(from, url.find_first_of("/?#", from) - from);
  if (auto at = host.rfind('@'); at != std::string_view::npos)
    host.remove_prefix(at + 1);
  return std::string{url.substr(0, from)} + std::string{host};
}

std::string message_to(std::int64_t chat, std::string_view text) {
  return json::serialize(json::object{{"chat_id", chat}, {"text", text}});
}

} // namespace troupe::keeping
