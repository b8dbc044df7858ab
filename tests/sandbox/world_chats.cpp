// The world's chats: making, finding, moving them, and what users write in them.
#include "runtime/telegram/params.hpp"
#include "tests/sandbox/webhook.hpp"
#include "tests/sandbox/world.hpp"

namespace troupe::sandbox {

namespace {

constexpr std::int64_t supergroup_offset = 1'000'000'000'000;   // Ids are -100…: documented.
constexpr std::size_t most_unknown_chats = 100'000;             // Per bot, with --accept-any-token.
constexpr std::int64_t largest_chat_id = std::int64_t{1} << 52; // Documented: 52 bits.

/// The number that a chat_id is to Telegram, which reads no further than its digits.
std::optional<std::int64_t> chat_number(std::string_view chat_id) noexcept {
  auto chat = telegram::parse_chat(chat_id);
  if (!chat || std::abs(chat.key) >= largest_chat_id)
    return std::nullopt;
  return chat.key;
}

} // namespace

std::shared_ptr<chat> world::register_chat(chat_type type, std::int64_t id,
                                           const std::shared_ptr<bot>& owner) {
  auto result = std::make_shared<chat>(type, id, settings.keep_messages);
  result->bots.push_back(owner);
  chats_[id].push_back(result);
  return result;
}

std::shared_ptr<chat> world::make_chat(chat_type type, const std::shared_ptr<bot>& owner,
                                       const std::vector<std::int64_t>& users,
                                       std::string_view title, std::string_view username) {
  if (type == chat_type::personal)
    if (auto known = owner->find_chat(users.at(0)))
      return known;
  std::shared_ptr<chat> result;
  {
    std::lock_guard lock{registry_};
    std::string name{title};
    std::string handle{username};
    if (type == chat_type::personal) {
      auto& of = users_.at(users.at(0));
      result = register_chat(type, of->id, owner);
      name = of->first_name;
      handle = of->username;
    } else {
      auto number = next_group_++;
      auto id = type == chat_type::group ? -number : -(supergroup_offset + number);
      result = register_chat(type, id, owner);
      if (name.empty())
        name = std::string{to_string(type)} + " " + std::to_string(number);
      if (!handle.empty())
        names_[handle] = result;
    }
    result->rename(name, handle);
    for (auto id : users)
      result->members[id] = result->members.empty() ? "creator" : "member";
    result->members[owner->id] = type == chat_type::personal ? "member" : "administrator";
  }
  std::lock_guard lock{owner->mutex};
  owner->chats[result->id] = result;
  return result;
}

std::shared_ptr<chat> world::make_unknown_chat(bot& b, std::string_view chat_id) {
  auto id = chat_number(chat_id);
  if (!settings.accept_any_token || !id)
    return nullptr;
  {
    std::lock_guard lock{b.mutex};
    if (b.chats.size() >= most_unknown_chats)
      return nullptr;
  }
  auto owner = b.self.lock();
  if (*id > 0) {
    make_user("User " + std::to_string(*id), {}, *id);
    return make_chat(chat_type::personal, owner, {*id});
  }
  auto type = *id < -supergroup_offset ? chat_type::supergroup : chat_type::group;
  std::shared_ptr<chat> result;
  {
    std::lock_guard lock{registry_};
    auto& known = chats_[*id];
    if (known.empty()) {
      result = register_chat(type, *id, owner);
      result->rename("chat " + std::to_string(*id), {});
    } else {
      result = known.front();
    }
  }
  {
    std::lock_guard lock{result->mutex};
    if (result->members.emplace(b.id, "administrator").second && result->members.size() > 1)
      result->bots.push_back(owner);
  }
  std::lock_guard lock{b.mutex};
  return b.chats.emplace(*id, result).first->second;
}

std::shared_ptr<chat> world::chat_of(bot& b, std::string_view chat_id) {
  if (chat_id.starts_with('@')) {
    std::lock_guard lock{registry_};
    auto at = names_.find(std::string{chat_id.substr(1)});
    return at == names_.end() ? nullptr : at->second;
  }
  auto id = chat_number(chat_id);
  if (!id)
    return nullptr;
  if (auto known = b.find_chat(*id))
    return known;
  return make_unknown_chat(b, chat_id);
}

std::vector<std::shared_ptr<chat>> world::find_chats(std::int64_t id, std::int64_t of_bot) {
  std::lock_guard lock{registry_};
  auto at = chats_.find(id);
  if (at == chats_.end())
    return {};
  std::vector<std::shared_ptr<chat>> result;
  for (auto& x : at->second) {
    std::lock_guard chat_lock{x->mutex};
    for (auto& owner : x->bots)
      if (auto known = owner.lock(); known && (of_bot == 0 || known->id == of_bot)) {
        result.push_back(x);
        break;
      }
  }
  return result;
}

void world::migrate(const std::shared_ptr<chat>& group) {
  std::vector<std::shared_ptr<bot>> members;
  std::string title;
  {
    std::lock_guard lock{group->mutex};
    for (auto& x : group->bots)
      if (auto known = x.lock())
        members.push_back(known);
    title = group->title;
  }
  auto successor = make_chat(chat_type::supergroup, members.at(0), {}, title);
  {
    std::scoped_lock lock{group->mutex, successor->mutex};
    group->migrated_to = successor->id;
    successor->members = group->members;
    successor->bots = group->bots;
  }
  for (auto& x : members) {
    std::lock_guard lock{x->mutex};
    x->chats[successor->id] = successor;
  }
}

std::int64_t world::user_writes(chat& where, const user& author, message x, bool edited) {
  std::string object;
  std::vector<std::shared_ptr<bot>> readers;
  std::int64_t id = 0;
  auto channel = where.type == chat_type::channel;
  {
    std::lock_guard lock{where.mutex};
    if (edited) {
      auto* known = where.find(x.id);
      if (known == nullptr)
        return 0;
      known->content = x.content;
      known->edit_date = unix_now();
      where.render(*known, object);
      id = known->id;
    } else {
      x.date = unix_now();
      x.author = author.id;
      x.author_member = channel ? R"(,"sender_chat":)" + where.json : author.author_member;
      auto& added = where.append(std::move(x));
      where.render(added, object);
      id = added.id;
    }
    for (auto& owner : where.bots)
      if (auto known = owner.lock())
        readers.push_back(known);
  }
  auto kind = telegram::find_update_kind(channel ? (edited ? "edited_channel_post" : "channel_post")
                                                 : (edited ? "edited_message" : "message"));
  for (auto& reader : readers)
    reader->add_update(kind, {telegram::queue_key_kind::chat, where.id}, object, now());
  return id;
}

} // namespace troupe::sandbox
