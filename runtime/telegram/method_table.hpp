#pragma once
#include "runtime/telegram/methods.hpp"

#include <array>

/// The table behind methods.hpp, for those who need it at compile time.
/// Source: core.telegram.org/bots/api, the methods of 2026; whether a repeat does harm is our
/// judgement, method by method: see `method_trait`.
namespace troupe::telegram {

namespace method_table_details {
using enum method_trait;

inline constexpr method_info table[] = {
  {"", none, ""},
  // Updates and the bot itself.
  {"getUpdates", idempotent | long_poll | delivery, "Array<Update>"},
  {"setWebhook", idempotent | delivery, "True"},
  {"deleteWebhook", idempotent | delivery, "True"},
  {"getWebhookInfo", read | delivery, "WebhookInfo"},
  {"getMe", read, "User"},
  {"logOut", local, "True"},
  {"close", local, "True"},
  // Messages.
  {"sendMessage", produces_message, "Message"},
  {"sendRichMessage", produces_message, "Message"},
  {"forwardMessage", produces_message, "Message"},
  {"forwardMessages", produces_message, "Array<MessageId>"},
  {"copyMessage", produces_message, "MessageId"},
  {"copyMessages", produces_message, "Array<MessageId>"},
  {"sendPhoto", produces_message, "Message"},
  {"sendLivePhoto", produces_message, "Message"},
  {"sendAudio", produces_message, "Message"},
  {"sendDocument", produces_message, "Message"},
  {"sendVideo", produces_message, "Message"},
  {"sendAnimation", produces_message, "Message"},
  {"sendVoice", produces_message, "Message"},
  {"sendVideoNote", produces_message, "Message"},
  {"sendPaidMedia", produces_message, "Message"},
  {"sendMediaGroup", produces_message, "Array<Message>"},
  {"sendLocation", produces_message, "Message"},
  {"editMessageLiveLocation", idempotent, "Message|True"},
  {"stopMessageLiveLocation", idempotent, "Message|True"},
  {"sendVenue", produces_message, "Message"},
  {"sendContact", produces_message, "Message"},
  {"sendPoll", produces_message, "Message"},
  {"sendChecklist", produces_message, "Message"},
  {"editMessageChecklist", idempotent, "Message"},
  {"sendDice", produces_message, "Message"},
  // Drafts, actions, reactions: no message appears.
  {"sendMessageDraft", idempotent, "True"},
  {"sendRichMessageDraft", idempotent, "True"},
  {"sendChatAction", idempotent, "True"},
  {"setMessageReaction", idempotent, "True"},
  // Users and files.
  {"getUserProfilePhotos", read, "UserProfilePhotos"},
  {"getUserProfileAudios", read, "UserProfileAudios"},
  {"setUserEmojiStatus", idempotent, "True"},
  {"getFile", read, "File"},
  // Members of chats.
  {"banChatMember", idempotent, "True"},
  {"unbanChatMember", idempotent, "True"},
  {"restrictChatMember", idempotent, "True"},
  {"promoteChatMember", idempotent, "True"},
  {"setChatAdministratorCustomTitle", idempotent, "True"},
  {"setChatMemberTag", idempotent, "True"},
  {"banChatSenderChat", idempotent, "True"},
  {"unbanChatSenderChat", idempotent, "True"},
  {"setChatPermissions", idempotent, "True"},
  // Invite links. Creating or exporting one makes a new one every time.
  {"exportChatInviteLink", none, "String"},
  {"createChatInviteLink", none, "ChatInviteLink"},
  {"editChatInviteLink", idempotent, "ChatInviteLink"},
  {"createChatSubscriptionInviteLink", none, "ChatInviteLink"},
  {"editChatSubscriptionInviteLink", idempotent, "ChatInviteLink"},
  {"revokeChatInviteLink", idempotent, "ChatInviteLink"},
  {"approveChatJoinRequest", idempotent, "True"},
  {"declineChatJoinRequest", idempotent, "True"},
  {"answerChatJoinRequestQuery", idempotent, "True"},
  {"sendChatJoinRequestWebApp", none, "True"},
  {"approveSuggestedPost", idempotent, "True"},
  {"declineSuggestedPost", idempotent, "True"},
  // Chats. A photo set twice leaves two service messages.
  {"setChatPhoto", none, "True"},
  {"deleteChatPhoto", idempotent, "True"},
  {"setChatTitle", idempotent, "True"},
  {"setChatDescription", idempotent, "True"},
  {"pinChatMessage", idempotent, "True"},
  {"unpinChatMessage", none, "True"}, // Without a message_id each call unpins another one.
  {"unpinAllChatMessages", idempotent, "True"},
  {"leaveChat", idempotent, "True"},
  {"getChat", read, "ChatFullInfo"},
  {"getChatAdministrators", read, "Array<ChatMember>"},
  {"getChatMemberCount", read, "Integer"},
  {"getChatMember", read, "ChatMember"},
  {"getUserPersonalChatMessages", read, "Array<Message>"},
  {"setChatStickerSet", idempotent, "True"},
  {"deleteChatStickerSet", idempotent, "True"},
  // Forum topics.
  {"getForumTopicIconStickers", read, "Array<Sticker>"},
  {"createForumTopic", none, "ForumTopic"},
  {"editForumTopic", idempotent, "True"},
  {"closeForumTopic", idempotent, "True"},
  {"reopenForumTopic", idempotent, "True"},
  {"deleteForumTopic", idempotent, "True"},
  {"unpinAllForumTopicMessages", idempotent, "True"},
  {"editGeneralForumTopic", idempotent, "True"},
  {"closeGeneralForumTopic", idempotent, "True"},
  {"reopenGeneralForumTopic", idempotent, "True"},
  {"hideGeneralForumTopic", idempotent, "True"},
  {"unhideGeneralForumTopic", idempotent, "True"},
  {"unpinAllGeneralForumTopicMessages", idempotent, "True"},
  // Answers to queries: one per query id, a second is refused.
  {"answerCallbackQuery", idempotent, "True"},
  {"answerGuestQuery", idempotent, "SentGuestMessage"},
  // Reads of boosts, gifts and connections; managed bots. Replacing a token revokes the last one.
  {"getUserChatBoosts", read, "UserChatBoosts"},
  {"getUserGifts", read, "OwnedGifts"},
  {"getChatGifts", read, "OwnedGifts"},
  {"getBusinessConnection", read, "BusinessConnection"},
  {"getManagedBotToken", read, "String"},
  {"replaceManagedBotToken", none, "String"},
  {"getManagedBotAccessSettings", read, "BotAccessSettings"},
  {"setManagedBotAccessSettings", idempotent, "True"},
  // How the bot presents itself.
  {"setMyCommands", idempotent, "True"},
  {"deleteMyCommands", idempotent, "True"},
  {"getMyCommands", read, "Array<BotCommand>"},
  {"setMyName", idempotent, "True"},
  {"getMyName", read, "BotName"},
  {"setMyDescription", idempotent, "True"},
  {"getMyDescription", read, "BotDescription"},
  {"setMyShortDescription", idempotent, "True"},
  {"getMyShortDescription", read, "BotShortDescription"},
  {"setMyProfilePhoto", none, "True"},
  {"removeMyProfilePhoto", none, "True"}, // The photo before it becomes the current one.
  {"setChatMenuButton", idempotent, "True"},
  {"getChatMenuButton", read, "MenuButton"},
  {"setMyDefaultAdministratorRights", idempotent, "True"},
  {"getMyDefaultAdministratorRights", read, "ChatAdministratorRights"},
  {"getMyStarBalance", read, "StarAmount"},
  // Edits and deletions: the state is the same after the second.
  {"editMessageText", idempotent, "Message|True"},
  {"editMessageCaption", idempotent, "Message|True"},
  {"editMessageMedia", idempotent, "Message|True"},
  {"editMessageReplyMarkup", idempotent, "Message|True"},
  {"stopPoll", idempotent, "Poll"},
  {"editEphemeralMessageText", idempotent, "True"},
  {"editEphemeralMessageMedia", idempotent, "True"},
  {"editEphemeralMessageCaption", idempotent, "True"},
  {"editEphemeralMessageReplyMarkup", idempotent, "True"},
  {"deleteMessage", idempotent, "True"},
  {"deleteMessages", idempotent, "True"},
  {"deleteEphemeralMessage", idempotent, "True"},
  {"deleteMessageReaction", idempotent, "True"},
  {"deleteAllMessageReactions", idempotent, "True"},
  {"deleteBusinessMessages", idempotent, "True"},
  // Business accounts. Money moves: never repeat.
  {"setBusinessAccountName", idempotent, "True"},
  {"setBusinessAccountUsername", idempotent, "True"},
  {"setBusinessAccountBio", idempotent, "True"},
  {"setBusinessAccountProfilePhoto", none, "True"},
  {"removeBusinessAccountProfilePhoto", none, "True"}, // Likewise.
  {"setBusinessAccountGiftSettings", idempotent, "True"},
  {"getBusinessAccountStarBalance", read, "StarAmount"},
  {"transferBusinessAccountStars", none, "True"},
  {"getBusinessAccountGifts", read, "OwnedGifts"},
  {"convertGiftToStars", none, "True"},
  {"upgradeGift", none, "True"},
  {"transferGift", none, "True"},
  // Stories.
  {"postStory", none, "Story"},
  {"repostStory", none, "Story"},
  {"editStory", idempotent, "Story"},
  {"deleteStory", idempotent, "True"},
  // Stickers.
  {"sendSticker", produces_message, "Message"},
  {"getStickerSet", read, "StickerSet"},
  {"getCustomEmojiStickers", read, "Array<Sticker>"},
  {"uploadStickerFile", idempotent, "File"},
  {"createNewStickerSet", idempotent, "True"},
  {"addStickerToSet", none, "True"},
  {"setStickerPositionInSet", idempotent, "True"},
  {"deleteStickerFromSet", idempotent, "True"},
  {"replaceStickerInSet", idempotent, "True"},
  {"setStickerEmojiList", idempotent, "True"},
  {"setStickerKeywords", idempotent, "True"},
  {"setStickerMaskPosition", idempotent, "True"},
  {"setStickerSetTitle", idempotent, "True"},
  {"deleteStickerSet", idempotent, "True"},
  {"setStickerSetThumbnail", idempotent, "True"},
  {"setCustomEmojiStickerSetThumbnail", idempotent, "True"},
  // Gifts. Money moves: never repeat.
  {"getAvailableGifts", read, "Gifts"},
  {"sendGift", none, "True"},
  {"giftPremiumSubscription", none, "True"},
  // Inline mode.
  {"answerInlineQuery", idempotent, "True"},
  {"answerWebAppQuery", idempotent, "SentWebAppMessage"},
  {"savePreparedInlineMessage", none, "PreparedInlineMessage"},
  {"savePreparedKeyboardButton", none, "PreparedKeyboardButton"},
  // Payments. Money moves: never repeat a refund.
  {"sendInvoice", produces_message, "Message"},
  {"createInvoiceLink", none, "String"},
  {"answerShippingQuery", idempotent, "True"},
  {"answerPreCheckoutQuery", idempotent, "True"},
  {"getStarTransactions", read, "StarTransactions"},
  {"refundStarPayment", none, "True"},
  {"editUserStarSubscription", idempotent, "True"},
  // Verification.
  {"verifyUser", idempotent, "True"},
  {"verifyChat", idempotent, "True"},
  {"removeUserVerification", idempotent, "True"},
  {"removeChatVerification", idempotent, "True"},
  // The rest.
  {"readBusinessMessage", idempotent, "True"},
  {"setPassportDataErrors", idempotent, "True"},
  // Games.
  {"sendGame", produces_message, "Message"},
  {"setGameScore", idempotent, "Message|True"},
  {"getGameHighScores", read, "Array<GameHighScore>"},
};
} // namespace method_table_details

inline constexpr std::span<const method_info> method_table{method_table_details::table};

/// An old name that the official server still takes.
struct method_alias {
  std::string_view alias;
  std::string_view name;
};
inline constexpr std::array<method_alias, 3> method_aliases{{
  {"kickChatMember", "banChatMember"},
  {"getChatMembersCount", "getChatMemberCount"},
  {"setStickerSetThumb", "setStickerSetThumbnail"},
}};

/// The index of a method by its canonical name, at compile time.
consteval std::uint16_t method_index(std::string_view name) {
  for (std::size_t i = 1; i < method_table.size(); ++i)
    if (method_table[i].name == name)
      return static_cast<std::uint16_t>(i);
  throw "no such method";
}

} // namespace troupe::telegram
