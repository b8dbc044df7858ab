#include "runtime/api/fields.hpp"

#include "runtime/log/mask.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace troupe::api {
namespace {

namespace json = boost::json;

using verdict = std::optional<complaint>;

constexpr std::int64_t longest_list_text = 100;
constexpr std::size_t longest_shown = 64;

complaint invalid(std::string where, std::string sentence) {
  return {api_error::invalid_field, std::move(where), std::move(sentence)};
}

std::string joined(std::span<const std::string_view> words) {
  std::string all;
  for (auto word : words)
    all += fmt::format("{}{}", all.empty() ? "" : ", ", word);
  return all;
}

bool starts_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

std::int64_t characters_in(std::string_view text) {
  return std::count_if(text.begin(), text.end(), starts_character);
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// Where and why `text` does not fit; nothing if it does.
verdict check_text(std::string_view text, const field& f, const std::string& where) {
  if (std::any_of(text.begin(), text.end(), is_control))
    return invalid(where, where + " must not hold control characters.");
  if (!f.words.empty()) {
    if (std::find(f.words.begin(), f.words.end(), text) == f.words.end())
      return invalid(where, fmt::format("{} must be one of: {}.", where, joined(f.words)));
    return std::nullopt;
  }
  auto length = characters_in(text);
  if (length < f.least || length > f.most)
    return invalid(where, fmt::format("{} must have from {} to {} characters; it has {}.", where,
                                      f.least, f.most, length));
  return std::nullopt;
}

/// A whole number that fits into 64 bits with sign.
std::optional<std::int64_t> integer_in(const json::value& from) {
  if (auto* x = from.if_int64())
    return *x;
  return std::nullopt; // Larger ones, and those with a fraction, are no numbers that we use.
}

verdict check_number(const json::value& what, const field& f, const std::string& where) {
  auto x = integer_in(what);
  if (!x || *x < f.least || *x > f.most)
    return invalid(where,
                   fmt::format("{} must be a whole number from {} to {}.", where, f.least, f.most));
  return std::nullopt;
}

verdict check_list(const json::value& what, const field& f, const std::string& where) {
  auto of = f.type == shape::ids ? "positive whole numbers" : "texts";
  auto* list = what.if_array();
  if (list == nullptr || static_cast<std::int64_t>(list->size()) < f.least
      || static_cast<std::int64_t>(list->size()) > f.most)
    return invalid(where,
                   fmt::format("{} must be a list of {} to {} {}.", where, f.least, f.most, of));
  field one{"", f.type == shape::ids ? shape::integer : shape::text, 1,
            f.type == shape::ids ? INT64_MAX : longest_list_text, ""};
  for (std::size_t i = 0; i < list->size(); ++i) {
    auto place = fmt::format("{}[{}]", where, i);
    auto& element = (*list)[i];
    if (f.type == shape::ids) {
      if (auto wrong = check_number(element, one, place))
        return wrong;
    } else if (!element.is_string()) {
      return invalid(place, place + " must be a text.");
    } else if (auto wrong = check_text(element.get_string(), one, place)) {
      return wrong;
    }
  }
  return std::nullopt;
}

verdict check_object(const json::object& what, std::span<const field> fields,
                     const std::string& above);

bool holds_nul(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

/// Whatever it is: a NUL is one thing to one database and another to the next.
verdict check_any(const json::value& what, const std::string& where) {
  auto wrong = [](const std::string& at) {
    return invalid(at, at + " must not hold a NUL character.");
  };
  if (auto* text = what.if_string(); text && holds_nul(*text))
    return wrong(where);
  if (auto* list = what.if_array())
    for (std::size_t i = 0; i < list->size(); ++i)
      if (auto found = check_any((*list)[i], fmt::format("{}[{}]", where, i)))
        return found;
  if (auto* object = what.if_object())
    for (auto& member : *object) {
      if (holds_nul(member.key()))
        return wrong(where);
      if (auto found = check_any(member.value(), where + '.' + shown(member.key())))
        return found;
    }
  return std::nullopt;
}

verdict check(const json::value& what, const field& f, const std::string& where) {
  switch (f.type) {
  case shape::text:
    if (!what.is_string())
      return invalid(where, where + " must be a text.");
    return check_text(what.get_string(), f, where);
  case shape::integer:
    return check_number(what, f, where);
  case shape::boolean:
    if (!what.is_bool())
      return invalid(where, where + " must be true or false.");
    return std::nullopt;
  case shape::ids:
  case shape::texts:
    return check_list(what, f, where);
  case shape::object:
  case shape::any:
    if (!what.is_object())
      return invalid(where, where + " must be an object.");
    if (f.type == shape::any)
      return check_any(what, where);
    return check_object(what.get_object(), f.inside, where + '.');
  }
  return std::nullopt;
}

verdict check_object(const json::object& what, std::span<const field> fields,
                     const std::string& above) {
  for (auto& member : what) {
    std::string_view name = member.key();
    auto known = std::find_if(fields.begin(), fields.end(),
                              [name](const field& f) { return f.name == name; });
    if (known == fields.end()) {
      auto where = above + shown(name);
      return complaint{api_error::unknown_field, where,
                       fmt::format("The field {} is not known here.", where)};
    }
    if (auto wrong = check(member.value(), *known, above + std::string{name}))
      return wrong;
  }
  for (auto& f : fields)
    if (f.required && !what.contains(f.name)) {
      auto where = above + std::string{f.name};
      return complaint{api_error::missing_field, where,
                       fmt::format("The field {} is missing.", where)};
    }
  return std::nullopt;
}

/// Members of all objects of a text that is well-formed JSON, as they were written.
std::size_t members_written(std::string_view text) {
  std::size_t count = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (!quoted && text[i] == ':')
      ++count;
  }
  return count;
}

/// The same of what was made of it, where of two members of one name the later is left.
std::size_t members_kept(const json::value& from) {
  std::size_t count = 0;
  if (auto* object = from.if_object()) {
    count = object->size();
    for (auto& one : *object)
      count += members_kept(one.value());
  } else if (auto* array = from.if_array()) {
    for (auto& one : *array)
      count += members_kept(one);
  }
  return count;
}

/// %XX and plus signs undone; nothing if that gives no printable text.
std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto c = text[i];
    if (c == '+') {
      c = ' ';
    } else if (c == '%') {
      unsigned value = 0;
      auto digits = text.substr(i + 1, 2);
      auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
      if (failed != std::errc{} || digits.size() != 2 || end != digits.data() + 2)
        return std::nullopt;
      c = static_cast<char>(value);
      i += 2;
    }
    if (is_control(c) || static_cast<unsigned char>(c) >= 0x80)
      return std::nullopt;
    out += c;
  }
  return out;
}

/// What stands before and behind the first `mark`; without one, all and nothing.
std::pair<std::string_view, std::string_view> split_at(std::string_view text, char mark) {
  auto at = std::find(text.begin(), text.end(), mark);
  auto rest = at == text.end() ? at : at + 1;
  return {std::string_view{text.begin(), at}, std::string_view{rest, text.end()}};
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t x = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), x);
  if (failed != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return x;
}

verdict check_parameter(const std::string& value, const field& f) {
  std::string where{f.name};
  auto wrong = [&]() -> verdict {
    if (f.type == shape::text)
      return check_text(value, f, where);
    auto x = whole_number(value);
    if (!x || *x < f.least || *x > f.most)
      return invalid(where, fmt::format("{} must be a number from {} to {}.", where, f.least,
                                        f.most));
    return std::nullopt;
  }();
  if (wrong)
    wrong->what = api_error::bad_request;
  return wrong;
}

} // namespace

std::string shown(std::string_view text) {
  auto masked = log::mask_tokens(text); // Before it is cut: the half of a token is no token any more.
  std::string out;
  for (auto c : std::string_view{masked}.substr(0, longest_shown))
    out += is_control(c) || static_cast<unsigned char>(c) >= 0x80 ? '?' : c;
  if (masked.size() > longest_shown)
    out += "...";
  return out;
}

checked<json::object> read_object(std::string_view text) {
  json::parse_options options;
  options.max_depth = deepest_body;
  boost::system::error_code failed;
  json::value body;
  try {
    body = json::parse(text, failed, {}, options);
  } catch (const std::exception&) { // Larger than what the library holds.
    return complaint{api_error::bad_json, {}, {}};
  }
  if (failed || !body.is_object())
    return complaint{api_error::bad_json, {}, {}};
  // Two readers of such a text may understand different things.
  if (members_written(text) != members_kept(body))
    return complaint{api_error::bad_json, {}, "A name stands twice in one object of the body."};
  return std::move(body.get_object());
}

checked<json::object> read_body(std::string_view text, std::span<const field> fields) {
  auto body = read_object(text);
  if (auto* object = std::get_if<json::object>(&body))
    if (auto wrong = check_object(*object, fields, {}))
      return std::move(*wrong);
  return body;
}

std::optional<std::string_view> parameters::text(std::string_view name) const noexcept {
  for (auto& [key, value] : all_)
    if (key == name)
      return value;
  return std::nullopt;
}

std::optional<std::int64_t> parameters::number(std::string_view name) const noexcept {
  auto found = text(name);
  return found ? whole_number(*found) : std::nullopt;
}

checked<parameters> read_query(std::string_view query, std::span<const field> fields) {
  parameters all;
  while (!query.empty()) {
    auto [pair, others] = split_at(query, '&');
    query = others;
    if (pair.empty())
      continue;
    auto [name, text] = split_at(pair, '=');
    auto known = fields.begin();
    while (known != fields.end() && known->name != name)
      ++known;
    auto where = shown(name);
    if (known == fields.end())
      return complaint{api_error::bad_request, where,
                       fmt::format("The parameter {} is not known here.", where)};
    if (all.text(name))
      return complaint{api_error::bad_request, where,
                       fmt::format("The parameter {} is given twice.", where)};
    auto value = decoded(text);
    if (!value)
      return complaint{api_error::bad_request, where,
                       fmt::format("The parameter {} is not well encoded.", where)};
    if (auto wrong = check_parameter(*value, *known))
      return std::move(*wrong);
    all.add(known->name, std::move(*value));
  }
  return all;
}

} // namespace troupe::api
