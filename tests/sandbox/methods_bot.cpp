// The bot itself: who it is, how it presents itself, close and logOut.
#include "tests/sandbox/call.hpp"

namespace troupe::sandbox {

namespace {

constexpr std::chrono::minutes logged_out_for{10}; // As documented.

void get_me(const call& c) {
  c.out.body = c.b->me_answer;
}

void log_out(const call& c) {
  {
    std::lock_guard lock{c.b->mutex};
    c.b->logged_out_until = (c.w.now() + logged_out_for).time_since_epoch().count();
    c.b->wake_poll(waiting_poll::wake::reset);
  }
  c.ok("true");
}

// What one method sets and another one gets.
struct setting {
  std::string_view set;
  std::string_view get;
  std::string_view unset; ///< The method that takes it back; may be empty.
  std::string_view parameter;
  std::string_view member;  ///< Of the object that is got; empty: the value itself.
  std::string_view unknown; ///< Got when it was never set.
};

constexpr setting settings[]{
  {"setMyName", "getMyName", "", "name", "name", ""},
  {"setMyDescription", "getMyDescription", "", "description", "description", ""},
  {"setMyShortDescription", "getMyShortDescription", "", "short_description", "short_description",
   ""},
  {"setMyCommands", "getMyCommands", "deleteMyCommands", "commands", "", "[]"},
  {"setChatMenuButton", "getChatMenuButton", "", "menu_button", "", R"({"type":"commands"})"},
  {"setMyDefaultAdministratorRights", "getMyDefaultAdministratorRights", "", "rights", "",
   R"({"is_anonymous":false,"can_manage_chat":false,"can_delete_messages":false,)"
   R"("can_manage_video_chats":false,"can_restrict_members":false,"can_promote_members":false,)"
   R"("can_change_info":false,"can_invite_users":false,"can_post_stories":false,)"
   R"("can_edit_stories":false,"can_delete_stories":false})"},
};

// One value per language, scope and chat.
std::string key_of(const call& c, const setting& x) {
  std::string key{x.parameter};
  for (auto name : {"language_code", "scope", "chat_id", "for_channels"})
    key += '\n' + std::string{c.args.text(name)};
  return key;
}

constexpr std::size_t most_settings = 1000; // Per bot.

void use_setting(const call& c) {
  auto name = telegram::method(c.method).name;
  for (auto& x : settings) {
    auto key = key_of(c, x);
    std::lock_guard lock{c.b->mutex};
    auto& known = c.b->settings;
    if (name == x.set && known.size() < most_settings) {
      known[key] = c.args.text(x.parameter);
      return c.ok("true");
    }
    if (name == x.unset) {
      known.erase(key);
      return c.ok("true");
    }
    if (name != x.get)
      continue;
    auto at = known.find(key);
    std::string value{at == known.end() || at->second.empty() ? x.unknown : at->second};
    if (x.member.empty())
      return c.ok(value);
    if (value.empty() && x.member == "name")
      value = c.b->first_name;
    std::string out = "{\"" + std::string{x.member} + "\":";
    telegram::append_json_string(out, value);
    return c.ok(out + '}');
  }
  c.ok("true");
}

constexpr method_entry bot_table[]{
  {"getMe", get_me},
  {"close", [](const call& c) { c.ok("true"); }},
  {"logOut", log_out},
  {"setMyName", use_setting},
  {"getMyName", use_setting},
  {"setMyDescription", use_setting},
  {"getMyDescription", use_setting},
  {"setMyShortDescription", use_setting},
  {"getMyShortDescription", use_setting},
  {"setMyCommands", use_setting},
  {"getMyCommands", use_setting},
  {"deleteMyCommands", use_setting},
  {"setChatMenuButton", use_setting},
  {"getChatMenuButton", use_setting},
  {"setMyDefaultAdministratorRights", use_setting},
  {"getMyDefaultAdministratorRights", use_setting},
};

} // namespace

std::span<const method_entry> bot_methods() {
  return bot_table;
}

} // namespace troupe::sandbox
