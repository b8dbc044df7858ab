#include "tests/sandbox/bot.hpp"

#include "runtime/telegram/errors.hpp"
#include "tests/sandbox/webhook.hpp"

#include <boost/asio/post.hpp>

namespace troupe::sandbox {

namespace {

std::string make_user(std::int64_t id, std::string_view first_name, std::string_view username) {
  std::string out = R"({"id":)" + std::to_string(id) + R"(,"is_bot":true,"first_name":)";
  telegram::append_json_string(out, first_name);
  out += R"(,"username":)";
  telegram::append_json_string(out, username);
  return out + '}';
}

std::string make_me(std::string user) {
  user.pop_back();
  return R"({"ok":true,"result":)" + user
         + R"(,"can_join_groups":true,"can_read_all_group_messages":true,)"
           R"("supports_inline_queries":true,"can_connect_to_business":false,)"
           R"("has_main_web_app":false}})";
}

} // namespace

bot::bot(std::string_view token_text, std::int64_t bot_id, std::string_view name,
         std::string_view user)
  : id(bot_id), token(token_text), first_name(name), username(user),
    user_json(make_user(bot_id, name, user)), author_member(R"(,"from":)" + user_json),
    me_answer(make_me(user_json)), allowed(default_allowed_updates()) {
  // nop
}

std::shared_ptr<chat> bot::find_chat(std::int64_t chat_id) {
  std::lock_guard lock{mutex};
  auto at = chats.find(chat_id);
  return at == chats.end() ? nullptr : at->second;
}

bool bot::add_update(std::uint8_t kind, queue_key key, std::string_view object,
                     clock::time_point now) {
  std::lock_guard lock{mutex};
  if (((allowed >> kind) & 1) == 0)
    return false;
  if (updates.add(telegram::update_kinds()[kind], key, object, now) == 0)
    return false;
  if (hook)
    hook->kick();
  else
    wake_poll(waiting_poll::wake::updates);
  return true;
}

void bot::wake_poll(waiting_poll::wake reason) {
  if (!poll)
    return;
  auto waiter = std::exchange(poll, nullptr);
  waiter->reason = reason;
  boost::asio::post(waiter->timer.get_executor(), [waiter] { waiter->timer.cancel(); });
}

std::uint64_t default_allowed_updates() noexcept {
  std::uint64_t result = 0;
  auto kinds = telegram::update_kinds();
  for (std::size_t i = 0; i < kinds.size(); ++i)
    if (kinds[i].by_default)
      result |= std::uint64_t{1} << i;
  return result;
}

} // namespace troupe::sandbox
