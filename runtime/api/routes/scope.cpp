#include "runtime/api/routes/scope.hpp"

#include "messages/call.hpp"

#include <boost/asio/basic_waitable_timer.hpp>

#include <chrono>

namespace troupe::api {
namespace {

using namespace std::chrono_literals;
using pause_timer =
  boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                    boost::asio::wait_traits<std::chrono::steady_clock>,
                                    net::http_executor>;

constexpr std::size_t ids_in_a_chunk = 1000;
constexpr int attempts = 4;
constexpr std::chrono::milliseconds first_pause{50};

/// Nothing was lost and asking again may help: reading twice does no harm.
bool passes(const caf::error& why) {
  return is_silence(why) || why == store_refusal::unavailable;
}

net::http_task<bot_batch> find_chunk(context& ctx, const inquiry& from, bot_lookup what) {
  for (int attempt = 1;; ++attempt) {
    auto asked = ctx.ask_store<bot_batch>(from.what.io, what);
    auto found = co_await asked.answer();
    if (found)
      co_return std::move(*found);
    if (attempt == attempts || !passes(found.error()))
      throw refused_with(found.error(), text_of(ec::unknown_bot));
    pause_timer pause{from.what.io, first_pause * (1 << attempt)};
    co_await pause.async_wait(net::use_http_task);
  }
}

} // namespace

net::http_task<tenant_row> find_tenant(context& ctx, const inquiry& from, tenant_id id) {
  tenant_query what;
  what.id = id;
  what.limit = 1;
  auto asked = ctx.ask_store<page<tenant_row>>(from.what.io, std::move(what));
  auto& nobody = text_of(api_error::unknown_tenant);
  auto found = co_await answer_to(asked, nobody);
  if (found.rows.empty())
    throw refused{nobody};
  co_return std::move(found.rows.front());
}

net::http_task<tenant_row> tenant_of_path(context& ctx, const inquiry& from) {
  auto& nobody = text_of(api_error::unknown_tenant);
  auto id = from.id("tenant", nobody);
  auto own = static_cast<std::int64_t>(from.tenant());
  if (id > UINT32_MAX || (!from.who.is_operator() && id != own))
    throw refused{nobody};
  auto found = co_await find_tenant(ctx, from, static_cast<tenant_id>(id));
  co_return found;
}

net::http_task<bot_row> find_bot(context& ctx, const inquiry& from, bot_id id) {
  bot_lookup what;
  what.tenant = from.tenant();
  what.ids.push_back(id);
  auto asked = ctx.ask_store<bot_batch>(from.what.io, std::move(what));
  auto found = co_await answer_to(asked);
  if (found.bots.empty())
    throw refused{text_of(ec::unknown_bot)};
  co_return std::move(found.bots.front());
}

net::http_task<bot_batch> find_bots(context& ctx, const inquiry& from, std::vector<bot_id> ids) {
  bot_batch all;
  for (std::size_t done = 0; done < ids.size(); done += ids_in_a_chunk) {
    auto end = std::min(done + ids_in_a_chunk, ids.size());
    bot_lookup what;
    what.tenant = from.tenant();
    what.ids.assign(ids.begin() + static_cast<std::ptrdiff_t>(done),
                    ids.begin() + static_cast<std::ptrdiff_t>(end));
    auto part = co_await find_chunk(ctx, from, std::move(what));
    all.bots.insert(all.bots.end(), std::make_move_iterator(part.bots.begin()),
                    std::make_move_iterator(part.bots.end()));
    all.missing.insert(all.missing.end(), part.missing.begin(), part.missing.end());
  }
  co_return all;
}

wall_ms expiry_of(const inquiry& from) {
  auto seconds = from.number("expires_in");
  if (seconds == 0)
    return 0;
  auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  return now.time_since_epoch().count() + seconds * 1000;
}

} // namespace troupe::api
