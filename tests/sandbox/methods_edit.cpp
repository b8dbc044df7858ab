// Edits and deletions.
#include "tests/sandbox/media.hpp"
#include "tests/sandbox/text.hpp"

#include <boost/json/parse.hpp>

namespace troupe::sandbox {

namespace {

namespace json = boost::json;

// The message to be edited, with its chat locked. No message: `c` has been answered.
struct edited {
  std::shared_ptr<chat> where;
  std::unique_lock<std::mutex> lock;
  message* what = nullptr;
  explicit operator bool() const noexcept { return what != nullptr; }
};

edited find_edited(const call& c) {
  if (!c.args.text("inline_message_id").empty()) { // It is in a chat that the bot cannot see.
    c.ok("true");
    return {};
  }
  edited x;
  x.where = writable_chat(c);
  if (!x.where)
    return x;
  x.lock = std::unique_lock{x.where->mutex};
  x.what = x.where->find(c.args.integer("message_id").value_or(0));
  if (x.what == nullptr) {
    c.bad_request("message to edit not found");
  } else if (!x.what->from_bot || x.what->author != c.b->id) {
    x.what = nullptr;
    c.bad_request("message can't be edited");
  }
  return x;
}

// Puts what is not the same as before in place and answers with the message.
void finish(const call& c, edited& x, std::string content, std::string caption,
            std::string markup) {
  auto& m = *x.what;
  if (m.content == content && m.caption == caption && m.markup == markup)
    return c.bad_request("message is not modified: specified new message content and reply markup "
                         "are exactly the same as a current content and reply markup of the "
                         "message");
  m.content = std::move(content);
  m.caption = std::move(caption);
  m.markup = std::move(markup);
  m.edit_date = c.w.unix_now();
  auto& out = c.begin();
  x.where->render(m, out);
  c.end();
}

void edit_text(const call& c) {
  auto text = c.args.text("text");
  if (text.empty() && c.args.text("rich_message").empty())
    return c.bad_request("message text is empty");
  if (!is_utf8(text))
    return c.bad_request("strings must be encoded in UTF-8");
  auto parsed = parse_markup(text, c.args.text("parse_mode"));
  if (!parsed.error.empty())
    return c.bad_request("can't parse entities: " + parsed.error);
  if (utf16_length(parsed.text) > 4096)
    return c.bad_request("MESSAGE_TOO_LONG");
  if (auto given = c.args.text("entities"); !given.empty())
    parsed.entities = given;
  std::string markup;
  if (!read_markup(c, markup))
    return;
  auto x = find_edited(c);
  if (!x)
    return;
  if (!x.what->content.starts_with(R"(,"text":)"))
    return c.bad_request("there is no text in the message to edit");
  finish(c, x, text_members("text", "entities", parsed.text, parsed.entities), x.what->caption,
         std::move(markup));
}

void edit_caption(const call& c) {
  std::string caption;
  std::string markup;
  if (!read_caption(c, c.args.text("caption"), c.args.text("parse_mode"),
                    c.args.text("caption_entities"), caption)
      || !read_markup(c, markup))
    return;
  auto x = find_edited(c);
  if (!x)
    return;
  if (x.what->content.starts_with(R"(,"text":)"))
    return c.bad_request("there is no caption in the message to edit");
  finish(c, x, x.what->content, std::move(caption), std::move(markup));
}

void edit_media(const call& c) {
  auto source = c.args.text("media");
  boost::system::error_code error;
  auto parsed = json::parse({source.data(), source.size()}, error);
  auto* object = error ? nullptr : parsed.if_object();
  auto member = [&](std::string_view name) {
    auto* value = object ? object->if_contains({name.data(), name.size()}) : nullptr;
    return value != nullptr && value->is_string()
             ? std::string_view{value->get_string().data(), value->get_string().size()}
             : std::string_view{};
  };
  auto* kind = find_media_kind(member("type"));
  auto file = kind ? take_file(c, kind->folder, {}, member("media")) : std::nullopt;
  if (!file)
    return c.bad_request("can't parse InputMedia: no such type or file");
  std::string caption;
  std::string markup;
  if (!read_caption(c, member("caption"), member("parse_mode"), {}, caption)
      || !read_markup(c, markup))
    return;
  if (auto x = find_edited(c))
    finish(c, x, media_members(*kind, *file), std::move(caption), std::move(markup));
}

void edit_markup(const call& c) {
  std::string markup;
  if (!read_markup(c, markup))
    return;
  if (auto x = find_edited(c))
    finish(c, x, x.what->content, x.what->caption, std::move(markup));
}

void edit_location(const call& c) {
  auto latitude = c.args.text("latitude");
  auto longitude = c.args.text("longitude");
  auto stop = telegram::method(c.method).name == "stopMessageLiveLocation";
  std::string markup;
  if (!read_markup(c, markup))
    return;
  auto x = find_edited(c);
  if (!x)
    return;
  if (!x.what->content.starts_with(R"(,"location":)"))
    return c.bad_request("there is no live location in the message to edit");
  boost::system::error_code error;
  for (auto text : {latitude, longitude})
    if (!stop && (!json::parse({text.data(), text.size()}, error).is_number() || error))
      return c.bad_request("can't parse location");
  auto content = R"(,"location":{"latitude":)" + std::string{latitude} + R"(,"longitude":)"
                 + std::string{longitude} + '}';
  if (stop) {
    content = x.what->content;
    x.what->markup.clear();
    x.what->edit_date = 0; // So that it differs from what it was, even without a new keyboard.
    x.what->content.clear();
  }
  finish(c, x, std::move(content), {}, std::move(markup));
}

void edit_checklist(const call& c) {
  auto checklist = c.args.text("checklist");
  boost::system::error_code error;
  if (!json::parse({checklist.data(), checklist.size()}, error).is_object() || error)
    return c.bad_request("can't parse checklist");
  std::string markup;
  if (!read_markup(c, markup))
    return;
  if (auto x = find_edited(c))
    finish(c, x, R"(,"checklist":)" + std::string{checklist}, {}, std::move(markup));
}

void stop_poll(const call& c) {
  auto x = find_edited(c);
  if (!x)
    return;
  constexpr std::string_view member = R"(,"poll":)";
  constexpr std::string_view open = R"("is_closed":false)";
  auto at = x.what->content.find(open);
  if (!x.what->content.starts_with(member))
    return c.bad_request("message with poll to stop not found");
  if (at == std::string::npos)
    return c.bad_request("poll has already been closed");
  x.what->content.replace(at, open.size(), R"("is_closed":true)");
  c.ok(std::string_view{x.what->content}.substr(member.size()));
}

// Deleted messages are gone for everybody; what a bot may delete is not looked at.
bool remove(chat& where, std::int64_t id) {
  auto* known = where.find(id);
  if (known == nullptr)
    return false;
  known->deleted = true;
  for (auto* text : {&known->extra, &known->content, &known->caption, &known->markup})
    text->clear();
  return true;
}

void delete_message(const call& c) {
  auto where = writable_chat(c);
  if (!where)
    return;
  auto id = c.args.integer("message_id");
  if (!id)
    return c.bad_request("message identifier is not specified");
  std::lock_guard lock{where->mutex};
  if (remove(*where, *id))
    c.ok("true");
  else
    c.bad_request("message to delete not found");
}

void delete_messages(const call& c) {
  auto where = writable_chat(c);
  if (!where)
    return;
  boost::system::error_code error;
  auto text = c.args.text("message_ids");
  auto parsed = json::parse({text.data(), text.size()}, error);
  if (error || !parsed.is_array() || parsed.get_array().empty() || parsed.get_array().size() > 100)
    return c.bad_request("message identifiers are not specified");
  std::lock_guard lock{where->mutex};
  for (auto& x : parsed.get_array()) // Those that are not there are skipped, as documented.
    if (x.is_int64())
      remove(*where, x.get_int64());
  c.ok("true");
}

constexpr method_entry edit_table[]{
  {"editMessageText", edit_text},
  {"editMessageCaption", edit_caption},
  {"editMessageMedia", edit_media},
  {"editMessageReplyMarkup", edit_markup},
  {"editMessageLiveLocation", edit_location},
  {"stopMessageLiveLocation", edit_location},
  {"editMessageChecklist", edit_checklist},
  {"stopPoll", stop_poll},
  {"deleteMessage", delete_message},
  {"deleteMessages", delete_messages},
};

} // namespace

std::span<const method_entry> edit_methods() {
  return edit_table;
}

} // namespace troupe::sandbox
