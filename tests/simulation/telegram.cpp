#include "tests/simulation/telegram.hpp"

#include "tests/simulation/outside.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace troupe::simulation {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

/// Update ids: the bot's index, then a count.
constexpr std::int64_t ids_per_bot = 1'000'000;

json::object object_in(const std::string& text) {
  boost::system::error_code ec;
  auto value = json::parse(text, ec);
  return !ec && value.is_object() ? value.get_object() : json::object{};
}

std::int64_t number_in(const json::object& from, std::string_view key, std::int64_t otherwise) {
  const auto* found = from.if_contains(json::string_view{key.data(), key.size()});
  return found != nullptr && found->is_int64() ? found->get_int64() : otherwise;
}

telegram_answer ok(std::string result) {
  return {200, R"({"ok":true,"result":)" + std::move(result) + '}', 0};
}

telegram_answer refused(std::uint16_t status, const char* why) {
  return {status,
          R"({"ok":false,"error_code":)" + std::to_string(status) + R"(,"description":")" + why
            + "\"}",
          0};
}

} // namespace

telegram::telegram(outside& world) : world_(world) {
  for (const auto& x : world.what.bots) {
    bot one;
    one.how = &x;
    one.token = std::to_string(x.id) + ':' + std::string(35, 'S');
    bots.push_back(std::move(one));
  }
}

std::int64_t telegram::chat_in(const std::string& body) {
  return number_in(object_in(body), "chat_id", 0);
}

telegram::bot* telegram::by_token(const std::string& token) {
  auto found =
    std::find_if(bots.begin(), bots.end(), [&](const auto& x) { return x.token == token; });
  return found == bots.end() ? nullptr : &*found;
}

std::int64_t telegram::id_of(std::size_t bot, std::size_t update) const {
  return static_cast<std::int64_t>(bot + 1) * ids_per_bot + static_cast<std::int64_t>(update);
}

std::optional<std::pair<std::size_t, std::size_t>> telegram::find(std::int64_t id) const {
  auto bot = static_cast<std::size_t>(id / ids_per_bot) - 1;
  auto update = static_cast<std::size_t>(id % ids_per_bot);
  if (id < ids_per_bot || bot >= bots.size() || update >= bots[bot].updates.size())
    return std::nullopt;
  return std::pair{bot, update};
}

std::string telegram::body_of(std::size_t bot, std::size_t update) const {
  const auto& x = bots[bot].updates[update];
  auto chat = std::to_string(x.chat);
  auto user = R"({"id":)" + chat + R"(,"is_bot":false,"first_name":"Somebody"})";
  auto message = R"({"message_id":1,"date":1,"chat":{"id":)" + chat
                 + R"(,"type":"private"},"from":)" + user + R"(,"text":"hello"})";
  auto id = R"({"update_id":)" + std::to_string(id_of(bot, update));
  if (x.query)
    return id + R"(,"callback_query":{"id":"1","chat_instance":"1","data":"x","from":)" + user
           + R"(,"message":)" + message + "}}";
  return id + R"(,"message":)" + message + '}';
}

void telegram::ask(const std::string& token, const std::string& method, const std::string& body,
                   std::function<void(telegram_answer)> then) {
  auto* x = by_token(token);
  if (x == nullptr)
    return then(refused(401, "Unauthorized"));
  if (method == "getUpdates")
    return get_updates(*x, body, std::move(then));
  if (method == "getMe")
    return then(ok(R"({"id":)" + std::to_string(x->how->id)
                   + R"(,"is_bot":true,"first_name":"Bot","username":"bot_)"
                   + std::to_string(x->how->id) + "\"}"));
  if (method == "getWebhookInfo") {
    auto waits =
      std::count_if(x->updates.begin(), x->updates.end(), [](const fate& u) { return !u.acked; });
    return then(ok(json::serialize(json::object{{"url", x->webhook},
                                                {"has_custom_certificate", false},
                                                {"max_connections", 40},
                                                {"pending_update_count", waits}})));
  }
  if (method == "setWebhook" || method == "deleteWebhook") {
    auto all = object_in(body);
    const auto* url = all.if_contains("url");
    x->webhook = method == "setWebhook" && url != nullptr && url->is_string()
                   ? std::string{url->get_string()}
                   : std::string{};
    if (!x->webhook.empty() && x->poll)
      std::exchange(x->poll, nullptr)(refused(409, "Conflict: terminated by setWebhook request"));
    pump(static_cast<std::size_t>(x - bots.data()));
    return then(ok("true"));
  }
  then(ok(R"({"message_id":1})"));
}

void telegram::ack(bot& x, std::size_t update) {
  auto& u = x.updates[update];
  if (std::exchange(u.acked, true))
    return;
  ++accepted;
  if (world_.tell)
    world_.tell("Telegram has got rid of update " + std::to_string(update) + " of bot "
                + std::to_string(x.how->id));
  u.acked_at = world_.wall();
  world_.verdict.note(update * 31 + static_cast<std::uint64_t>(x.how->id));
}

std::string telegram::waiting(const bot& x) const {
  auto at = static_cast<std::size_t>(&x - bots.data());
  std::string list;
  std::uint32_t n = 0;
  for (std::size_t i = 0; i < x.updates.size() && n < x.poll_limit; ++i)
    if (!x.updates[i].acked)
      list += (n++ == 0 ? "" : ",") + body_of(at, i);
  return list;
}

void telegram::get_updates(bot& x, const std::string& body,
                           std::function<void(telegram_answer)> then) {
  if (!x.webhook.empty())
    return then(refused(409, "Conflict: can't use getUpdates method while webhook is active"));
  if (x.poll)
    std::exchange(x.poll,
                  nullptr)(refused(409, "Conflict: terminated by other getUpdates request"));
  auto all = object_in(body);
  auto first = id_of(static_cast<std::size_t>(&x - bots.data()), 0);
  auto below = number_in(all, "offset", 0) - first;
  for (std::int64_t i = 0; i < below && i < static_cast<std::int64_t>(x.updates.size()); ++i)
    ack(x, static_cast<std::size_t>(i));
  x.poll_limit = static_cast<std::uint32_t>(number_in(all, "limit", 100));
  x.poll = std::move(then);
  ++x.polls;
  if (!waiting(x).empty())
    return answer_poll(x);
  auto at = static_cast<std::size_t>(&x - bots.data());
  world_.later(std::chrono::seconds{number_in(all, "timeout", 0)}, [this, at, run = x.polls] {
    if (bots[at].poll && bots[at].polls == run)
      answer_poll(bots[at]);
  });
}

void telegram::answer_poll(bot& x) {
  if (x.poll)
    std::exchange(x.poll, nullptr)(ok('[' + waiting(x) + ']'));
}

void telegram::poll_lost(const std::string& token) {
  if (auto* x = by_token(token))
    x->poll = nullptr;
}

void telegram::happen(std::size_t at, std::int64_t chat, bool query) {
  auto& x = bots[at];
  fate one;
  one.chat = chat;
  one.query = query;
  one.born = world_.now;
  x.updates.push_back(one);
  answer_poll(x);
  pump(at);
}

/// One update of a chat at a time: what Telegram promises of order.
void telegram::pump(std::size_t at) {
  auto& x = bots[at];
  if (x.webhook.empty())
    return;
  std::set<std::pair<std::int64_t, bool>> begun;
  for (std::size_t i = 0; i < x.updates.size(); ++i) {
    auto& u = x.updates[i];
    if (u.acked || !begun.emplace(u.chat, u.query).second || u.posting)
      continue;
    u.posting = true;
    world_.later(world_.some(500, 20'000), [this, at, i] {
      if (!world_.post || !world_.post(at, i))
        posted(at, i, false);
    });
  }
}

void telegram::posted(std::size_t at, std::size_t update, bool accepted) {
  auto& x = bots[at];
  if (accepted)
    ack(x, update);
  // What the node took, Telegram may fail to hear, too; then it sends it again.
  auto again = accepted ? duration{0} : world_.some(1'000'000, 5'000'000);
  world_.later(again, [this, at, update] {
    bots[at].updates[update].posting = false;
    pump(at);
  });
}

} // namespace troupe::simulation
