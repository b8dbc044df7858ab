#include "runtime/api/routes/scope.hpp"

#include "messages/call.hpp"

#include <chrono>

namespace troupe::api {
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

wall_ms expiry_of(const inquiry& from) {
  auto seconds = from.number("expires_in");
  if (seconds == 0)
    return 0;
  auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  return now.time_since_epoch().count() + seconds * 1000;
}

} // namespace troupe::api
