#include "runtime/telegram/updates.hpp"

#include <array>

namespace troupe::telegram {

namespace {

using namespace std::chrono_literals;
using enum queue_key_kind;

constexpr auto day = std::chrono::seconds{24h};

constexpr auto table = std::to_array<update_kind>({
  {"message", chat, "chat.id", day},
  {"edited_message", chat, "chat.id", day},
  {"channel_post", chat, "chat.id", day},
  {"edited_channel_post", chat, "chat.id", day},
  {"business_connection", user, "user.id", day},
  {"business_message", chat, "chat.id", day},
  {"edited_business_message", chat, "chat.id", day},
  {"deleted_business_messages", chat, "chat.id", day},
  {"guest_message", chat, "chat.id", day},
  {"stopped_message_generation", chat, "chat.id", day},
  {"message_reaction", chat, "chat.id", day, false},
  {"message_reaction_count", chat, "chat.id", day, false},
  {"inline_query", user, "from.id", 30s},
  {"chosen_inline_result", user, "from.id", 600s},
  {"callback_query", user, "from.id", 150s},
  {"shipping_query", user, "from.id", 150s},
  {"pre_checkout_query", user, "from.id", 150s},
  {"purchased_paid_media", user, "from.id", day},
  {"poll", poll, "id", day},
  {"poll_answer", poll, "poll_id", day},
  {"my_chat_member", chat, "chat.id", day},
  {"chat_member", user, "new_chat_member.user.id", day, false},
  {"chat_join_request", user, "from.id", day},
  {"chat_boost", chat, "chat.id", day},
  {"removed_chat_boost", chat, "chat.id", day},
  {"managed_bot", user, "user.id", day},
  {"subscription", user, "user.id", day},
});

} // namespace

std::span<const update_kind> update_kinds() noexcept {
  return table;
}

std::uint8_t find_update_kind(std::string_view name) noexcept {
  for (std::size_t i = 0; i < table.size(); ++i)
    if (table[i].name == name)
      return static_cast<std::uint8_t>(i);
  return unknown_update_kind;
}

} // namespace troupe::telegram
