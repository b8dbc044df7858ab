#include "runtime/api/inquiry.hpp"
#include "runtime/api/routes/bot_answers.hpp"
#include "runtime/api/routes/scope.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/api/rows.hpp"

#include <algorithm>
#include <chrono>

namespace troupe::api {
namespace {

namespace json = boost::json;

response no_content() {
  response answer;
  answer.status = 204;
  return answer;
}

// -- phases ----------------------------------------------------------------------------------------

task order(context& ctx, const inquiry& from, bot_order_kind what, bool trusted = false) {
  bot_order message{from.by(), from.tenant(), from.bot(), what, from.text("reason"), trusted};
  auto asked = ctx.ask_registrar<bot_row>(from.what.io, std::move(message));
  auto bot = co_await outcome_of(asked);
  co_return co_await bot_answer(ctx, from, bot);
}

task activate(context& ctx, const inquiry& from) {
  auto trusted = from.flag("trusted");
  if (trusted && !from.who.is_operator())
    throw refused{api_error::forbidden, "Only operators may vouch for a bot's owner.", "trusted"};
  return order(ctx, from, bot_order_kind::activate, trusted);
}

task suspend(context& ctx, const inquiry& from) {
  return order(ctx, from, bot_order_kind::suspend);
}

task resume(context& ctx, const inquiry& from) {
  return order(ctx, from, bot_order_kind::resume);
}

task restart(context& ctx, const inquiry& from) {
  return order(ctx, from, bot_order_kind::restart);
}

task rotate_token(context& ctx, const inquiry& from) {
  bot_rotate what;
  what.by = from.by();
  what.tenant = from.tenant();
  what.bot = from.bot();
  what.token.text = from.text("token");
  auto asked = ctx.ask_registrar<bot_row>(from.what.io, std::move(what));
  auto bot = co_await outcome_of(asked);
  co_return co_await bot_answer(ctx, from, bot);
}

// -- proof of ownership ----------------------------------------------------------------------------

json::object verification_json(const bot_row& bot, std::string_view state) {
  return {{"bot", bot.id},
          {"state", state},
          {"verified_at", shown_time(bot.verified)},
          {"owner", bot.owner == 0 ? json::value(nullptr) : json::value(bot.owner)}};
}

task make_code(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  verification_make what{from.by(), from.tenant(), bot.id};
  auto asked = ctx.ask_store<verification_row>(from.what.io, std::move(what));
  auto made = co_await outcome_of(asked);
  auto body = verification_json(bot, "waiting");
  body["code"] = made.code.text;
  body["send"] = "/start " + made.code.text;
  if (!bot.username.empty())
    body["link"] = "https://t.me/" + bot.username + "?start=" + made.code.text;
  body["expires_at"] = shown_time(made.expires);
  co_return json_response(body, 201);
}

task show_verification(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  verification_query what{from.tenant(), bot.id};
  auto asked = ctx.ask_store<verification_row>(from.what.io, std::move(what));
  co_await asked.ready();
  auto found = asked.take();
  if (!found && found.error() != store_refusal::not_found)
    throw refused_by(found.error());
  auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  std::string_view state = "none";
  if (found && bot.verified >= found->created)
    state = "verified"; // With this code.
  else if (found)
    state = found->expires <= now.time_since_epoch().count() ? "expired" : "waiting";
  else if (bot.verified != 0)
    state = "verified";
  auto body = verification_json(bot, state);
  body["attempts"] = found ? json::value(found->attempts) : json::value(nullptr);
  body["expires_at"] = found ? shown_time(found->expires) : json::value(nullptr);
  co_return json_response(body);
}

// -- virtual tokens --------------------------------------------------------------------------------

std::vector<std::string> methods_in(const inquiry& from) {
  std::vector<std::string> all;
  auto* list = from.member("methods");
  if (list == nullptr)
    return all;
  for (auto& one : list->get_array()) {
    std::string name{one.get_string()};
    for (auto& c : name) {
      if (c >= 'A' && c <= 'Z')
        c = static_cast<char>(c - 'A' + 'a');
      if (c < 'a' || c > 'z')
        throw refused{api_error::invalid_field, "methods must be names of Bot API methods.",
                      "methods"};
    }
    all.push_back(std::move(name));
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

task make_token(context& ctx, const inquiry& from) {
  virtual_token_make what;
  what.by = from.by();
  what.tenant = from.tenant();
  what.bot = from.bot();
  what.name = from.text("name");
  what.methods = methods_in(from);
  what.expires = expiry_of(from);
  auto asked = ctx.ask_registrar<made_virtual_token>(from.what.io, std::move(what));
  auto made =
    co_await outcome_of(asked, text_of(ec::unknown_bot), text_of(api_error::token_limit));
  auto body = to_json(made.row);
  body["token"] = made.token.text;
  co_return json_response(body, 201);
}

task list_tokens(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  virtual_token_query what{from.tenant(), bot.id, cursor_of(from), limit_of(from)};
  auto asked = ctx.ask_store<page<virtual_token_row>>(from.what.io, std::move(what));
  auto found = co_await answer_to(asked);
  auto last = found.rows.empty() ? 0 : found.rows.back().id;
  co_return json_response(json::object{{"tokens", list_of(found.rows)},
                                       {"next_cursor", next_cursor(last, found.more)}});
}

task revoke_token(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  auto& no_token = text_of(api_error::unknown_token);
  virtual_token_revoke what{from.by(), from.tenant(), bot.id, from.id("token", no_token)};
  auto asked = ctx.ask_registrar<done>(from.what.io, std::move(what));
  co_await outcome_of(asked, no_token);
  co_return no_content();
}

// -- the table -------------------------------------------------------------------------------------

constexpr field of_activation[] = {
  {"trusted", shape::boolean, 0, 0, "Operators only: active without proof of ownership."},
};
constexpr field of_suspension[] = {
  {"reason", shape::text, 1, 500, "Why, for people."},
};
constexpr field of_rotation[] = {
  {"token", shape::text, 1, 200, "Another token of the same bot, from @BotFather.", true},
};
constexpr field of_token[] = {
  {"name", shape::text, 1, 200, "Who uses it.", true},
  {"methods", shape::texts, 1, 200, "The Bot API methods that it may call; without it, all."},
  expiry_field,
};

constexpr route life_table[] = {
  {"POST", "/v1/bots/{id}:activate", "activateBot", "Lets a verified bot take calls.",
   access::developer, activate, 200, {}, body_use::optional, of_activation},
  {"POST", "/v1/bots/{id}:suspend", "suspendBot", "Stops the bot from taking calls.",
   access::developer, suspend, 200, {}, body_use::optional, of_suspension},
  {"POST", "/v1/bots/{id}:resume", "resumeBot", "Lets a suspended bot take calls again.",
   access::developer, resume, 200, {}, body_use::optional},
  {"POST", "/v1/bots/{id}:restart", "restartBot",
   "Starts the bot's actor anew and ends its quarantine.", access::developer, restart, 200, {},
   body_use::optional},
  {"POST", "/v1/bots/{id}:rotateToken", "rotateBotToken",
   "Replaces the bot's token; the old one stops working at once.", access::developer, rotate_token,
   200, {}, body_use::needed, of_rotation},
  {"POST", "/v1/bots/{id}/verification", "startVerification",
   "Makes a code that the bot's owner sends to the bot.", access::developer, make_code, 201, {},
   body_use::optional},
  {"GET", "/v1/bots/{id}/verification", "getVerification", "How far the proof of ownership is.",
   access::viewer, show_verification},
  {"POST", "/v1/bots/{id}/tokens", "createVirtualToken",
   "Makes a token that works on the gateway only. It is shown once, in this answer.",
   access::developer, make_token, 201, {}, body_use::needed, of_token},
  {"GET", "/v1/bots/{id}/tokens", "listVirtualTokens", "The bot's virtual tokens, by id.",
   access::viewer, list_tokens, 200, of_page},
  {"DELETE", "/v1/bots/{id}/tokens/{token}", "revokeVirtualToken",
   "Revokes a virtual token at once.", access::developer, revoke_token, 204},
};

} // namespace

std::span<const route> life_routes() {
  return life_table;
}

} // namespace troupe::api
