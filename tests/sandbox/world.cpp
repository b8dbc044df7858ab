#include "tests/sandbox/world.hpp"

#include "runtime/telegram/errors.hpp"
#include "runtime/telegram/token.hpp"
#include "tests/sandbox/parameters.hpp"
#include "tests/sandbox/webhook.hpp"

#include <random>

namespace troupe::sandbox {

namespace {

constexpr std::size_t most_bots = 1'000'000;
constexpr std::size_t most_queries = 20'000;

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
    arrivals(settings.keep_arrivals), stats(settings.threads), files(settings.keep_files),
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
  arrivals.reset();
  stats.reset();
  files.clear();
  shift_ = 0;
}

} // namespace troupe::sandbox
