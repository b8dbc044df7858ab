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

// A bot's events, as they happen: server-sent events.
namespace troupe::api {
namespace {

namespace asio = boost::asio;
using timer_type
  = asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, net::http_executor>;

/// So that proxies and clients do not take silence for a broken connection.
constexpr std::chrono::seconds longest_silence{15};

/// One client that watches. On its connection's thread, but for the watcher.
struct watching {
  watching(bot_id bot, net::http_executor io) : bot(bot), alarm(io) {}
  bot_id bot;
  timer_type alarm;
  std::shared_ptr<event_hub::watcher> watcher;
  bool begun = false;
};

void append(std::string& out, const watching& who, const std::vector<bot_event>& events,
            std::uint64_t missed) {
  if (missed > 0)
    out += "event: missed\ndata: {\"events\":" + std::to_string(missed) + "}\n\n";
  for (const auto& x : events) {
    out += "id: " + std::to_string(x.number) + "\nevent: ";
    out += x.type;
    out += "\ndata: {\"at\":" + boost::json::serialize(shown_time(x.at)) + ",\"bot\":"
           + std::to_string(who.bot) + ",\"type\":\"";
    out += x.type;
    out += "\",\"data\":" + x.data + "}\n\n";
  }
}

net::http_task<bool> next(std::shared_ptr<watching> who, std::string& out) {
  if (!std::exchange(who->begun, true)) {
    out += ": events of bot " + std::to_string(who->bot) + "\n\n";
    co_return true;
  }
  std::uint64_t missed = 0;
  auto events = who->watcher->take(missed);
  if (events.empty() && missed == 0) {
    who->alarm.expires_after(longest_silence);
    boost::system::error_code woken;
    co_await who->alarm.async_wait(asio::redirect_error(net::use_http_task, woken));
    auto cancelled = co_await asio::this_coro::cancellation_state;
    if (cancelled.cancelled() != asio::cancellation_type::none)
      co_return false;
    events = who->watcher->take(missed);
  }
  append(out, *who, events, missed);
  if (out.empty())
    out += ": nothing\n\n";
  co_return true;
}

task show_events(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  if (!ctx.p.events)
    throw refused{api_error::no_store};
  auto io = from.what.io;
  auto who = std::make_shared<watching>(bot.id, io);
  // Posted: what waits is on the connection's thread.
  auto wake = [io, weak = std::weak_ptr{who}] {
    asio::post(io, [weak] {
      if (auto still = weak.lock())
        still->alarm.cancel();
    });
  };
  who->watcher = ctx.p.events->watch(bot.id, std::move(wake));
  response answer;
  answer.content_type = "text/event-stream";
  answer.stream = [who](std::string& out) { return next(who, out); };
  co_return answer;
}

constexpr route event_table[] = {
  {"GET",
   "/v1/bots/{id}/events",
   "watchBot",
   "What happens to the bot, as it happens: server-sent events, until the client leaves.",
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
