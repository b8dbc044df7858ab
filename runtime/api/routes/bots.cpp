#include "runtime/api/client_address.hpp"
#include "runtime/api/inquiry.hpp"
#include "runtime/api/routes/bot_answers.hpp"
#include "runtime/api/routes/scope.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/api/rows.hpp"
#include "runtime/relay/url_guard.hpp"
#include "runtime/updates/settings.hpp"

#include <boost/json/parse.hpp>

#include <optional>
#include <utility>

namespace troupe::api {
namespace {

namespace json = boost::json;
using namespace std::string_view_literals;

constexpr std::size_t largest_settings = 16 * 1024;

// -- what the body says ---------------------------------------------------------------------------

std::uint32_t limit_in(const inquiry& from, std::string_view name, std::uint32_t otherwise) {
  auto* limits = from.member("limits");
  auto* found = limits == nullptr ? nullptr : limits->get_object().if_contains(name);
  return found == nullptr ? otherwise : static_cast<std::uint32_t>(found->get_int64());
}

/// A secret that comes back as it was shown is the one that was there.
void keep_secret(json::object& all, const std::string& before) {
  auto secret_in = [](json::value& from) -> json::value* {
    auto* object = from.if_object();
    auto* delivery = object == nullptr ? nullptr : object->if_contains("delivery");
    auto* inside = delivery == nullptr ? nullptr : delivery->if_object();
    return inside == nullptr ? nullptr : inside->if_contains("secret_token");
  };
  json::value now = all;
  auto* given = secret_in(now);
  if (given == nullptr || *given != json::value("***"))
    return;
  boost::system::error_code ignored;
  auto old = json::parse(before, ignored);
  auto* kept = secret_in(old);
  *given = kept == nullptr ? json::value(nullptr) : *kept;
  all = now.get_object();
}

/// `updates` and `delivery` over what the store has of them. @throws refused
std::string settings_in(const context& ctx, const inquiry& from, const std::string& before) {
  boost::system::error_code ignored;
  auto all = json::parse(before, ignored);
  if (!all.is_object())
    all = json::object{};
  for (auto name : {"updates", "delivery"})
    if (auto* part = from.member(name))
      all.get_object()[name] = *part;
  keep_secret(all.get_object(), before);
  auto text = json::serialize(all);
  if (text.size() > largest_settings)
    throw refused{api_error::body_settings};
  try {
    auto read = updates::read_settings(text);
    const auto& url = read.delivery.relay.url;
    bool is_new = from.member("delivery") != nullptr && !url.empty();
    if (is_new && ctx.p.private_urls && !ctx.p.private_urls())
      if (auto wrong = relay::wrong_to_deliver_to(url); !wrong.empty())
        throw updates::bad_settings{"delivery.url: " + wrong};
  } catch (const updates::bad_settings& x) {
    std::string_view sentence = x.what();
    throw refused{api_error::invalid_field, std::string{sentence} + '.',
                  std::string{sentence.substr(0, sentence.find(':'))}};
  }
  return text;
}

/// For whom a bot is registered: operators may say so, others do it for themselves. @throws refused
tenant_id tenant_in(const inquiry& from) {
  auto named = from.number("tenant");
  if (from.who.is_operator())
    return named == 0 ? 1 : static_cast<tenant_id>(named);
  if (named != 0 && named != from.tenant())
    throw refused{api_error::unknown_tenant, {}, "tenant"};
  return from.tenant();
}

bool trusted_in(const inquiry& from) {
  auto trusted = from.flag("trusted");
  if (trusted && !from.who.is_operator())
    throw refused{api_error::forbidden, "Only operators may vouch for a bot's owner.", "trusted"};
  return trusted;
}

// -- routes ---------------------------------------------------------------------------------------

task register_bot(context& ctx, const inquiry& from) {
  bot_register what;
  what.by = from.by();
  what.tenant = tenant_in(from);
  what.token.text = from.text("token");
  what.name = from.text("name");
  what.rps = limit_in(from, "rps", 0);
  what.concurrent = limit_in(from, "concurrent", 0);
  what.settings = settings_in(ctx, from, "{}");
  what.trusted = trusted_in(from);
  auto wait =
    co_await take_over_all(ctx, from.what.io, quota_kind::creations, client_group(from.client));
  if (wait) {
    refused too_many{api_error::too_many_creations};
    too_many.headers = retry_after(*wait);
    throw too_many;
  }
  auto asked = ctx.ask_registrar<bot_row>(from.what.io, std::move(what));
  auto bot = co_await outcome_of(asked, text_of(api_error::unknown_tenant));
  auto answer = json_response(to_json(bot, health_status::healthy), 201);
  answer.headers = "Location: /v1/bots/" + std::to_string(bot.id) + "\r\n";
  co_return answer;
}

/// Bots in memory, or those out of it, have to be looked for: the store knows all as active. So
/// many of its pages are read for one; then that is short, and goes on behind what was read.
constexpr int most_pages = 20;

struct found_bots {
  std::vector<bot_row> rows;
  bot_id last = 0; ///< The next page begins behind it.
  bool more = false;
};

net::http_task<found_bots> find_bots(context& ctx, const inquiry& from, bot_query what) {
  std::optional<bot_phase> only;
  if (!what.any_phase && (what.phase == bot_phase::active || what.phase == bot_phase::passive))
    only = std::exchange(what.phase, bot_phase::active);
  found_bots result;
  result.last = what.after;
  for (int i = 0; i < most_pages; ++i) {
    what.after = result.last;
    auto query = what;
    auto asked = ctx.ask_store<page<bot_row>>(from.what.io, std::move(query));
    auto found = co_await answer_to(asked);
    result.more = found.more;
    co_await show_passive(ctx, from, found.rows);
    for (auto& row : found.rows) {
      bool wanted = !only || row.phase == *only;
      if (wanted && result.rows.size() == what.limit) {
        result.more = true;
        co_return result;
      }
      result.last = row.id;
      if (wanted)
        result.rows.push_back(std::move(row));
    }
    if (!only || !found.more || result.rows.size() == what.limit)
      break;
  }
  co_return result;
}

task list_bots(context& ctx, const inquiry& from) {
  bot_query what;
  what.tenant = from.tenant();
  if (auto tenant = from.query.number("tenant"); tenant && from.who.is_operator())
    what.tenant = static_cast<tenant_id>(*tenant);
  if (auto status = from.query.text("status")) {
    what.any_phase = false;
    from_string(caf::string_view{status->data(), status->size()}, what.phase);
  }
  what.after = cursor_of(from);
  what.limit = limit_of(from);
  auto unwell = ask_unwell(ctx, from);
  auto found = co_await find_bots(ctx, from, what);
  auto health = co_await health_of(unwell);
  auto bots = bots_json(ctx, found.rows, health);
  if (from.query.text("with").has_value())
    co_await add_update_states(ctx, from, bots);
  co_return json_response(
    json::object{{"bots", std::move(bots)}, {"next_cursor", next_cursor(found.last, found.more)}});
}

task batch_get(context& ctx, const inquiry& from) {
  bot_lookup what; // The store reads it in chunks, and those again that fail.
  what.tenant = from.tenant();
  for (auto& id : from.member("ids")->get_array())
    what.ids.push_back(id.get_int64());
  auto asked = ctx.ask_store<bot_batch>(from.what.io, std::move(what));
  auto unwell = ask_unwell(ctx, from);
  auto found = co_await answer_to(asked);
  co_await show_passive(ctx, from, found.bots);
  auto health = co_await health_of(unwell);
  json::array missing;
  for (auto id : found.missing)
    missing.push_back(id);
  co_return json_response(
    json::object{{"bots", bots_json(ctx, found.bots, health)}, {"missing", std::move(missing)}});
}

task get_bot(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  co_return co_await bot_answer(ctx, from, bot);
}

task change_bot(context& ctx, const inquiry& from) {
  if (from.body.empty() || (from.body.size() == 1 && from.member("version") != nullptr))
    throw refused{api_error::nothing_to_change};
  auto before = co_await find_bot(ctx, from, from.bot());
  bot_change what;
  what.by = from.by();
  what.tenant = from.tenant();
  what.bot = before.id;
  // Fields that the body does not name are kept as they were read: so nobody may write between.
  what.version = from.number("version", before.version);
  what.name = from.text("name", before.name);
  what.rps = limit_in(from, "rps", before.rps);
  what.concurrent = limit_in(from, "concurrent", before.concurrent);
  what.settings = settings_in(ctx, from, before.settings);
  auto asked = ctx.ask_registrar<bot_row>(from.what.io, std::move(what));
  auto bot = co_await outcome_of(asked);
  co_return co_await bot_answer(ctx, from, bot);
}

task remove_bot(context& ctx, const inquiry& from) {
  bot_remove what{from.by(), from.tenant(), from.bot()};
  auto asked = ctx.ask_registrar<bot_row>(from.what.io, std::move(what));
  co_await outcome_of(asked);
  response answer;
  answer.status = 204;
  co_return answer;
}

// -- the table ------------------------------------------------------------------------------------

constexpr std::string_view phases[] = {"pending"sv,   "active"sv,      "passive"sv,
                                       "suspended"sv, "quarantined"sv, "unauthorized"sv};

constexpr field limit_fields[] = {
  {"rps", shape::integer, 0, 100'000, "Requests in any second; 0: the node's default."},
  {"concurrent", shape::integer, 0, 10'000, "Requests at once; 0: the node's default."},
};
constexpr field limits{"limits", shape::object, 0, 0, "Limits of this bot; applied at once.", false,
                       {},       limit_fields};
constexpr field updates{
  "updates", shape::any, 0, 0,
  "How its updates are received: mode, allowed_updates, max_connections, take_over."};
constexpr field delivery{
  "delivery", shape::any, 0, 0,
  "How its updates reach their owner: mode (pull, relay, native, rules) and what belongs to it."};

constexpr field of_registration[] = {
  {"token", shape::text, 1, 200, "The bot's token from @BotFather. Never shown again.", true},
  {"name", shape::text, 1, 200, "For people; without it, what the Bot API calls the bot."},
  limits,
  updates,
  delivery,
  {"tenant", shape::integer, 1, UINT32_MAX, "Operators only: whose bot it is; 1 without it."},
  {"trusted", shape::boolean, 0, 0, "Operators only: active at once, without proof of ownership."},
};
constexpr field of_bot_change[] = {
  {"name", shape::text, 1, 200, "For people."},
  limits,
  updates,
  delivery,
  {"version", shape::integer, 1, INT64_MAX,
   "The version that was read: if another one changed the bot since, 409."},
};
constexpr field of_batch[] = {
  {"ids", shape::ids, 0, 1'000'000,
   "Ids of bots; each is in `bots` or in `missing`. As many as a body of "
   "4 MiB holds: about 350,000.",
   true},
};
constexpr std::string_view additions[] = {"updates"sv};
constexpr field of_bot_list[] = {
  {"with", shape::text, 0, 0,
   "`updates`: each bot with `update_state`, as GET /v1/bots/{id}/updates shows it.", false,
   additions},
  {"status", shape::text, 0, 0,
   "Bots in this phase alone. A page of active or of passive ones may be short: go on while there "
   "is `next_cursor`.",
   false, phases},
  {"tenant", shape::integer, 1, UINT32_MAX, "Operators only: this tenant's bots alone."},
  cursor_parameter,
  limit_parameter,
};

constexpr route bot_table[] = {
  {"POST",
   "/v1/bots",
   "registerBot",
   "Registers a bot: its token is checked with getMe and kept sealed.",
   access::developer,
   register_bot,
   201,
   {},
   body_use::needed,
   of_registration},
  {"GET", "/v1/bots", "listBots", "The tenant's bots, by id; an operator sees all.", access::viewer,
   list_bots, 200, of_bot_list},
  {"POST",
   "/v1/bots:batchGet",
   "batchGetBots",
   "Any number of bots by their ids.",
   access::viewer,
   batch_get,
   200,
   {},
   body_use::needed,
   of_batch},
  {"GET", "/v1/bots/{id}", "getBot", "One bot.", access::viewer, get_bot},
  {"PATCH",
   "/v1/bots/{id}",
   "changeBot",
   "Changes name, limits, updates or delivery.",
   access::developer,
   change_bot,
   200,
   {},
   body_use::needed,
   of_bot_change},
  {"DELETE", "/v1/bots/{id}", "removeBot", "Removes the bot and everything that belongs to it.",
   access::developer, remove_bot, 204},
};

} // namespace

std::span<const route> bot_routes() {
  return bot_table;
}

} // namespace troupe::api
