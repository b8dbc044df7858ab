#include "tests/sandbox/call.hpp"

#include "tests/sandbox/samples.hpp"

#include <boost/json/parse.hpp>

#include <vector>

namespace troupe::sandbox {

namespace {

namespace json = boost::json;

std::vector<method_function> make_table() {
  std::vector<method_function> table(telegram::methods().size(), nullptr);
  for (auto family : {send_methods(), media_methods(), edit_methods(), copy_methods(),
                      chat_methods(), bot_methods(), query_methods(), update_methods()})
    for (auto& [name, run] : family)
      table[telegram::find_method(name)] = run;
  return table;
}

} // namespace

void call::ok(std::string_view result, std::string_view description) const {
  out.body = R"({"ok":true,"result":)";
  out.body += result;
  if (!description.empty()) {
    out.body += R"(,"description":)";
    telegram::append_json_string(out.body, description);
  }
  out.body += '}';
}

void call::fail(const telegram::api_error& error) const {
  out.status = error.code;
  out.body = telegram::to_json(error);
  if (error.retry_after.count() > 0)
    out.headers = "Retry-After: " + std::to_string(error.retry_after.count()) + "\r\n";
}

void run_method(const call& c) {
  static const auto table = make_table();
  if (auto run = table[c.method])
    run(c);
  else
    answer_sample(c);
}

std::shared_ptr<chat> writable_chat(const call& c, std::string_view name) {
  auto id = c.args.text(name);
  if (id.empty()) {
    c.bad_request(std::string{name} + " is empty");
    return nullptr;
  }
  auto result = c.w.chat_of(*c.b, id);
  if (!result) {
    c.bad_request("chat not found");
    return nullptr;
  }
  std::lock_guard lock{result->mutex};
  if (result->migrated_to != 0) {
    c.fail({.code = 400,
            .description = "Bad Request: group chat was upgraded to a supergroup chat",
            .migrate_to_chat_id = result->migrated_to});
    return nullptr;
  }
  if (result->blocked) {
    c.fail({.code = 403, .description = "Forbidden: bot was blocked by the user"});
    return nullptr;
  }
  if (auto me = result->members.find(c.b->id);
      me == result->members.end() || me->second == "left" || me->second == "kicked") {
    c.fail({.code = 403,
            .description = me == result->members.end()
                             ? "Forbidden: bot is not a member of the chat"
                             : "Forbidden: bot was kicked from the chat"});
    return nullptr;
  }
  return result;
}

bool read_markup(const call& c, std::string& member) {
  auto text = c.args.text("reply_markup");
  if (text.empty())
    return true;
  boost::system::error_code error;
  auto parsed = json::parse({text.data(), text.size()}, error);
  if (error) {
    c.bad_request("can't parse reply keyboard markup JSON object");
    return false;
  }
  if (!parsed.is_object()) {
    c.bad_request("object expected as reply markup");
    return false;
  }
  auto* rows = parsed.get_object().if_contains("inline_keyboard");
  if (rows == nullptr)
    return true; // Other keyboards are no part of the message that comes back.
  if (!rows->is_array()) {
    c.bad_request("field \"inline_keyboard\" of the InlineKeyboardMarkup must be of type Array");
    return false;
  }
  for (auto& row : rows->get_array()) {
    if (!row.is_array()) {
      c.bad_request("can't parse inline keyboard button: expected an Array of Arrays");
      return false;
    }
    for (auto& button : row.get_array()) {
      auto* data = button.is_object() ? button.get_object().if_contains("callback_data") : nullptr;
      if (data != nullptr && data->is_string() && data->get_string().size() > 64) {
        c.bad_request("BUTTON_DATA_INVALID");
        return false;
      }
    }
  }
  member = R"(,"reply_markup":)";
  member += text;
  return true;
}

namespace {

// The message that is replied to: `reply_parameters`, or the parameter of old.
std::optional<std::int64_t> replied_message(const call& c, bool& optional) {
  auto text = c.args.text("reply_parameters");
  if (text.empty()) {
    optional = c.args.flag("allow_sending_without_reply");
    return c.args.integer("reply_to_message_id");
  }
  boost::system::error_code error;
  auto parsed = json::parse({text.data(), text.size()}, error);
  if (error || !parsed.is_object())
    return std::nullopt;
  auto& object = parsed.get_object();
  if (auto* flag = object.if_contains("allow_sending_without_reply"))
    optional = flag->is_bool() && flag->get_bool();
  auto* id = object.if_contains("message_id");
  return id != nullptr && id->is_int64() ? std::optional{id->get_int64()} : std::nullopt;
}

} // namespace

bool read_extra(const call& c, chat& where, std::string& extra) {
  if (auto thread = c.args.integer("message_thread_id"))
    extra += R"(,"message_thread_id":)" + std::to_string(*thread) + R"(,"is_topic_message":true)";
  if (auto effect = c.args.text("message_effect_id"); !effect.empty()) {
    extra += R"(,"effect_id":)";
    telegram::append_json_string(extra, effect);
  }
  if (c.args.flag("protect_content"))
    extra += R"(,"has_protected_content":true)";
  auto optional = false;
  auto target = replied_message(c, optional);
  if (!target || *target == 0)
    return true;
  std::lock_guard lock{where.mutex};
  if (auto* known = where.find(*target)) {
    extra += R"(,"reply_to_message":)";
    auto flat = *known;
    flat.extra.clear(); // Replies are shown one level deep.
    where.render(flat, extra);
    return true;
  }
  if (optional)
    return true;
  c.bad_request("message to be replied not found");
  return false;
}

void send(const call& c, chat& where, std::string content, std::string caption) {
  message x;
  if (!read_markup(c, x.markup) || !read_extra(c, where, x.extra))
    return;
  x.date = c.w.unix_now();
  x.from_bot = true;
  x.author = c.b->id;
  x.content = std::move(content);
  x.caption = std::move(caption);
  auto& out = c.begin();
  std::lock_guard lock{where.mutex};
  x.author_member =
    where.type == chat_type::channel ? R"(,"sender_chat":)" + where.json : c.b->author_member;
  where.render(where.append(std::move(x)), out);
  c.end();
}

void send(const call& c, std::string content, std::string caption) {
  if (auto where = writable_chat(c))
    send(c, *where, std::move(content), std::move(caption));
}

} // namespace troupe::sandbox
