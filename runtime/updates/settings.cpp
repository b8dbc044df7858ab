#include "runtime/updates/settings.hpp"

#include "runtime/rules/program.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace troupe::updates {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr std::string_view before_member = "webhook_before";
constexpr std::size_t longest_url = 2048;
constexpr std::size_t longest_secret = 256;
constexpr std::size_t longest_name = 64;
constexpr std::size_t most_kinds = 100;

[[noreturn]] void refuse(std::string_view member, std::string_view why) {
  throw bad_settings{std::string{member} + ": " + std::string{why}};
}

/// One object of the settings, and where it stands in them.
class section {
public:
  section(std::string_view name, const json::value& from) : name_(name) {
    if (from.is_null())
      return;
    if (!from.is_object())
      refuse(name, "must be an object");
    object_ = &from.get_object();
  }

  template <std::size_t N>
  void only(const std::array<std::string_view, N>& known) const {
    if (object_ == nullptr)
      return;
    for (auto& [key, ignored] : *object_)
      if (std::find(known.begin(), known.end(), std::string_view{key}) == known.end())
        refuse(path(key), "is no setting");
  }

  /// Null: not given, which `null` says too.
  [[nodiscard]] const json::value* find(std::string_view key) const {
    auto* found = object_ == nullptr ? nullptr : object_->if_contains(key);
    return found == nullptr || found->is_null() ? nullptr : found;
  }

  [[nodiscard]] std::string text(std::string_view key) const {
    auto* found = find(key);
    if (found == nullptr)
      return {};
    if (!found->is_string())
      refuse(path(key), "must be a text");
    return std::string{std::string_view{found->get_string()}};
  }

  [[nodiscard]] bool flag(std::string_view key) const {
    auto* found = find(key);
    if (found == nullptr)
      return false;
    if (!found->is_bool())
      refuse(path(key), "must be true or false");
    return found->get_bool();
  }

  [[nodiscard]] std::uint32_t number(std::string_view key, std::int64_t low, std::int64_t high,
                                     std::uint32_t otherwise) const {
    auto* found = find(key);
    if (found == nullptr)
      return otherwise;
    if (!found->is_int64() || found->get_int64() < low || found->get_int64() > high)
      refuse(path(key), "must be a whole number from " + std::to_string(low) + " to "
                          + std::to_string(high));
    return static_cast<std::uint32_t>(found->get_int64());
  }

  /// One of `names`, as its index.
  template <class Enum, std::size_t N>
  [[nodiscard]] std::optional<Enum> choice(const std::array<std::string_view, N>& names) const {
    if (find("mode") == nullptr)
      return std::nullopt;
    auto found = std::find(names.begin(), names.end(), text("mode"));
    if (found == names.end()) {
      std::string all;
      for (auto x : names)
        all += (all.empty() ? "\"" : ", \"") + std::string{x} + '"';
      refuse(path("mode"), "must be one of " + all);
    }
    return static_cast<Enum>(found - names.begin());
  }

  [[nodiscard]] std::string path(std::string_view key) const {
    return name_ + '.' + std::string{key};
  }

private:
  std::string name_;
  const json::object* object_ = nullptr;
};

constexpr bool is_name_character(char x) noexcept {
  return (x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z') || (x >= '0' && x <= '9') || x == '_'
         || x == '-';
}

// -- updates --------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 4> intake_names{"auto", "webhook", "polling", "none"};
constexpr std::array<std::string_view, 4> updates_members{"mode", "allowed_updates",
                                                          "max_connections", "take_over"};

std::optional<std::vector<std::string>> kinds_in(const section& from) {
  auto* found = from.find("allowed_updates");
  if (found == nullptr)
    return std::nullopt;
  auto path = from.path("allowed_updates");
  if (!found->is_array() || found->get_array().size() > most_kinds)
    refuse(path, "must be a list of kinds of updates");
  std::vector<std::string> result;
  for (auto& x : found->get_array()) {
    auto* text = x.if_string();
    // Kinds that are not known here may well be known to Telegram.
    auto fits = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
    if (text == nullptr || text->empty() || text->size() > longest_name
        || !std::all_of(text->begin(), text->end(), fits))
      refuse(path, "must be a list of kinds of updates, such as \"message\"");
    result.emplace_back(text->data(), text->size());
  }
  return result;
}

intake_settings intake_in(const json::value& from) {
  section part{"updates", from};
  part.only(updates_members);
  intake_settings x;
  x.mode = part.choice<intake_mode>(intake_names).value_or(intake_mode::automatic);
  x.allowed_updates = kinds_in(part);
  x.max_connections = part.number("max_connections", 1, 100, x.max_connections);
  x.take_over = part.flag("take_over");
  return x;
}

// -- delivery -------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 4> delivery_names{"pull", "relay", "native", "rules"};
constexpr std::array<std::string_view, 8> delivery_members{
  "mode", "url", "secret_token", "max_connections", "timeout", "attempts", "handler", "rules"};

/// A sentence when a URL cannot be one of a receiver; empty otherwise. Which addresses it may lead
/// to is checked when it is used.
std::string_view wrong_with_url(std::string_view url) {
  if (url.size() > longest_url)
    return "is too long";
  auto visible = [](char x) { return x > ' ' && x < '\x7f' && x != '"' && x != '\\'; };
  if (!std::all_of(url.begin(), url.end(), visible))
    return "must be of visible ASCII characters; encode others";
  if (url.starts_with("https://"))
    url.remove_prefix(8);
  else if (url.starts_with("http://"))
    url.remove_prefix(7);
  else
    return "must begin with https://";
  if (url.find('#') != std::string_view::npos)
    return "must not have a fragment";
  auto authority = url.substr(0, url.find_first_of("/?"));
  if (authority.find('@') != std::string_view::npos)
    return "must not have a user or a password in it";
  auto bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos)
    return "has no valid host";
  auto colon = authority.find(':', bracket);
  auto host = authority.substr(0, colon);
  auto host_character = [](char x) { return is_name_character(x) || x == '.'; };
  auto ip_character = [](char x) { return is_name_character(x) || x == ':' || x == '.'; };
  bool fits = bracket != 0 ? host.size() > 2 && host.ends_with(']')
                               && std::all_of(host.begin() + 1, host.end() - 1, ip_character)
                           : !host.empty() && host.front() != '.'
                               && std::all_of(host.begin(), host.end(), host_character);
  if (!fits)
    return "has no valid host";
  if (colon == std::string_view::npos)
    return {};
  auto port = authority.substr(colon + 1);
  std::uint16_t number = 0;
  auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (ec != std::errc{} || end != port.data() + port.size() || number == 0)
    return "has no valid port";
  return {};
}

/// Of "500ms", "30s", "2min"; 0: none of them.
double seconds_in(std::string_view text) {
  double number = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  auto unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (ec != std::errc{})
    return 0;
  return unit == "s" ? number : unit == "ms" ? number / 1000 : unit == "min" ? number * 60 : 0;
}

std::chrono::milliseconds timeout_in(const section& from) {
  auto* found = from.find("timeout");
  if (found == nullptr)
    return 0ms;
  auto seconds = found->is_int64()    ? static_cast<double>(found->get_int64())
                 : found->is_double() ? found->get_double()
                 : found->is_string() ? seconds_in(found->get_string())
                                      : 0.0;
  if (!(seconds >= 0.1 && seconds <= 600.0))
    refuse(from.path("timeout"), "must be a duration like \"30s\" or a number of seconds, from "
                                 "0.1 to 600 s");
  return std::chrono::milliseconds{std::llround(seconds * 1000)};
}

relay_settings relay_in(const section& from) {
  relay_settings x;
  x.url = from.text("url");
  if (auto wrong = x.url.empty() ? std::string_view{} : wrong_with_url(x.url); !wrong.empty())
    refuse(from.path("url"), wrong);
  x.secret_token = from.text("secret_token");
  if (x.secret_token.size() > longest_secret
      || !std::all_of(x.secret_token.begin(), x.secret_token.end(), is_name_character))
    refuse(from.path("secret_token"), "must be at most 256 characters of A-Z, a-z, 0-9, _ and -");
  x.max_connections = from.number("max_connections", 1, 100, x.max_connections);
  x.timeout = timeout_in(from);
  x.attempts = from.number("attempts", 1, 1000, 0);
  return x;
}

std::shared_ptr<const rules::program> rules_in(const section& from) {
  auto* found = from.find("rules");
  if (found == nullptr)
    return nullptr;
  try {
    return rules::parse(*found);
  } catch (const rules::bad_rules& x) {
    std::string_view why = x.what();
    // Its sentences begin with the member's name.
    throw bad_settings{(why.starts_with("rules") || why.starts_with("rate")
                          ? from.path("")
                          : from.path("rules") + ": ")
                       + std::string{why}};
  }
}

delivery_settings delivery_in(const json::value& from) {
  section part{"delivery", from};
  part.only(delivery_members);
  delivery_settings x;
  x.relay = relay_in(part);
  x.handler = part.text("handler");
  auto handler_character = [](char c) { return is_name_character(c) || c == '.'; };
  if (x.handler.size() > longest_name
      || !std::all_of(x.handler.begin(), x.handler.end(), handler_character))
    refuse(part.path("handler"), "must be at most 64 characters of A-Z, a-z, 0-9, _, - and .");
  x.rules = rules_in(part);
  auto mode = part.choice<delivery_mode>(delivery_names);
  if (!mode && (!x.relay.url.empty() || !x.handler.empty() || x.rules))
    refuse(part.path("mode"), "must be given: \"relay\" with url, \"native\" with handler, "
                              "\"rules\" with rules");
  x.mode = mode.value_or(delivery_mode::pull);
  if (x.mode == delivery_mode::relay && x.relay.url.empty())
    refuse(part.path("url"), "must be given when delivery.mode is \"relay\"");
  if (x.mode == delivery_mode::native && x.handler.empty())
    refuse(part.path("handler"), "must be given when delivery.mode is \"native\"");
  if (x.mode == delivery_mode::rules && !x.rules)
    refuse(part.path("rules"), "must be given when delivery.mode is \"rules\"");
  return x;
}

} // namespace

update_settings read_settings(std::string_view text) {
  boost::system::error_code ec;
  auto all = json::parse(text, ec);
  if (ec || !all.is_object())
    throw bad_settings{"settings: must be a JSON object"};
  update_settings x;
  for (auto& [key, part] : all.get_object())
    if (key == "updates")
      x.intake = intake_in(part);
    else if (key == "delivery")
      x.delivery = delivery_in(part);
    else if (key != before_member)
      refuse(key, "is no setting");
  return x;
}

std::string shown_settings(std::string_view text) {
  boost::system::error_code ec;
  auto all = json::parse(text, ec);
  if (ec || !all.is_object())
    return "{}";
  auto* delivery = all.get_object().if_contains("delivery");
  if (delivery != nullptr && delivery->is_object())
    if (auto* secret = delivery->get_object().if_contains("secret_token");
        secret != nullptr && !secret->is_null() && *secret != json::value(""))
      *secret = "***";
  return json::serialize(all);
}

std::string webhook_before(std::string_view text) {
  boost::system::error_code ec;
  auto all = json::parse(text, ec);
  auto* found = !ec && all.is_object() ? all.get_object().if_contains(before_member) : nullptr;
  return found != nullptr && found->is_object() ? json::serialize(*found) : std::string{};
}

std::string with_webhook_before(std::string_view text, std::string_view before) {
  boost::system::error_code ec;
  auto all = json::parse(text, ec);
  if (ec || !all.is_object())
    all = json::object{};
  auto what = json::parse(before, ec);
  if (ec || !what.is_object())
    all.get_object().erase(before_member);
  else
    all.get_object()[before_member] = std::move(what);
  return json::serialize(all);
}

bool is_default(const update_settings& x) noexcept {
  static const update_settings usual;
  auto& in = x.intake;
  auto& out = x.delivery;
  return in.mode == usual.intake.mode && !in.allowed_updates
         && in.max_connections == usual.intake.max_connections && !in.take_over
         && out.mode == usual.delivery.mode && out.relay.url.empty()
         && out.relay.secret_token.empty()
         && out.relay.max_connections == usual.delivery.relay.max_connections
         && out.relay.timeout == 0ms && out.relay.attempts == 0 && out.handler.empty() && !out.rules;
}

} // namespace troupe::updates
