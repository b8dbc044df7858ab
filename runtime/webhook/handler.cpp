#include "runtime/webhook/handler.hpp"

#include "messages/journal.hpp"
#include "messages/store.hpp"
#include "runtime/log/log.hpp"
#include "runtime/policy/recent_map.hpp"
#include "runtime/registry/cluster_view.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/updates/receive.hpp"
#include "runtime/webhook/abroad.hpp"
#include "runtime/webhook/desk.hpp"
#include "runtime/webhook/path.hpp"

#include <caf/send.hpp>

#include <utility>
#include <vector>

namespace troupe::webhook {
namespace {

constexpr std::string_view actor = "troupe.webhook";
constexpr std::string_view secret_header = "X-Telegram-Bot-Api-Secret-Token";

/// After how long Telegram shall try again, in seconds.
constexpr int soon = 1;        ///< A start, a restart.
constexpr int later = 5;       ///< A store in trouble.
constexpr int much_later = 15; ///< A full journal.

/// Codes of updates that were not stored, and come again. For one thread.
class codes_told {
public:
  [[nodiscard]] bool is_first(bot_id bot, std::int64_t update) {
    auto key = mix(mix(static_cast<std::uint64_t>(bot)) ^ static_cast<std::uint64_t>(update));
    bool first = !std::exchange(told_.touch(key), true);
    if (told_.size() > most)
      told_.erase_oldest();
    return first;
  }

private:
  static constexpr std::size_t most = 1024;
  recent_map<std::uint64_t, bool> told_;
};

struct context {
  context(settings how, ports to)
    : how(std::move(how)), to(std::move(to)), desks(this->how.threads), secrets(this->how.threads),
      abroad(this->how.threads), codes(this->how.threads) {}

  settings how;
  ports to;
  /// One for each thread, made and used on it.
  std::vector<std::unique_ptr<desk>> desks;
  std::vector<updates::known_secrets> secrets; ///< One for each thread.
  std::vector<bots_abroad> abroad;             ///< The same.
  std::vector<codes_told> codes;               ///< The same.

  void count(ending x) const {
    if (to.counted)
      to.counted(x);
  }
};

void fill(net::http_response& answer, int status, std::string_view text, int retry_after = 0) {
  answer.status = status;
  answer.content_type = "text/plain; charset=utf-8";
  if (retry_after > 0)
    answer.headers += "Retry-After: " + std::to_string(retry_after) + "\r\n";
  answer.body = text;
}

void accept(net::http_response& answer) {
  answer.status = 200;
  answer.content_type = "application/json";
  answer.body = "{}";
}

ending refuse(net::http_response& answer, const caf::error& why) {
  if (why == ec::journal_full) {
    fill(answer, 503, "Too many updates of this bot are waiting.\n", much_later);
    return ending::full;
  }
  bool restarting = why.category() == caf::type_id_v<caf::sec>;
  fill(answer, 503, "The update cannot be stored now.\n", restarting ? soon : later);
  return ending::unavailable;
}

/// Whether a bot that is not served here may be another node's, or be on its way.
bool may_be_abroad(const context& ctx, bot_id bot) {
  const auto& view = ctx.to.found->cluster;
  return view && ctx.to.store && !(view->owns(bot) && view->is_ready(shard_of(bot)));
}

ending removed(net::http_response& answer) {
  fill(answer, 410, "This bot was removed.\n"); // Telegram forgets the webhook after a day.
  return ending::unknown_bot;
}

/// What can be said without the journal. @returns how it ended; nothing when the update is for it
std::optional<ending> check(context& ctx, const net::http_request& from, net::http_response& answer,
                            bot_id& bot) {
  auto id = bot_in(from.path(), ctx.how.path);
  if (!id) {
    fill(answer, 404, "There is nothing here.\n");
    return ending::not_found;
  }
  if (from.method != "POST") {
    answer.headers = "Allow: POST\r\n";
    fill(answer, 405, "Updates are POSTed.\n");
    return ending::not_found;
  }
  bot = *id;
  if (ctx.to.source && !ctx.to.source(from)) {
    fill(answer, 403, "Forbidden.\n");
    return ending::wrong_source;
  }
  // Before anything is looked up: who does not know the secret learns nothing of the bot.
  auto secret = from.header(secret_header);
  if (!ctx.secrets[from.thread].fits(*ctx.to.secret, bot, secret)) {
    fill(answer, 403, "Forbidden.\n");
    return ending::wrong_secret;
  }
  if (ctx.to.draining && ctx.to.draining()) {
    fill(answer, 503, "The node is about to stop.\n", soon);
    return ending::draining;
  }
  auto& book = ctx.to.found->updates->book;
  if (!book.find(bot) && !may_be_abroad(ctx, bot) && !book.find(bot)) { // It may just have come.
    if (!ctx.to.names->complete()) { // It may be one of those that are still to come.
      fill(answer, 503, "The node starts.\n", soon);
      return ending::unavailable;
    }
    return removed(answer);
  }
  return std::nullopt;
}

/// Whoever sent "/start CODE" to a bot whose owner is not proven may be that owner.
void tell_code(const context& ctx, bot_id bot, const updates::received_update& x) {
  auto known = ctx.to.names->find(bot);
  if (!known || known->phase != bot_phase::pending)
    return;
  if (auto webhooks = ctx.to.found->updates->webhooks.get())
    caf::anon_send(webhooks, code_received{bot, x.sender, x.chat, x.code});
}

/// Nothing: it is no update of Telegram's, which would send it again and again.
std::optional<updates::received_update> read(bot_id bot, std::string_view body, std::int64_t now) {
  if (auto what = updates::receive(body, now))
    return what;
  auto found = updates::rescue(body, now);
  bool kept = found.repaired || found.id != 0;
  log::event(log::level::warning,
             found.repaired ? "update.repaired"
             : kept         ? "update.unreadable"
                            : "update.malformed",
             actor, {{"bot", bot}, {"bytes", static_cast<std::int64_t>(body.size())}},
             found.repaired ? "An update's broken text was replaced by U+FFFD."
             : kept         ? "What Telegram sent is no update; it is kept as a dead letter."
                            : "What came with a bot's secret is no update.");
  if (!kept)
    return std::nullopt;
  return std::move(found.what);
}

/// The same for a bot of another node's.
void tell_code_abroad(const context& ctx, desk& at, bot_id bot, const updates::received_update& x) {
  if (auto owner = ctx.to.found->cluster->desk_of(bot))
    at.tell(owner, caf::make_message(peer_request{
                     peer_part::webhooks,
                     caf::make_message(code_received{bot, x.sender, x.chat, x.code})}));
}

/// Whether a bot that is not served here is registered. @returns how the request ended, if it did
net::task<std::optional<ending>> look_abroad(std::shared_ptr<context> ctx, desk& at,
                                             bots_abroad& lately, bot_id bot,
                                             net::http_response& answer) {
  if (lately.find(bot, std::chrono::steady_clock::now()))
    co_return std::nullopt;
  auto store = ctx->to.store();
  if (!store)
    co_return refuse(answer, caf::make_error(caf::sec::request_receiver_down));
  bot_lookup what;
  what.ids.push_back(bot);
  auto found = co_await at.look_up(store, std::move(what), ctx->how.journal_timeout);
  if (!found)
    co_return refuse(answer, found.error());
  if (found->bots.empty()) {
    lately.erase(bot);
    co_return removed(answer);
  }
  bool pending = found->bots.front().phase == bot_phase::pending;
  lately.put(bot, pending, std::chrono::steady_clock::now());
  co_return std::nullopt;
}

net::task<void> store(std::shared_ptr<context> ctx, desk& at, std::size_t thread, bot_id bot,
                      updates::received_update what, net::http_response& answer) {
  auto& lately = ctx->abroad[thread];
  auto& codes = ctx->codes[thread];
  auto id = what.update.id;
  bool abroad = ctx->to.found->updates->book.find(bot) == nullptr;
  if (abroad) {
    auto ended = co_await look_abroad(ctx, at, lately, bot, answer);
    if (ended) {
      ctx->count(*ended);
      co_return;
    }
  }
  auto journal = ctx->to.found->updates->journal.get();
  if (!journal) {
    ctx->count(refuse(answer, caf::make_error(caf::sec::request_receiver_down)));
    co_return;
  }
  update_append append;
  append.bot = bot;
  append.updates.push_back(std::move(what.update));
  auto said = co_await at.append(journal, std::move(append), ctx->how.journal_timeout);
  if (!said) {
    // Nobody takes what waits for a bot before its owner is proven: the proof cannot wait for that.
    if (said.error() == ec::journal_full && !abroad && !what.code.empty()
        && codes.is_first(bot, id))
      tell_code(*ctx, bot, what);
    bool gone = abroad && said.error() == store_refusal::not_found;
    ctx->count(gone ? removed(answer) : refuse(answer, said.error()));
    co_return;
  }
  accept(answer);
  ctx->count(said->stored > 0 ? ending::stored : ending::duplicate);
  if (what.code.empty() || said->stored == 0)
    co_return;
  if (!abroad)
    tell_code(*ctx, bot, what);
  else if (auto known = lately.find(bot, std::chrono::steady_clock::now()); known && known->pending)
    tell_code_abroad(*ctx, at, bot, what);
}

void configure(net::http_server_config& server, const settings& how) {
  server.threads = how.threads;
  server.body_limit = how.max_body;
  server.head_limit = 16 * 1024;
  server.refuse = [](int status, net::http_response& answer) {
    fill(answer, status, "This request cannot be served.\n");
  };
}

} // namespace

net::http_handler make_handler(net::http_server_config& server, settings how, ports to) {
  auto ctx = std::make_shared<context>(std::move(how), std::move(to));
  configure(server, ctx->how);
  server.refuse_early = [ctx](const net::http_request& from, net::http_response& answer) {
    bot_id bot = 0;
    auto ended = check(*ctx, from, answer, bot);
    if (ended)
      ctx->count(*ended);
    return ended.has_value();
  };
  return [ctx](const net::http_request& from, net::http_response& answer) -> net::http_pending {
    bot_id bot = 0;
    if (auto ended = check(*ctx, from, answer, bot)) {
      ctx->count(*ended);
      return std::nullopt;
    }
    auto what = read(bot, from.body, ctx->to.found->updates->wall());
    if (!what) {
      ctx->count(ending::malformed);
      fill(answer, 400, "This is no update.\n");
      return std::nullopt;
    }
    auto& at = ctx->desks[from.thread];
    if (!at)
      at = std::make_unique<desk>(*ctx->to.system, *from.io);
    return store(ctx, *at, from.thread, bot, std::move(*what), answer);
  };
}

} // namespace troupe::webhook
