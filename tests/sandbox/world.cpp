#include "tests/sandbox/world.hpp"

#include "runtime/telegram/errors.hpp"
#include "runtime/telegram/token.hpp"
#include "tests/sandbox/parameters.hpp"
#include "tests/sandbox/webhook.hpp"

#include <random>

namespace troupe::sandbox {

namespace {

constexpr std::int64_t supergroup_offset = 1'000'000'000'000; // Ids are -100…: documented.
constexpr std::size_t most_bots = 1'000'000;
constexpr std::size_t most_unknown_chats = 100'000; // Per bot, with --accept-any-token.
constexpr std::size_t most_queries = 20'000;
constexpr std::int64_t largest_chat_id = std::int64_t{1} << 52; // Documented: 52 bits.

std::mt19937_64& random_source() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random;
}

std::int64_t random_between(std::int64_t from, std::int64_t to) {
  return std::uniform_int_distribution<std::int64_t>{from, to}(random_source());
}

std::string random_token(std::int64_t id) {
  static constexpr std::string_view letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string result = std::to_string(id) + ":AA";
  for (int i = 0; i < 33; ++i)
    result += letters[random_source()() & 63];
  return result;
}

std::shared_ptr<const user> new_user(std::int64_t id, std::string_view first_name,
                                     std::string_view username) {
  auto x = std::make_shared<user>();
  x->id = id;
  x->first_name = first_name;
  x->username = username;
  x->json = R"({"id":)" + std::to_string(id) + R"(,"is_bot":false,"first_name":)";
  telegram::append_json_string(x->json, first_name);
  if (!username.empty()) {
    x->json += R"(,"username":)";
    telegram::append_json_string(x->json, username);
  }
  x->json += R"(,"language_code":"en"})";
  x->author_member = R"(,"from":)" + x->json;
  return x;
}

} // namespace

world::world(options opts)
  : settings(std::move(opts)), windows({.enforce = settings.enforce_limits,
                                        .global_rps = settings.global_rps,
                                        .jitter_tolerance = settings.jitter_tolerance}),
    stats(settings.threads), files(settings.keep_files),
    next_user_(random_between(100'000'000, 900'000'000)),
    next_group_(random_between(1'000'000'000, 2'000'000'000)),
    next_query_(
      static_cast<std::uint64_t>(random_between(std::int64_t{1} << 58, std::int64_t{1} << 61))),
    webhooks_(std::make_unique<webhook_sender>(*this)) {
  // nop
}

world::~world() {
  reset();
}

clock::time_point world::now() const noexcept {
  return clock::now() + clock::duration{shift_.load(std::memory_order_relaxed)};
}

std::int64_t world::unix_now() const noexcept {
  auto shifted = std::chrono::system_clock::now().time_since_epoch()
                 + clock::duration{shift_.load(std::memory_order_relaxed)};
  return std::chrono::duration_cast<std::chrono::seconds>(shifted).count();
}

void world::advance(clock::duration by) {
  shift_ += by.count();
  for (auto& x : bots()) {
    std::lock_guard lock{x->mutex};
    x->updates.expire(now());
    if (x->hook)
      x->hook->kick();
  }
}

world::token_shard& world::shard_of(std::string_view token) noexcept {
  return tokens_[std::hash<std::string_view>{}(token) % tokens_.size()];
}

std::shared_ptr<bot> world::find_bot(std::string_view token) {
  auto& shard = shard_of(token);
  {
    std::shared_lock lock{shard.mutex};
    if (auto at = shard.bots.find(token); at != shard.bots.end())
      return at->second;
  }
  return settings.accept_any_token && telegram::bot_token::parse(token) ? make_bot(token, {}, {})
                                                                        : nullptr;
}

std::shared_ptr<bot> world::find_bot(std::int64_t id) {
  std::lock_guard lock{registry_};
  auto at = bots_.find(id);
  return at == bots_.end() ? nullptr : at->second;
}

std::vector<std::shared_ptr<bot>> world::bots() {
  std::lock_guard lock{registry_};
  std::vector<std::shared_ptr<bot>> result;
  result.reserve(bots_.size());
  for (auto& [id, x] : bots_)
    result.push_back(x);
  return result;
}

std::shared_ptr<bot> world::make_bot(std::string_view token, std::string_view first_name,
                                     std::string_view username) {
  std::lock_guard lock{registry_};
  std::string text{token};
  auto id = std::int64_t{0};
  if (text.empty()) {
    do
      id = random_between(1'000'000'000, 8'000'000'000);
    while (bots_.contains(id));
    text = random_token(id);
  } else if (auto parsed = telegram::bot_token::parse(text)) {
    id = parsed->id();
  }
  if (auto at = bots_.find(id); at != bots_.end())
    return at->second->token == text ? at->second : nullptr;
  if (id == 0 || bots_.size() >= most_bots)
    return nullptr;
  auto number = std::to_string(id);
  auto result =
    std::make_shared<bot>(text, id, first_name.empty() ? "Bot " + number : std::string{first_name},
                          username.empty() ? "sandbox_" + number + "_bot" : std::string{username});
  result->self = result;
  bots_.emplace(id, result);
  auto& shard = shard_of(text);
  std::unique_lock shard_lock{shard.mutex};
  shard.bots.emplace(text, result);
  return result;
}

std::shared_ptr<const user> world::find_user(std::int64_t id) {
  std::lock_guard lock{registry_};
  auto at = users_.find(id);
  return at == users_.end() ? nullptr : at->second;
}

std::shared_ptr<const user> world::make_user(std::string_view first_name, std::string_view username,
                                             std::int64_t id) {
  std::lock_guard lock{registry_};
  if (id == 0)
    id = next_user_++;
  auto& place = users_[id];
  if (!place)
    place = new_user(id, first_name, username);
  return place;
}

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
  auto id = to_integer(chat_id);
  if (!settings.accept_any_token || !id || *id == 0 || std::abs(*id) >= largest_chat_id)
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
  auto id = to_integer(chat_id);
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

std::string world::make_query(std::int64_t of_bot) {
  std::lock_guard lock{registry_};
  auto id = std::to_string(next_query_++);
  if (queries_.size() >= most_queries)
    queries_.pop_front();
  queries_.push_back({.bot = of_bot, .id = id, .made = now(), .answered = false, .answer = {}});
  return id;
}

std::optional<query_state> world::find_query(std::string_view id) {
  std::lock_guard lock{registry_};
  auto* known = query_at(id);
  return known == nullptr ? std::nullopt : std::optional{*known};
}

query_state* world::query_at(std::string_view id) {
  auto number = to_integer(id);
  if (!number || queries_.empty())
    return nullptr;
  auto index = *number - to_integer(queries_.front().id).value(); // Ids are consecutive.
  if (index < 0 || index >= static_cast<std::int64_t>(queries_.size()))
    return nullptr;
  return &queries_[static_cast<std::size_t>(index)];
}

bool world::answer_query(std::string_view id, std::int64_t of_bot, clock::duration lifetime,
                         std::string answer) {
  std::lock_guard lock{registry_};
  auto* known = query_at(id);
  if (known == nullptr || known->bot != of_bot || now() - known->made > lifetime)
    return false;
  known->answered = true;
  known->answer = std::move(answer);
  return true;
}

update_queue::counts world::update_totals() {
  update_queue::counts sum;
  for (auto& x : bots()) {
    std::lock_guard lock{x->mutex};
    x->updates.expire(now());
    auto& t = x->updates.totals();
    sum.made += t.made;
    sum.confirmed += t.confirmed;
    sum.delivered_by_webhook += t.delivered_by_webhook;
    sum.expired += t.expired;
    sum.dropped += t.dropped;
  }
  return sum;
}

void world::reset() {
  for (auto& x : bots()) {
    std::lock_guard lock{x->mutex};
    x->wake_poll(waiting_poll::wake::reset);
    if (auto hook = std::exchange(x->hook, nullptr))
      hook->close();
    x->chats.clear();
  }
  for (auto& x : tokens_) {
    std::unique_lock lock{x.mutex};
    x.bots.clear();
  }
  {
    std::lock_guard lock{registry_};
    bots_.clear();
    users_.clear();
    chats_.clear();
    names_.clear();
    queries_.clear();
  }
  faults.remove(0);
  windows.reset();
  stats.reset();
  files.clear();
  shift_ = 0;
}

} // namespace troupe::sandbox
