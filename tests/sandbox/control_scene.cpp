// Control routes: bots, users, chats, and what users do in them.
#include "tests/sandbox/control.hpp"
#include "tests/sandbox/media.hpp"
#include "tests/sandbox/text.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace troupe::sandbox {

namespace {

namespace json = boost::json;

std::string id_json(std::int64_t id) {
  return R"({"id":)" + std::to_string(id) + '}';
}

std::string quoted(std::string_view text) {
  std::string out;
  telegram::append_json_string(out, text);
  return out;
}

std::string bot_json(const bot& x) {
  return R"({"id":)" + std::to_string(x.id) + R"(,"token":")" + x.token + R"(","username":)"
         + quoted(x.username) + R"(,"first_name":)" + quoted(x.first_name) + '}';
}

std::string make_bot(const control_request& r) {
  auto token = r.text("token");
  auto made = r.w().make_bot(token, r.text("first_name"), r.text("username"));
  if (!made)
    throw control_error{400, "token must look like 123456:ABC… with 35 characters after the colon, "
                             "and its number must not be another bot's"};
  return bot_json(*made);
}

std::string list_bots(const control_request& r) {
  std::string out = R"({"bots":[)";
  for (auto& x : r.w().bots())
    out += (out.back() == '[' ? "" : ",") + bot_json(*x);
  return out + "]}";
}

std::string make_user(const control_request& r) {
  auto made = r.w().make_user(r.required_text("first_name"), r.text("username"));
  return id_json(made->id);
}

chat_type type_of(std::string_view name) {
  for (auto type :
       {chat_type::personal, chat_type::group, chat_type::supergroup, chat_type::channel})
    if (to_string(type) == name)
      return type;
  throw control_error{400, "type must be private, group, supergroup or channel"};
}

std::string make_chat(const control_request& r) {
  auto type = type_of(r.required_text("type"));
  auto owner = r.named_bot();
  std::vector<std::int64_t> users;
  if (auto* list = r.body.if_contains("users"); list != nullptr && !list->is_null()) {
    if (!list->is_array())
      throw control_error{400, "users must be a list of ids"};
    for (auto& x : list->get_array()) {
      auto* id = x.if_int64();
      if (id == nullptr || !r.w().find_user(*id))
        throw control_error{404, "no user has the id " + json::serialize(x)};
      users.push_back(*id);
    }
  }
  if (type == chat_type::personal && users.size() != 1)
    throw control_error{400, "a private chat needs exactly one of users"};
  return id_json(r.w().make_chat(type, owner, users, r.text("title"), r.text("username"))->id);
}

// Another bot joins a group: {bot}.
std::string add_bot(const control_request& r) {
  auto found = r.w().find_chats(r.captured_id(), 0); // `bot` is the one that joins.
  if (found.empty())
    throw control_error{404, "no chat has that id"};
  auto where = found.front();
  auto joining = r.named_bot();
  if (!where->group())
    throw control_error{400, "a private chat has one bot"};
  {
    std::lock_guard lock{where->mutex};
    if (where->members.emplace(joining->id, "administrator").second)
      where->bots.push_back(joining);
  }
  std::lock_guard lock{joining->mutex};
  joining->chats[where->id] = where;
  return id_json(where->id);
}

// What a user sends: text, a photo, or a document.
std::string content_of(const control_request& r) {
  if (auto text = r.text("text"); !text.empty())
    return text_members("text", "entities", text, find_entities(text));
  if (auto* document = r.body.if_contains("document"); document && document->is_object()) {
    control_request inner{r.context, document->get_object(), {}, {}};
    expect_members(inner.body, "file_name content");
    auto file =
      r.w().files.add("documents", inner.required_text("file_name"), {}, inner.text("content"));
    return media_members(*find_media_kind("document"), file);
  }
  if (r.flag("photo", false)) {
    auto file = r.w().files.add("photos", "photo.jpg", "image/jpeg", "a photo");
    return media_members(*find_media_kind("photo"), file);
  }
  throw control_error{400, "text is missing (or photo: true, or document: {file_name, content})"};
}

std::string write_message(const control_request& r) {
  auto where = r.captured_chat();
  auto author = r.named_user();
  message x;
  x.content = content_of(r);
  if (auto caption = r.text("caption"); !caption.empty())
    x.caption = text_members("caption", "caption_entities", caption, find_entities(caption));
  if (auto replied = r.integer("reply_to_message_id")) {
    std::lock_guard lock{where->mutex};
    if (auto* known = where->find(*replied)) {
      x.extra = R"(,"reply_to_message":)";
      where->render(*known, x.extra);
    }
  }
  auto id = r.w().user_writes(*where, *author, std::move(x));
  return R"({"message_id":)" + std::to_string(id) + '}';
}

std::string edit_message(const control_request& r) {
  auto where = r.captured_chat();
  std::int64_t author = 0;
  {
    std::lock_guard lock{where->mutex};
    auto* known = where->find(r.captured_id(1));
    if (known == nullptr || known->from_bot)
      throw control_error{404, "no such message of a user"};
    author = known->author;
  }
  auto who = r.w().find_user(author);
  if (!who)
    throw control_error{404, "no such user any more"};
  message x;
  x.id = r.captured_id(1);
  auto text = r.required_text("text");
  x.content = text_members("text", "entities", text, find_entities(text));
  r.w().user_writes(*where, *who, std::move(x), true);
  return R"({"message_id":)" + std::to_string(r.captured_id(1)) + '}';
}

std::string list_messages(const control_request& r) {
  auto where = r.captured_chat();
  auto from_bots = r.query.find("from=bot") != std::string_view::npos;
  auto from_users = r.query.find("from=user") != std::string_view::npos;
  std::string out = R"({"messages":[)";
  std::lock_guard lock{where->mutex};
  where->each_message([&](const message& x) {
    if ((from_bots && !x.from_bot) || (from_users && x.from_bot))
      return;
    if (out.back() != '[')
      out += ',';
    where->render(x, out);
  });
  return out + "]}";
}

// A tap on a button is told to the bot that wrote the message.
std::string tap(const control_request& r) {
  auto where = r.captured_chat();
  auto who = r.named_user();
  auto data = r.required_text("data");
  std::string shown;
  std::int64_t author = 0;
  {
    std::lock_guard lock{where->mutex};
    auto* known = where->find(r.required_integer("message_id"));
    if (known == nullptr || !known->from_bot)
      throw control_error{404, "no such message of a bot in this chat"};
    author = known->author;
    where->render(*known, shown);
  }
  auto owner = r.w().find_bot(author);
  if (!owner)
    throw control_error{404, "the bot that wrote the message is gone"};
  auto id = r.w().make_query(author);
  auto object = R"({"id":")" + id + '"' + who->author_member + R"(,"message":)" + shown
                + R"(,"chat_instance":")" + std::to_string(where->id) + R"(","data":)"
                + quoted(data) + '}';
  owner->add_update(telegram::find_update_kind("callback_query"),
                    {telegram::queue_key_kind::user, who->id}, object, r.w().now());
  return R"({"id":")" + id + "\"}";
}

std::string show_query(const control_request& r) {
  auto known = r.w().find_query(r.captured[0]);
  if (!known)
    throw control_error{404, "no such query, or too long ago"};
  return std::string{R"({"answered":)"} + (known->answered ? "true" : "false") + known->answer
         + '}';
}

std::string ask_inline(const control_request& r) {
  auto owner = r.named_bot();
  auto who = r.named_user();
  auto id = r.w().make_query(owner->id);
  auto object = R"({"id":")" + id + '"' + who->author_member + R"(,"query":)"
                + quoted(r.text("query")) + R"(,"offset":)" + quoted(r.text("offset"))
                + R"(,"chat_type":"sender"})";
  owner->add_update(telegram::find_update_kind("inline_query"),
                    {telegram::queue_key_kind::user, who->id}, object, r.w().now());
  return R"({"id":")" + id + "\"}";
}

std::string block(const control_request& r) {
  auto where = r.captured_chat();
  if (where->group())
    throw control_error{400, "only the user of a private chat can block its bot"};
  std::lock_guard lock{where->mutex};
  where->blocked = r.flag("blocked", true);
  return std::string{R"({"blocked":)"} + (where->blocked ? "true" : "false") + '}';
}

std::string migrate(const control_request& r) {
  auto where = r.captured_chat();
  if (where->type != chat_type::group)
    throw control_error{400, "only a group becomes a supergroup"};
  r.w().migrate(where);
  std::lock_guard lock{where->mutex};
  return id_json(where->migrated_to);
}

constexpr control_route scene_table[]{
  {"POST", "bots", make_bot, "token username first_name"},
  {"GET", "bots", list_bots},
  {"POST", "users", make_user, "first_name username"},
  {"POST", "chats", make_chat, "type bot users title username"},
  {"POST", "chats/*/bots", add_bot, "bot"},
  {"POST", "chats/*/messages", write_message,
   "bot user text photo document caption reply_to_message_id"},
  {"GET", "chats/*/messages", list_messages, "bot"},
  {"PATCH", "chats/*/messages/*", edit_message, "bot text"},
  {"POST", "chats/*/callbacks", tap, "bot user message_id data"},
  {"GET", "callbacks/*", show_query},
  {"POST", "inline_queries", ask_inline, "bot user query offset"},
  {"GET", "inline_queries/*", show_query},
  {"POST", "chats/*/block", block, "bot blocked"},
  {"POST", "chats/*/migrate", migrate, "bot"},
};

} // namespace

std::span<const control_route> scene_routes() {
  return scene_table;
}

} // namespace troupe::sandbox
