#include "runtime/telegram/meaning.hpp"
#include "runtime/telegram/json_scan.hpp"
#include "runtime/telegram/multipart.hpp"
#include "runtime/telegram/params.hpp"
#include "runtime/telegram/same_word.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <optional>
#include <vector>

namespace troupe::telegram {
namespace {

/// What a parameter's value is. Text and what JSON calls a number or a truth value are the same.
enum class shape : char { text = 't', null = 'n', object = 'o', file = 'f', form = 'u' };

struct parameter {
  std::string name;
  shape kind = shape::text;
  std::string value;
};

using parameters = std::vector<parameter>;

/// Parameters whose text is JSON; a JSON body may have them as they are.
constexpr std::string_view written_as_json[] = {"allowed_updates",
                                                "caption_entities",
                                                "commands",
                                                "content",
                                                "entities",
                                                "explanation_entities",
                                                "link_preview_options",
                                                "media",
                                                "menu_button",
                                                "options",
                                                "permissions",
                                                "prices",
                                                "reaction",
                                                "reply_markup",
                                                "reply_parameters",
                                                "result",
                                                "results",
                                                "rights",
                                                "scope",
                                                "sticker",
                                                "stickers",
                                                "message_ids"};

void write_sorted(const boost::json::value& from, std::string& out) {
  if (auto* list = from.if_array()) {
    out += '[';
    for (const auto& one : *list) {
      write_sorted(one, out);
      out += ',';
    }
    out += ']';
  } else if (auto* object = from.if_object()) {
    std::vector<const boost::json::key_value_pair*> members;
    for (const auto& one : *object)
      members.push_back(&one);
    std::ranges::sort(members, {}, [](auto* one) {
      return std::string_view{one->key().data(), one->key().size()};
    });
    out += '{';
    for (auto* one : members) {
      out += boost::json::serialize(one->key());
      out += ':';
      write_sorted(one->value(), out);
      out += ',';
    }
    out += '}';
  } else {
    out += boost::json::serialize(from);
  }
}

/// An object or an array without blanks, members in order of their names; nothing when it is none.
std::optional<std::string> in_order(std::string_view text) {
  boost::json::error_code ec;
  auto value = boost::json::parse(boost::json::string_view{text.data(), text.size()}, ec);
  if (ec || !value.is_structured())
    return std::nullopt;
  std::string out;
  write_sorted(value, out);
  return out;
}

void add(parameters& to, std::string_view name, std::string_view value) {
  bool is_json = std::ranges::find(written_as_json, name) != std::end(written_as_json);
  if (auto ordered = is_json ? in_order(value) : std::nullopt)
    to.push_back({std::string{name}, shape::object, std::move(*ordered)});
  else
    to.push_back({std::string{name}, shape::text, std::string{value}});
}

/// What a string of JSON says; `raw` without its quotes.
std::string unescaped(std::string_view raw) {
  if (raw.find('\\') == std::string_view::npos)
    return std::string{raw};
  boost::json::error_code ec;
  auto quoted = '"' + std::string{raw} + '"';
  auto value = boost::json::parse(quoted, ec);
  return ec ? quoted : std::string{value.get_string().data(), value.get_string().size()};
}

/// The same for a value of any kind, as it stands there.
bool add_json(parameters& to, std::string_view key, std::string_view raw) {
  auto name = unescaped(key);
  if (raw.starts_with('"')) {
    add(to, name, unescaped(raw.substr(1, raw.size() - 2)));
    return true;
  }
  if (raw.starts_with('{') || raw.starts_with('[')) {
    auto ordered = in_order(raw);
    if (ordered)
      to.push_back({std::move(name), shape::object, std::move(*ordered)});
    return ordered.has_value();
  }
  to.push_back({std::move(name), raw == "null" ? shape::null : shape::text, std::string{raw}});
  return true;
}

bool read_object(std::string_view text, parameters& to) {
  json_scan scan{text};
  auto read = scan.object([&](std::string_view key) {
    (void)scan.peek(); // Past the blanks.
    auto* begin = scan.position();
    return scan.skip()
           && add_json(to, key, {begin, static_cast<std::size_t>(scan.position() - begin)});
  });
  return read && scan.finished();
}

bool read_parts(const call_text& call, parameters& to) {
  return visit_parts(call.body, call.content_type,
                     [&to](std::string_view headers, std::string_view value) {
                       auto part = read_part_head(headers);
                       if (part.is_form)
                         to.push_back({std::move(part.name), shape::form, std::string{value}});
                       else if (part.is_file)
                         to.push_back({std::move(part.name), shape::file,
                                       std::to_string(part.filename.size()) + ':' + part.filename
                                         + std::string{value}});
                       else
                         add(to, part.name, value);
                     });
}

/// @returns false when the body cannot be read
bool read_all(const call_text& call, parameters& to) {
  each_in_form(call.query,
               [&to](std::string_view name, std::string_view value) { add(to, name, value); });
  if (call.body.empty())
    return true;
  if (!call.content_encoding.empty() && !same_word(call.content_encoding, "identity"))
    return false;
  if (is_kind(call.content_type, multipart_kind))
    return read_parts(call, to);
  if (!is_kind(call.content_type, form_kind))
    return is_kind(call.content_type, json_kind) && read_object(call.body, to);
  each_in_form(call.body,
               [&to](std::string_view name, std::string_view value) { add(to, name, value); });
  return true;
}

/// With its length, so that no text can look like two others.
void append(std::string& to, char kind, std::string_view text) {
  to += kind;
  to += std::to_string(text.size());
  to += ':';
  to += text;
}

} // namespace

std::string meaning_of(const call_text& call) {
  std::string method{call.method};
  std::ranges::transform(method, method.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  std::string out;
  append(out, 'm', method);
  parameters all;
  if (!read_all(call, all)) {
    append(out, 'q', call.query);
    append(out, 'e', call.content_encoding);
    append(out, 'c', call.content_type);
    append(out, 'b', call.body);
    return out;
  }
  std::erase_if(all, [](const parameter& x) { return x.name == "method"; }); // It was said.
  std::ranges::stable_sort(all, {}, &parameter::name);
  for (const auto& one : all) {
    append(out, 'p', one.name);
    append(out, static_cast<char>(one.kind), one.value);
  }
  return out;
}

} // namespace troupe::telegram
