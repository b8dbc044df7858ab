#include "runtime/api/inquiry.hpp"
#include "runtime/api/routes/scope.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/api/rows.hpp"
#include "runtime/registry/event_hub.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/serialize.hpp>

#include <random>

// A bot's events, as they happen: server-sent events.
namespace troupe::api {
namespace {

namespace asio = boost::asio;
using timer_type =
  asio::basic_waitable_timer<std::chrono::steady_clock,
                             asio::wait_traits<std::chrono::steady_clock>, net::http_executor>;

/// So that proxies and clients do not take silence for a broken connection.
constexpr std::chrono::seconds longest_silence{15};

/// Before another node is asked again that did not answer, or whoever has the bot then.
constexpr std::chrono::seconds look_again{1};

/// What may end a client's watching is looked at no more often than this.
constexpr std::chrono::seconds look_at_rights{1};

/// One client that watches. On its connection's thread, but for the watcher.
struct watching {
  watching(std::shared_ptr<context> ctx, const bot_row& row, net::http_executor io)
    : ctx(std::move(ctx)), bot(row.id), registered(row.created), io(io), alarm(io) {}
  std::shared_ptr<context> ctx;
  bot_id bot;
  wall_ms registered; ///< The same number may be another owner's bot later.
  std::string key;    ///< By which it watches. A secret.
  std::chrono::steady_clock::time_point looked{};
  bool removed = false;
  net::http_executor io;
  timer_type alarm;
  std::shared_ptr<event_hub::watcher> watcher;
  std::string first;     ///< What the client sees before anything else; empty: it has.
  std::uint64_t far = 0; ///< By which another node knows it.
  bool doubtful = false; ///< Another node may have told something that did not arrive.
};

/// What comes behind a bot's removal is somebody else's.
template <class Event>
bool is_removal(const Event& x) {
  return std::string_view{x.type} == "phase"
         && std::string_view{x.data}.find(R"("order":"remove")") != std::string_view::npos;
}

template <class Event>
void append(std::string& out, watching& who, const std::vector<Event>& events,
            std::uint64_t missed) {
  bool doubtful = std::exchange(who.doubtful, false) || missed == event_hub::unknown;
  if (doubtful) // Nobody knows how many.
    out += "event: missed\ndata: {\"events\":null}\n\n";
  if (missed > 0 && missed != event_hub::unknown)
    out += "event: missed\ndata: {\"events\":" + std::to_string(missed) + "}\n\n";
  for (const auto& x : events) {
    out += "id: " + std::to_string(x.number) + "\nevent: ";
    out += x.type;
    out += "\ndata: {\"at\":" + boost::json::serialize(shown_time(x.at))
           + ",\"bot\":" + std::to_string(who.bot) + ",\"type\":\"";
    out += x.type;
    out += "\",\"data\":" + x.data + "}\n\n";
    if (is_removal(x)) {
      who.removed = true;
      return;
    }
  }
}

/// Waits for so long, or until it is woken. @returns false when the client went away
net::http_task<bool> rest(watching& who, std::chrono::seconds time) {
  who.alarm.expires_after(time);
  boost::system::error_code woken;
  co_await who.alarm.async_wait(asio::redirect_error(net::use_http_task, woken));
  auto cancelled = co_await asio::this_coro::cancellation_state;
  co_return cancelled.cancelled() == asio::cancellation_type::none;
}

net::http_task<bool> next_here(watching& who, std::string& out) {
  std::uint64_t missed = 0;
  auto events = who.watcher->take(missed);
  if (events.empty() && missed == 0) {
    auto stays = co_await rest(who, longest_silence);
    if (!stays)
      co_return false;
    events = who.watcher->take(missed);
  }
  append(out, who, events, missed);
  co_return true;
}

/// The node that has the bot is asked what happened to it, again and again. From the first time on
/// it keeps what happens. @returns whether it answered
net::http_task<bool> ask_abroad(watching& who, const caf::actor& desk,
                                std::chrono::seconds patience, std::string& out) {
  events_take what{who.far, who.bot, patience};
  auto& p = who.ctx->p;
  auto asked = ask<events_said>(*p.system, who.io, caf::actor_cast<caf::strong_actor_ptr>(desk),
                                peer_request{peer_part::api, caf::make_message(what)},
                                patience + p.answer_timeout);
  co_await asked.ready();
  auto said = asked.take();
  if (!said) {
    // What refuses has told nothing. An answer that is late, or was lost with its node, may have.
    if (said.error() != ec::draining)
      who.doubtful = true;
    co_return false;
  }
  append(out, who, said->events, said->missed);
  co_return true;
}

net::http_task<bool> next_abroad(watching& who, const caf::actor& desk, std::string& out) {
  auto answered = co_await ask_abroad(who, desk, longest_silence, out);
  if (answered)
    co_return true;
  auto stays = co_await rest(who, look_again);
  co_return stays;
}

/// Whether what was found out means that a key is valid no more. Not of a store that is away.
bool ends_watching(const caf::error& why) {
  return why.category() == caf::type_id_v<store_refusal> && why != store_refusal::unavailable
         && why != store_refusal::outcome_unknown && why != store_refusal::disk_full;
}

/// Whether the key is still valid, and the bot still the one that it was.
net::http_task<bool> may_watch(watching& who) {
  auto now = std::chrono::steady_clock::now();
  if (!who.ctx->p.store || now - who.looked < look_at_rights)
    co_return true;
  who.looked = now;
  authenticate what{{who.key}};
  auto asked = who.ctx->ask_store<identity>(who.io, std::move(what));
  co_await asked.ready();
  auto holder = asked.take();
  if (!holder)
    co_return !ends_watching(holder.error());
  bot_lookup lookup{holder->key.tenant, {who.bot}};
  auto seen = who.ctx->ask_store<bot_batch>(who.io, std::move(lookup));
  co_await seen.ready();
  auto found = seen.take();
  co_return !found || (!found->bots.empty() && found->bots.front().created == who.registered);
}

net::http_task<bool> next(std::shared_ptr<watching> who, std::string& out) {
  if (who->removed)
    co_return false;
  if (!who->first.empty()) {
    out += std::exchange(who->first, {});
    co_return true;
  }
  // A bot may come here, or go, while it is watched.
  auto desk = who->ctx->abroad(who->bot);
  bool stays = false;
  if (desk)
    stays = co_await next_abroad(*who, *desk, out);
  else
    stays = co_await next_here(*who, out);
  bool may = who->removed;
  if (stays && !may)
    may = co_await may_watch(*who);
  if (!may)
    out.clear();
  if (stays && may && out.empty())
    out += ": nothing\n\n";
  bool goes_on = stays && may;
  co_return goes_on;
}

task show_events(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  if (!ctx.p.events)
    throw refused{api_error::no_store};
  auto io = from.what.io;
  auto who = std::make_shared<watching>(ctx.shared_from_this(), bot, io);
  if (ctx.p.store)
    who->key = bearer_key(from.what.header("Authorization"));
  if (ctx.p.cluster)
    who->far = std::random_device{}() | std::uint64_t{std::random_device{}()} << 32;
  // Posted: what waits is on the connection's thread.
  auto wake = [io, weak = std::weak_ptr{who}] {
    asio::post(io, [weak] {
      if (auto still = weak.lock())
        still->alarm.cancel();
    });
  };
  who->watcher = ctx.p.events->watch(bot.id, std::move(wake));
  who->first = ": events of bot " + std::to_string(bot.id) + "\n\n";
  // Whoever sees that he is answered misses nothing from then on, wherever the bot is.
  if (auto desk = ctx.abroad(bot.id))
    (void)co_await ask_abroad(*who, *desk, std::chrono::seconds{0}, who->first);
  response answer;
  answer.content_type = "text/event-stream";
  answer.stream = [who](std::string& out) { return next(who, out); };
  co_return answer;
}

constexpr route event_table[] = {
  {"GET",
   "/v1/bots/{id}/events",
   "watchBot",
   "What happens to the bot, as it happens: server-sent events, until the client leaves, its key "
   "is valid no more or the bot is removed.",
   access::viewer,
   show_events,
   200,
   {},
   body_use::none,
   {},
   "text/event-stream"},
};

} // namespace

std::span<const route> event_routes() {
  return event_table;
}

} // namespace troupe::api
