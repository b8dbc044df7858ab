#include "runtime/rules/program.hpp"

#include "runtime/rules/library.hpp"
#include "runtime/rules/reader.hpp"
#include "runtime/rules/words.hpp"

#include <algorithm>
#include <array>

namespace troupe::rules {
namespace {

namespace json = boost::json;

struct named_placeholder {
  std::string_view name;
  placeholder what;
};
constexpr std::array placeholders{
  named_placeholder{"first_name", placeholder::first_name},
  named_placeholder{"username", placeholder::username},
  named_placeholder{"chat_id", placeholder::chat_id},
  named_placeholder{"text", placeholder::text},
  named_placeholder{"args", placeholder::args},
  named_placeholder{"date", placeholder::date},
};

text_template read_template(const reader& in, std::size_t limit) {
  auto text = in.text(limit);
  text_template result;
  std::string literal;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    bool twice = i + 1 < text.size() && text[i + 1] == c;
    if ((c == '{' || c == '}') && twice) {
      literal += c;
      ++i;
    } else if (c == '{') {
      auto end = text.find('}', i);
      auto name = text.substr(i + 1, end == text.npos ? text.npos : end - i - 1);
      auto found = std::find_if(placeholders.begin(), placeholders.end(),
                                [name](const auto& x) { return x.name == name; });
      if (end == text.npos || found == placeholders.end())
        in.fail("{" + std::string{name.substr(0, 40)}
                + "} is none of {first_name}, {username}, {chat_id}, {text}, {args}, {date}; a "
                  "brace itself is written twice");
      result.literal_units += utf16_units(literal);
      result.pieces.push_back({std::move(literal), found->what});
      literal.clear();
      i = end;
    } else if (c == '}') {
      in.fail("a brace itself is written twice: }}");
    } else {
      literal += c;
    }
  }
  result.literal_units += utf16_units(literal);
  if (!literal.empty())
    result.pieces.push_back({std::move(literal), placeholder::none});
  return result;
}

std::string read_command(const reader& in) {
  auto text = in.text(33);
  std::string name{text.starts_with('/') ? text.substr(1) : text};
  for (auto& c : name)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  if (name.empty() || name.size() > 32 || !std::all_of(name.begin(), name.end(), allowed))
    in.fail("a command has 1 to 32 of the characters a-z, 0-9 and _");
  return name;
}

word_list read_keyword(const reader& in) {
  auto words = words_of(in.text(200));
  if (words.empty() || words.size() > max_keyword_words)
    in.fail("a keyword has 1 to 8 words of letters and digits");
  return words;
}

std::string read_data(const reader& in) {
  auto data = in.text(64);
  if (data.empty() || data.size() > 64)
    in.fail("a button's data has 1 to 64 bytes");
  return std::string{data};
}

trigger read_trigger(const reader& in) {
  trigger result;
  if (in.is_text()) {
    auto word = in.text(20);
    if (word == "text")
      result.kind = trigger_kind::text;
    else if (word != "any")
      in.fail(R"(is "text", "any", or an object with "command", "keyword" or "callback")");
    return result;
  }
  if (in.size() != 1)
    in.fail(R"(has exactly one of "command", "keyword" and "callback")");
  in.only({"command", "keyword", "callback"});
  if (auto member = in.find("command")) {
    result.kind = trigger_kind::command;
    member->one_or_more([&](const reader& x) { result.names.push_back(read_command(x)); });
  } else if (member = in.find("keyword"); member) {
    result.kind = trigger_kind::keyword;
    member->one_or_more([&](const reader& x) { result.keywords.push_back(read_keyword(x)); });
  } else if (member = in.find("callback"); member) {
    result.kind = trigger_kind::callback;
    member->one_or_more([&](const reader& x) { result.names.push_back(read_data(x)); });
  }
  return result;
}

json::object read_button(const reader& in) {
  in.only({"text", "url", "data"});
  auto url = in.find("url");
  auto data = in.find("data");
  if (!in.find("text") || url.has_value() == data.has_value())
    in.fail(R"(has "text" and either "url" or "data")");
  json::object result;
  result["text"] = std::string{in.find("text")->filled_text(256)};
  if (data)
    result["callback_data"] = read_data(*data);
  if (url) {
    auto text = url->text(2048);
    bool known = text.starts_with("https://") || text.starts_with("http://")
                 || text.starts_with("tg://");
    if (!known || text.find_first_of(" \t\r\n") != text.npos)
      url->fail("begins with https://, http:// or tg://, and has no blanks");
    result["url"] = std::string{text};
  }
  return result;
}

std::string read_keyboard(const reader& in) {
  json::array rows;
  std::size_t buttons = 0;
  in.each([&](const reader& row) {
    json::array buttons_of_row;
    row.each([&](const reader& x) { buttons_of_row.push_back(read_button(x)); });
    if (buttons_of_row.empty() || buttons_of_row.size() > 8)
      row.fail("a row has 1 to 8 buttons");
    buttons += buttons_of_row.size();
    rows.push_back(std::move(buttons_of_row));
  });
  if (buttons == 0 || buttons > max_buttons)
    in.fail("there are 1 to 100 buttons, in rows");
  return json::serialize(json::object{{"inline_keyboard", std::move(rows)}});
}

std::string read_chat(const reader& in) {
  if (!in.is_text())
    return std::to_string(in.integer(-4'503'599'627'370'496, 4'503'599'627'370'496));
  auto name = in.text(64);
  if (name.size() < 2 || name[0] != '@')
    in.fail("is a chat's number, or @name of a public one");
  return json::serialize(json::value(json::string_view{name.data(), name.size()}));
}

rule read_rule(const reader& in) {
  in.only({"on", "chats", "reply", "parse_mode", "preview", "quote", "buttons", "forward", "answer",
           "alert"});
  rule result;
  auto on = in.find("on");
  if (!on)
    in.fail(R"(has no "on": what it is for)");
  result.on = read_trigger(*on);
  if (auto x = in.find("chats"))
    result.chats = x->one_of<chat_filter>({{"all", chat_filter::all},
                                           {"private", chat_filter::private_chats},
                                           {"groups", chat_filter::groups}});
  if (auto x = in.find("parse_mode"))
    result.mode = x->one_of<parse_mode>(
      {{"HTML", parse_mode::html}, {"MarkdownV2", parse_mode::markdown_v2}});
  if (auto x = in.find("reply"))
    result.reply = read_template(*x, max_reply);
  if (auto x = in.find("answer")) {
    if (result.on.kind != trigger_kind::callback && result.on.kind != trigger_kind::any)
      x->fail(R"(is for "callback" and "any")");
    result.answer = read_template(*x, max_answer);
  }
  if (auto x = in.find("buttons"))
    result.keyboard = read_keyboard(*x);
  if (auto x = in.find("forward"))
    result.forward = read_chat(*x);
  if (auto x = in.find("preview"))
    result.preview = x->boolean();
  if (auto x = in.find("quote"))
    result.quote = x->boolean();
  if (auto x = in.find("alert"))
    result.alert = x->boolean();
  if (result.reply.empty() && result.forward.empty() && result.answer.empty())
    in.fail(R"(does nothing: it needs "reply", "forward" or "answer")");
  if (result.reply.empty() && !result.keyboard.empty())
    in.fail(R"(has "buttons" but no "reply" to put them under)");
  return result;
}

rate_rule read_rate(const reader& in) {
  in.only({"per_minute", "reply"});
  rate_rule result;
  auto n = in.find("per_minute");
  if (!n)
    in.fail(R"(has no "per_minute")");
  result.per_minute = static_cast<std::uint32_t>(n->integer(1, 600));
  if (auto x = in.find("reply"))
    result.reply = x->filled_text(max_reply);
  return result;
}

std::shared_ptr<const program> read_named(const reader& in) {
  auto name = in.text(64);
  auto found = find_in_library(name);
  if (!found)
    in.fail("the node has no rules called \"" + std::string{name} + "\"");
  return found;
}

} // namespace

std::shared_ptr<const program> parse(const json::value& rules) {
  reader in{rules, "rules"};
  if (in.is_text())
    return read_named(in);
  auto result = std::make_shared<program>();
  auto list = std::optional<reader>{in};
  if (in.is_object()) {
    in.only({"rules", "rate"});
    list = in.find("rules");
    if (!list)
      in.fail(R"(has no list "rules")");
    if (auto rate = in.find("rate"))
      result->rate = read_rate(*rate);
  }
  list->each([&](const reader& x) { result->rules.push_back(read_rule(x)); });
  if (result->rules.empty() || result->rules.size() > max_rules)
    list->fail("there are 1 to 100 rules");
  std::size_t keywords = 0;
  for (const auto& x : result->rules)
    keywords += x.on.keywords.size();
  if (keywords > max_keywords)
    list->fail("there are at most 200 keywords in all");
  return result;
}

std::shared_ptr<const program> parse_text(std::string_view text) {
  json::error_code err;
  auto value = json::parse(json::string_view{text.data(), text.size()}, err);
  if (err)
    throw bad_rules{"rules: is no JSON: " + err.message()};
  return parse(value);
}

} // namespace troupe::rules
