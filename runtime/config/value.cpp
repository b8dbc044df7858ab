#include "runtime/config/value.hpp"
#include "runtime/config/bot_ids.hpp"
#include "runtime/config/networks.hpp"
#include "runtime/log/mask.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace troupe::config {
namespace {

struct unit {
  std::string_view name;
  std::int64_t factor;
};

constexpr std::array time_units{unit{"ns", 1},
                                unit{"us", 1'000},
                                unit{"ms", 1'000'000},
                                unit{"s", 1'000'000'000},
                                unit{"min", 60'000'000'000},
                                unit{"h", 3'600'000'000'000},
                                unit{"d", 86'400'000'000'000}};
constexpr std::array size_units{unit{"", 1}, unit{"KiB", 1024}, unit{"MiB", 1024 * 1024},
                                unit{"GiB", 1024 * 1024 * 1024}};

template <class Number>
std::optional<Number> read_number(std::string_view text) {
  Number value{};
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

template <std::size_t N>
std::optional<std::int64_t> read_with_unit(std::string_view text,
                                           const std::array<unit, N>& units) {
  auto digits = text.find_first_not_of("0123456789");
  auto number = read_number<std::int64_t>(text.substr(0, digits));
  auto name = digits == std::string_view::npos ? std::string_view{} : text.substr(digits);
  for (auto& one : units)
    if (one.name == name && number
        && *number <= std::numeric_limits<std::int64_t>::max() / one.factor)
      return *number * one.factor;
  return std::nullopt;
}

bool is_url(std::string_view text, std::string_view scheme) {
  if (!text.starts_with(scheme))
    return false;
  text.remove_prefix(scheme.size());
  auto host = text.substr(0, text.find('/'));
  if (host.empty() || host.find_first_of("@ ?#\\\"") != std::string_view::npos)
    return false;
  return text.find_first_of(" ?#\\\"") == std::string_view::npos;
}

bool is_address(const std::string& text) {
  std::array<unsigned char, 16> buffer{};
  return ::inet_pton(AF_INET, text.c_str(), buffer.data()) == 1
         || ::inet_pton(AF_INET6, text.c_str(), buffer.data()) == 1;
}

bool is_choice(const option& what, std::string_view text) {
  auto rest = what.choices;
  while (!rest.empty()) {
    auto end = std::min(rest.find('|'), rest.size());
    if (rest.substr(0, end) == text)
      return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

bool fits(const option& what, const std::string& text) {
  // A zero byte would cut paths short.
  if (text.find('\0') != std::string::npos)
    return false;
  switch (what.shape) {
  case form::choice:
    return is_choice(what, text);
  case form::ip_address:
    return is_address(text);
  case form::api_root:
    return is_url(text, "http://") || is_url(text, "https://");
  case form::public_url:
    // Telegram takes no other; a sandbox on the same machine does.
    return text.empty() || is_url(text, "https://") || is_url(text, "http://127.0.0.1:");
  case form::store_uri:
    return text.empty() || (text.starts_with("sqlite:") && text.size() > 7)
           || (text.starts_with("postgresql://") && text.size() > 13);
  case form::networks:
    return parse_networks(text).has_value();
  case form::bot_ids:
    return parse_bot_ids(text).has_value();
  default:
    return true;
  }
}

template <class Number>
bool set_number(const option& what, Number* to, std::optional<std::int64_t> value) {
  if (!value || *value < 0)
    return false;
  auto wide = static_cast<double>(*value);
  if (wide < what.min || wide > what.max)
    return false;
  *to = static_cast<Number>(*value);
  return true;
}

bool set(const option& what, std::string* to, std::string text) {
  if (!fits(what, text))
    return false;
  *to = std::move(text);
  return true;
}

bool set(const option& what, double* to, std::optional<double> value) {
  if (!value || !(*value >= what.min && *value <= what.max))
    return false;
  *to = *value;
  return true;
}

bool set(const option& what, caf::timespan* to, std::optional<caf::timespan> value) {
  std::int64_t count = 0;
  if (!value || !set_number(what, &count, value->count()))
    return false;
  *to = *value;
  return true;
}

bool set(bool* to, std::string_view text) {
  if (text != "true" && text != "false")
    return false;
  *to = text == "true";
  return true;
}

template <class T>
std::optional<T> as(const caf::config_value& value) {
  if (auto* held = caf::get_if<T>(&value))
    return *held;
  return std::nullopt;
}

/// Reads a value of a file into a place of the given type.
struct from_file {
  const option& what;
  const caf::config_value& value;

  bool operator()(bool* to) const {
    auto held = as<bool>(value);
    return held ? (*to = *held, true) : false;
  }
  bool operator()(std::string* to) const {
    auto held = as<std::string>(value);
    return held && set(what, to, *std::move(held));
  }
  bool operator()(double* to) const {
    if (auto whole = as<std::int64_t>(value))
      return set(what, to, static_cast<double>(*whole));
    return set(what, to, as<double>(value));
  }
  bool operator()(caf::timespan* to) const {
    if (auto text = as<std::string>(value))
      return set(what, to, read_timespan(*text));
    return set(what, to, as<caf::timespan>(value));
  }
  template <class Number>
  bool operator()(Number* to) const {
    if (auto text = as<std::string>(value); text && what.has(bytes))
      return set_number(what, to, read_bytes(*text));
    return set_number(what, to, as<std::int64_t>(value));
  }
};

struct from_text {
  const option& what;
  std::string_view text;

  bool operator()(bool* to) const { return set(to, text); }
  bool operator()(std::string* to) const { return set(what, to, std::string{text}); }
  bool operator()(double* to) const { return set(what, to, read_number<double>(text)); }
  bool operator()(caf::timespan* to) const { return set(what, to, read_timespan(text)); }
  template <class Number>
  bool operator()(Number* to) const {
    return set_number(what, to,
                      what.has(bytes) ? read_bytes(text) : read_number<std::int64_t>(text));
  }
};

std::string shown_bytes(std::int64_t value) {
  for (auto one = size_units.rbegin(); one != size_units.rend(); ++one)
    if (value > 0 && value % one->factor == 0 && one->factor > 1)
      return fmt::format("\"{}{}\"", value / one->factor, one->name);
  return fmt::format("{}", value);
}

std::string shown_real(double value) {
  auto text = fmt::format("{}", value);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

struct to_text {
  const option& what;

  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const double* value) const { return shown_real(*value); }
  std::string operator()(const caf::timespan* value) const { return config::shown(*value); }
  std::string operator()(const std::string* value) const {
    return quoted(what.shape == form::store_uri ? masked_uri(*value) : *value);
  }
  template <class Number>
  std::string operator()(const Number* value) const {
    auto wide = static_cast<std::int64_t>(*value);
    return what.has(bytes) ? shown_bytes(wide) : fmt::format("{}", wide);
  }
};

std::string allowed_text(const option& what) {
  switch (what.shape) {
  case form::choice: {
    std::string list = "one of \"";
    for (auto c : what.choices)
      c == '|' ? list += "\", \"" : list += c;
    return list + '"';
  }
  case form::ip_address:
    return "an IPv4 or IPv6 address in quotes";
  case form::api_root:
    return "\"http://HOST[:PORT]\" or \"https://HOST[:PORT]\", in quotes";
  case form::public_url:
    return "\"https://HOST[:PORT][/PATH]\" in quotes, or \"\"; \"http://127.0.0.1:PORT\" for a sandbox";
  case form::store_uri:
    return "\"sqlite:PATH\" or \"postgresql://…\" in quotes, or \"\"";
  case form::bot_ids:
    return "bots' numbers like \"123456789, 987654321\", separated by commas, in quotes, or \"\"";
  case form::networks:
    return "addresses like \"192.0.2.1\" and networks like \"10.0.0.0/8\", separated by commas, in quotes, or \"\"";
  default:
    return "a text in quotes";
  }
}

} // namespace

bool assign(const option& what, settings& to, const caf::config_value& value) {
  return std::visit(from_file{what, value}, what.at(to));
}

bool assign_text(const option& what, settings& to, std::string_view text) {
  return std::visit(from_text{what, text}, what.at(to));
}

std::string allowed(const option& what) {
  settings defaults;
  auto at = what.at(defaults);
  auto with_unit = what.unit.empty() ? std::string{} : fmt::format(" ({})", what.unit);
  auto range = [&](auto show) {
    return fmt::format("from {} to {}", show(static_cast<std::int64_t>(what.min)),
                       show(static_cast<std::int64_t>(what.max)));
  };
  if (std::holds_alternative<bool*>(at))
    return "true or false";
  if (std::holds_alternative<std::string*>(at))
    return allowed_text(what);
  if (std::holds_alternative<double*>(at))
    return fmt::format("a number from {} to {}{}", shown_real(what.min), shown_real(what.max),
                       with_unit);
  if (std::holds_alternative<caf::timespan*>(at))
    return "a duration with its unit (ns, us, ms, s, min, h) "
           + range([](std::int64_t x) { return shown(caf::timespan{x}); });
  if (what.has(bytes))
    return "a size in bytes, or in quotes with its unit (KiB, MiB), " + range(shown_bytes);
  return "an integer " + range([](std::int64_t x) { return fmt::format("{}", x); }) + with_unit;
}

std::string shown(const option& what, const settings& from) {
  auto copy = from;
  return std::visit(to_text{what}, what.at(copy));
}

std::string shown(const caf::config_value& value) {
  if (auto text = as<std::string>(value))
    return quoted(log::mask_tokens(masked_uri(*text)));
  if (auto time = as<caf::timespan>(value))
    return time->count() < 0 ? "-" + shown(-*time) : shown(*time);
  if (caf::holds_alternative<caf::config_value::list>(value))
    return "[…]";
  if (auto real = as<double>(value))
    return shown_real(*real);
  return log::mask_tokens(to_string(value));
}

std::string quoted(std::string_view text) {
  std::string out{'"'};
  for (auto c : text) {
    if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
      continue;
    }
    if (c == '"' || c == '\\')
      out += '\\';
    out += c;
  }
  return out + '"';
}

std::string shown(caf::timespan value) {
  if (value.count() == 0)
    return "0s";
  // Days have no spelling in CAF's syntax.
  for (auto one = time_units.rbegin() + 1; one != time_units.rend(); ++one)
    if (value.count() % one->factor == 0)
      return fmt::format("{}{}", value.count() / one->factor, one->name);
  return fmt::format("{}ns", value.count());
}

std::optional<caf::timespan> read_timespan(std::string_view text) {
  if (auto count = read_with_unit(text, time_units))
    return caf::timespan{*count};
  return std::nullopt;
}

std::optional<std::int64_t> read_bytes(std::string_view text) {
  return read_with_unit(text, size_units);
}

std::string masked_uri(const std::string& uri) {
  auto scheme = uri.find("://");
  if (scheme == std::string::npos)
    return uri;
  auto masked = uri;
  auto colon = uri.find(':', scheme + 3);
  // Up to the last @, since a careless password may hold an @ or a slash: rather too much than too
  // little is hidden.
  auto at = uri.rfind('@');
  if (at != std::string::npos && colon < at)
    masked.replace(colon + 1, at - colon - 1, "***");
  for (std::string_view name : {"password=", "passwd="})
    for (auto pos = masked.find(name); pos != std::string::npos; pos = masked.find(name, pos + 1)) {
      auto from = pos + name.size();
      masked.replace(from, std::min(masked.find('&', from), masked.size()) - from, "***");
    }
  return masked;
}

} // namespace troupe::config
