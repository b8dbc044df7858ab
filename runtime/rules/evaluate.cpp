#include "runtime/rules/evaluate.hpp"

#include "runtime/rules/words.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace troupe::rules {
namespace {

namespace json = boost::json;

const json::object* object_in(const json::object* from, std::string_view name) {
  auto* found = from ? from->if_contains(json::string_view{name.data(), name.size()}) : nullptr;
  return found ? found->if_object() : nullptr;
}

std::string_view text_in(const json::object* from, std::string_view name) {
  auto* found = from ? from->if_contains(json::string_view{name.data(), name.size()}) : nullptr;
  auto* text = found ? found->if_string() : nullptr;
  return text ? std::string_view{text->data(), text->size()} : std::string_view{};
}

std::int64_t number_in(const json::object* from, std::string_view name) {
  auto* found = from ? from->if_contains(json::string_view{name.data(), name.size()}) : nullptr;
  auto* number = found ? found->if_int64() : nullptr;
  return number ? *number : 0;
}

bool flag_in(const json::object* from, std::string_view name) {
  auto* found = from ? from->if_contains(json::string_view{name.data(), name.size()}) : nullptr;
  return found && found->is_bool() && found->get_bool();
}

/// An update as rules see it.
struct event {
  const json::object* message = nullptr; ///< Of a callback: the one with the button, if any.
  const json::object* from = nullptr;
  const json::object* chat = nullptr;
  std::string_view callback_id; ///< Empty: a message.
  std::string_view text;        ///< Of a callback: its data.
  std::int64_t date = 0;        ///< Seconds since 1970.
  std::string command;          ///< In lower case; empty: none.
  std::string_view args;
  [[nodiscard]] bool is_callback() const noexcept { return !callback_id.empty(); }
};

std::string lower(std::string_view text) {
  std::string result{text};
  for (auto& c : result)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return result;
}

constexpr std::string_view blanks = " \t\r\n";

/// Splits "/name@bot args".
void find_command(event& x, std::string_view username) {
  if (!x.text.starts_with('/'))
    return;
  auto end = std::min(x.text.find_first_of(blanks), x.text.size());
  auto name = x.text.substr(1, end - 1);
  auto at = name.find('@');
  if (at != name.npos && !username.empty() && lower(name.substr(at + 1)) != lower(username))
    return;
  x.command = lower(name.substr(0, at));
  auto args = x.text.find_first_not_of(blanks, end);
  if (args != x.text.npos)
    x.args = x.text.substr(args);
}

event read_event(const json::object& update, const surroundings& around) {
  event x;
  if (auto* message = object_in(&update, "message")) {
    x.message = message;
    x.from = object_in(message, "from");
    x.text = text_in(message, "text");
    if (x.text.empty())
      x.text = text_in(message, "caption");
    x.date = number_in(message, "date");
    find_command(x, around.username);
  } else if (auto* callback = object_in(&update, "callback_query")) {
    x.message = object_in(callback, "message");
    x.from = object_in(callback, "from");
    x.callback_id = text_in(callback, "id");
    x.text = text_in(callback, "data");
  }
  x.chat = object_in(x.message, "chat");
  if (x.date == 0)
    x.date = around.received / 1000;
  return x;
}

/// Whether words stand in the text one after the other.
bool contains(const std::vector<std::u32string>& text, const word_list& words) {
  return std::search(text.begin(), text.end(), words.begin(), words.end()) != text.end();
}

/// Sets `args` to what stands for the "*".
bool fits_data(std::string_view pattern, event& x) {
  if (!pattern.ends_with('*'))
    return x.text == pattern;
  pattern.remove_suffix(1);
  if (!x.text.starts_with(pattern))
    return false;
  x.args = x.text.substr(pattern.size());
  return true;
}

bool fits(const rule& r, event& x, const std::vector<std::u32string>& words) {
  if (r.chats != chat_filter::all) {
    auto type = text_in(x.chat, "type");
    bool wanted = r.chats == chat_filter::private_chats ? type == "private"
                                                        : type == "group" || type == "supergroup";
    if (!wanted)
      return false;
  }
  const auto& on = r.on;
  switch (on.kind) {
  case trigger_kind::any:
    return true;
  case trigger_kind::text:
    return !x.is_callback() && !x.text.empty();
  case trigger_kind::command:
    return !x.is_callback() && !x.command.empty()
           && std::find(on.names.begin(), on.names.end(), x.command) != on.names.end();
  case trigger_kind::keyword:
    return !x.is_callback()
           && std::any_of(on.keywords.begin(), on.keywords.end(),
                          [&](const auto& k) { return contains(words, k); });
  case trigger_kind::callback:
    return x.is_callback()
           && std::any_of(on.names.begin(), on.names.end(),
                          [&](const auto& name) { return fits_data(name, x); });
  }
  return false;
}

std::string utc(std::int64_t seconds) {
  using namespace std::chrono;
  auto days = floor<std::chrono::days>(std::chrono::seconds{seconds});
  auto date = year_month_day{sys_days{days}};
  hh_mm_ss time{std::chrono::seconds{seconds} - days};
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d UTC", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()));
  return text;
}

std::string value_of(placeholder what, const event& x) {
  switch (what) {
  case placeholder::none:
    return {};
  case placeholder::first_name:
    return std::string{text_in(x.from, "first_name")};
  case placeholder::username: {
    auto name = text_in(x.from, "username");
    return name.empty() ? std::string{text_in(x.from, "first_name")} : "@" + std::string{name};
  }
  case placeholder::chat_id:
    return std::to_string(number_in(x.chat, "id"));
  case placeholder::text:
    return std::string{x.text};
  case placeholder::args:
    return std::string{x.args};
  case placeholder::date:
    return utc(x.date);
  }
  return {};
}

/// Telegram's rules: core.telegram.org/bots/api#formatting-options.
std::string escape(std::string_view text, parse_mode mode) {
  if (mode == parse_mode::none)
    return std::string{text};
  std::string result;
  for (char c : text) {
    if (mode == parse_mode::html) {
      switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      default: result += c;
      }
    } else {
      if (std::string_view{"\\_*[]()~`>#+-=|{}.!"}.find(c) != std::string_view::npos)
        result += '\\';
      result += c;
    }
  }
  return result;
}

/// Values are cut so that the whole stays within what the Bot API takes.
std::string fill(const text_template& pieces, const event& x, parse_mode mode, std::size_t limit) {
  std::string result;
  auto left = limit - std::min(limit, pieces.literal_units);
  for (const auto& p : pieces.pieces) {
    result += p.literal;
    auto value = value_of(p.what, x);
    auto part = first_units(value, left);
    left -= utf16_units(part);
    result += escape(part, mode);
  }
  return result;
}

bool is_blank(std::string_view text) { return text.find_first_not_of(blanks) == text.npos; }

/// Asks for sendMessage where the update came from.
void reply(std::vector<action>& out, const event& x, std::string_view text, const rule* r) {
  auto chat = number_in(x.chat, "id");
  if (chat == 0 || is_blank(text))
    return;
  json::object body;
  body["chat_id"] = chat;
  body["text"] = json::string_view{text.data(), text.size()};
  if (flag_in(x.message, "is_topic_message"))
    body["message_thread_id"] = number_in(x.message, "message_thread_id");
  if (r && r->mode != parse_mode::none)
    body["parse_mode"] = r->mode == parse_mode::html ? "HTML" : "MarkdownV2";
  if (r && !r->preview)
    body["link_preview_options"] = json::object{{"is_disabled", true}};
  if (r && r->quote)
    body["reply_parameters"] = json::object{{"message_id", number_in(x.message, "message_id")},
                                            {"allow_sending_without_reply", true}};
  if (r && !r->keyboard.empty())
    body["reply_markup"] = json::parse(r->keyboard);
  out.push_back({"sendMessage", json::serialize(body)});
}

void forward(std::vector<action>& out, const event& x, const rule& r) {
  auto chat = number_in(x.chat, "id");
  auto id = number_in(x.message, "message_id");
  if (chat == 0 || id == 0 || x.is_callback())
    return;
  json::object body;
  body["chat_id"] = json::parse(r.forward);
  body["from_chat_id"] = chat;
  body["message_id"] = id;
  out.push_back({"forwardMessage", json::serialize(body)});
}

void answer(std::vector<action>& out, const event& x, const rule* r) {
  json::object body;
  body["callback_query_id"] = json::string_view{x.callback_id.data(), x.callback_id.size()};
  auto text = r ? fill(r->answer, x, parse_mode::none, max_answer) : std::string{};
  if (!is_blank(text)) {
    body["text"] = text;
    if (r->alert)
      body["show_alert"] = true;
  }
  out.push_back({"answerCallbackQuery", json::serialize(body)});
}

} // namespace

std::vector<action> evaluate(const program& rules, std::string_view update,
                             const surroundings& around, user_rate& rate) {
  std::vector<action> out;
  json::error_code err;
  auto whole = json::parse(json::string_view{update.data(), update.size()}, err);
  if (err || !whole.is_object())
    return out;
  auto x = read_event(whole.get_object(), around);
  auto user = number_in(x.from, "id");
  if (user == 0 || flag_in(x.from, "is_bot") || (!x.message && !x.is_callback()))
    return out;
  auto words = x.is_callback() ? std::vector<std::u32string>{} : words_of(x.text);
  auto found = std::find_if(rules.rules.begin(), rules.rules.end(),
                            [&](const rule& r) { return fits(r, x, words); });
  if (found == rules.rules.end()) {
    if (x.is_callback())
      answer(out, x, nullptr);
    return out;
  }
  auto counted = rules.rate.per_minute == 0
                   ? user_rate::verdict::pass
                   : rate.count(user, rules.rate.per_minute, around.now);
  if (counted != user_rate::verdict::pass) {
    if (x.is_callback())
      answer(out, x, nullptr);
    if (counted == user_rate::verdict::just_over)
      reply(out, x, rules.rate.reply, nullptr);
    return out;
  }
  if (x.is_callback())
    answer(out, x, &*found);
  reply(out, x, fill(found->reply, x, found->mode, max_reply), &*found);
  if (!found->forward.empty())
    forward(out, x, *found);
  return out;
}

} // namespace troupe::rules
