#include "tests/sandbox/samples.hpp"

#include <array>

namespace troupe::sandbox {

namespace {

struct sample {
  std::string_view type;
  std::string_view json; ///< "$BOT": the bot's User object. "$CHAT": a chat. "$DATE": now.
};

/// One plausible value per result type of the method table.
constexpr auto samples = std::to_array<sample>({
  {"True", "true"},
  {"String", R"("https://t.me/+AbCdEfGhIjKlMnOp")"},
  {"Integer", "2"},
  {"Message", R"({"message_id":1,"from":$BOT,"chat":$CHAT,"date":$DATE,"text":""})"},
  {"Message|True", "true"},
  {"MessageId", R"({"message_id":1})"},
  {"Array<Message>", "[]"},
  {"Array<MessageId>", "[]"},
  {"Array<Update>", "[]"},
  {"Array<BotCommand>", "[]"},
  {"Array<ChatMember>", R"([{"status":"administrator","user":$BOT}])"},
  {"Array<GameHighScore>", "[]"},
  {"Array<Sticker>", "[]"},
  {"BotAccessSettings", R"({"is_restricted":false,"allowed_user_ids":[]})"},
  {"BotDescription", R"({"description":""})"},
  {"BotName", R"({"name":""})"},
  {"BotShortDescription", R"({"short_description":""})"},
  {"BusinessConnection",
   R"({"id":"bc1","user":$BOT,"user_chat_id":1,"date":$DATE,"is_enabled":true})"},
  {"ChatAdministratorRights",
   R"({"is_anonymous":false,"can_manage_chat":false,"can_delete_messages":false,)"
   R"("can_manage_video_chats":false,"can_restrict_members":false,"can_promote_members":false,)"
   R"("can_change_info":false,"can_invite_users":false,"can_post_stories":false,)"
   R"("can_edit_stories":false,"can_delete_stories":false})"},
  {"ChatFullInfo", "$CHAT"},
  {"ChatInviteLink", R"({"invite_link":"https://t.me/+AbCdEfGhIjKlMnOp","creator":$BOT,)"
                     R"("creates_join_request":false,"is_primary":false,"is_revoked":false})"},
  {"ChatMember", R"({"status":"member","user":$BOT})"},
  {"File", R"({"file_id":"BQACAgIAAxkBAAE","file_unique_id":"AgADBAADrwE","file_size":0})"},
  {"ForumTopic", R"({"message_thread_id":2,"name":"Topic","icon_color":7322096})"},
  {"Gifts", R"({"gifts":[]})"},
  {"MenuButton", R"({"type":"commands"})"},
  {"OwnedGifts", R"({"total_count":0,"gifts":[]})"},
  {"Poll", R"({"id":"1","question":"","options":[],"total_voter_count":0,"is_closed":true,)"
           R"("is_anonymous":true,"type":"regular","allows_multiple_answers":false})"},
  {"PreparedInlineMessage", R"({"id":"pim1","expiration_date":$DATE})"},
  {"PreparedKeyboardButton", R"({"id":"pkb1","expiration_date":$DATE})"},
  {"SentGuestMessage", R"({"inline_message_id":"AgAAAAEAAAABAAAA"})"},
  {"SentWebAppMessage", R"({"inline_message_id":"AgAAAAEAAAABAAAA"})"},
  {"StarAmount", R"({"amount":0})"},
  {"StarTransactions", R"({"transactions":[]})"},
  {"StickerSet", R"({"name":"sandbox","title":"Sandbox","sticker_type":"regular","stickers":[]})"},
  {"Story", R"({"chat":$CHAT,"id":1})"},
  {"User", "$BOT"},
  {"UserChatBoosts", R"({"boosts":[]})"},
  {"UserProfileAudios", R"({"total_count":0,"audios":[]})"},
  {"UserProfilePhotos", R"({"total_count":0,"photos":[]})"},
  {"WebhookInfo", R"({"url":"","has_custom_certificate":false,"pending_update_count":0})"},
});

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

} // namespace

void answer_sample(const call& c) {
  auto type = telegram::method(c.method).result;
  std::string result{"true"};
  for (auto& x : samples)
    if (x.type == type)
      result = x.json;
  if (result.find('$') != std::string::npos) {
    auto where = c.w.chat_of(*c.b, c.args.text("chat_id"));
    std::string shown = R"({"id":1,"first_name":"Nobody","type":"private"})";
    if (where) {
      std::lock_guard lock{where->mutex};
      shown = where->json;
    }
    replace_all(result, "$BOT", c.b->user_json);
    replace_all(result, "$DATE", std::to_string(c.w.unix_now()));
    replace_all(result, "$CHAT", shown);
  }
  c.ok(result);
}

} // namespace troupe::sandbox
