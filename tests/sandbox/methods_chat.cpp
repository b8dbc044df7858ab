// What bots read and change of chats and their members.
#include "tests/sandbox/call.hpp"

namespace troupe::sandbox {

namespace {

// The chat named by `chat_id`, or nullptr: `c` has been answered. For reads: a blocked chat is
// there.
std::shared_ptr<chat> known_chat(const call& c) {
  auto result =
    c.args.text("chat_id").empty() ? nullptr : c.w.chat_of(*c.b, c.args.text("chat_id"));
  if (!result)
    c.bad_request(c.args.text("chat_id").empty() ? "chat_id is empty" : "chat not found");
  return result;
}

void get_chat(const call& c) {
  auto where = known_chat(c);
  if (!where)
    return;
  std::lock_guard lock{where->mutex};
  auto& out = c.begin();
  out += where->json;
  out.pop_back();
  if (!where->description.empty()) {
    out += R"(,"description":)";
    telegram::append_json_string(out, where->description);
  }
  if (where->group())
    out += R"(,"permissions":{"can_send_messages":true,"can_send_polls":true,)"
           R"("can_send_other_messages":true,"can_add_web_page_previews":true,)"
           R"("can_change_info":false,"can_invite_users":true,"can_pin_messages":false})";
  if (auto* pinned = where->find(where->pinned)) {
    out += R"(,"pinned_message":)";
    where->render(*pinned, out);
  }
  out += R"(,"accent_color_id":0,"max_reaction_count":11,)"
         R"("accepted_gift_types":{"unlimited_gifts":true,"limited_gifts":true,)"
         R"("unique_gifts":true,"premium_subscription":true,"gifts_from_channels":true}})";
  c.end();
}

std::string user_json(const call& c, std::int64_t id) {
  if (auto known = c.w.find_user(id))
    return known->json;
  if (auto known = c.w.find_bot(id))
    return known->user_json;
  return {};
}

constexpr std::string_view administrator_rights =
  R"(,"can_be_edited":false,"is_anonymous":false,"can_manage_chat":true,)"
  R"("can_delete_messages":true,"can_manage_video_chats":true,"can_restrict_members":true,)"
  R"("can_promote_members":false,"can_change_info":true,"can_invite_users":true,)"
  R"("can_post_stories":false,"can_edit_stories":false,"can_delete_stories":false)";

std::string member_json(const call& c, std::int64_t id, const std::string& status) {
  auto out = R"({"user":)" + user_json(c, id) + R"(,"status":")" + status + '"';
  if (status == "administrator")
    out += administrator_rights;
  else if (status == "creator")
    out += R"(,"is_anonymous":false)";
  else if (status == "kicked")
    out += R"(,"until_date":0)";
  return out + '}';
}

std::map<std::int64_t, std::string> members_of(chat& where) {
  std::lock_guard lock{where.mutex};
  return where.members;
}

void get_member(const call& c) {
  auto where = known_chat(c);
  if (!where)
    return;
  auto id = c.args.integer("user_id");
  if (!id || user_json(c, *id).empty())
    return c.bad_request("invalid user_id specified");
  auto members = members_of(*where);
  auto at = members.find(*id);
  c.ok(member_json(c, *id, at == members.end() ? "left" : at->second));
}

void get_administrators(const call& c) {
  auto where = known_chat(c);
  if (!where)
    return;
  if (!where->group())
    return c.bad_request("there are no administrators in the private chat");
  std::string list = "[";
  for (auto& [id, status] : members_of(*where))
    if (status == "creator" || (status == "administrator" && id != c.b->id)) {
      list += list.size() > 1 ? "," : "";
      list += member_json(c, id, status);
    }
  c.ok(list + ']');
}

void get_member_count(const call& c) {
  auto where = known_chat(c);
  if (!where)
    return;
  std::size_t count = 0;
  for (auto& [id, status] : members_of(*where))
    count += status != "left" && status != "kicked";
  c.ok(std::to_string(count));
}

// Methods that give a member another status.
void change_member(const call& c, const char* status) {
  auto where = writable_chat(c);
  if (!where)
    return;
  if (!where->group())
    return c.bad_request("can't change members of a private chat");
  auto id = c.args.integer("user_id");
  if (!id || user_json(c, *id).empty())
    return c.bad_request("invalid user_id specified");
  std::lock_guard lock{where->mutex};
  auto& place = where->members[*id];
  if (place == "creator")
    return c.bad_request("can't remove chat owner");
  place = status;
  c.ok("true");
}

void leave(const call& c) {
  auto where = writable_chat(c);
  if (!where)
    return;
  if (!where->group())
    return c.bad_request("chat member status can't be changed in private chats");
  std::lock_guard lock{where->mutex};
  where->members[c.b->id] = "left";
  c.ok("true");
}

void set_title(const call& c) {
  auto where = writable_chat(c);
  if (!where)
    return;
  if (!where->group())
    return c.bad_request("can't change the title of a private chat");
  auto title = c.args.text("title");
  if (title.empty() || title.size() > 255)
    return c.bad_request("title must be 1-255 characters");
  std::lock_guard lock{where->mutex};
  where->rename(title, std::string{where->username});
  c.ok("true");
}

void set_description(const call& c) {
  auto where = writable_chat(c);
  if (!where)
    return;
  std::lock_guard lock{where->mutex};
  if (where->description == c.args.text("description"))
    return c.bad_request("chat description is not modified");
  where->description = c.args.text("description");
  c.ok("true");
}

void pin(const call& c) {
  auto where = writable_chat(c);
  if (!where)
    return;
  auto id = c.args.integer("message_id").value_or(0);
  std::lock_guard lock{where->mutex};
  if (where->find(id) == nullptr)
    return c.bad_request("message to pin not found");
  where->pinned = id;
  c.ok("true");
}

void unpin(const call& c) {
  auto where = writable_chat(c);
  if (!where)
    return;
  std::lock_guard lock{where->mutex};
  where->pinned = 0;
  c.ok("true");
}

void set_reaction(const call& c) {
  auto where = writable_chat(c);
  if (!where)
    return;
  std::lock_guard lock{where->mutex};
  if (where->find(c.args.integer("message_id").value_or(0)) == nullptr)
    return c.bad_request("message to react not found");
  c.ok("true");
}

constexpr method_entry chat_table[]{
  {"getChat", get_chat},
  {"getChatMember", get_member},
  {"getChatAdministrators", get_administrators},
  {"getChatMemberCount", get_member_count},
  {"banChatMember", [](const call& c) { change_member(c, "kicked"); }},
  {"unbanChatMember", [](const call& c) { change_member(c, "left"); }},
  {"promoteChatMember", [](const call& c) { change_member(c, "administrator"); }},
  {"leaveChat", leave},
  {"setChatTitle", set_title},
  {"setChatDescription", set_description},
  {"pinChatMessage", pin},
  {"unpinChatMessage", unpin},
  {"unpinAllChatMessages", unpin},
  {"setMessageReaction", set_reaction},
};

} // namespace

std::span<const method_entry> chat_methods() {
  return chat_table;
}

} // namespace troupe::sandbox
