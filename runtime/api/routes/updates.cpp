#include "messages/journal.hpp"
#include "runtime/api/inquiry.hpp"
#include "runtime/api/routes/scope.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/api/rows.hpp"

#include <boost/json/parse.hpp>

namespace troupe::api {
namespace {

namespace json = boost::json;

/// The update as an object; as text where it is none.
json::value shown_body(const std::string& body) {
  boost::system::error_code failed;
  auto value = json::parse(body, failed);
  return failed ? json::value(body) : value;
}

json::object to_json(const dead_letter_row& x) {
  return {{"id", x.id},
          {"update_id", x.update_id},
          {"kind", x.kind},
          {"received_at", shown_time(x.received)},
          {"died_at", shown_time(x.died)},
          {"attempts", x.attempts},
          {"reason", x.reason},
          {"update", shown_body(x.body)}};
}

json::value none_if_empty(const std::string& x) {
  return x.empty() ? json::value(nullptr) : json::value(x);
}

/// How they come in; null when nobody says.
json::value shown_intake(const caf::expected<intake_view>& found) {
  if (!found)
    return nullptr;
  return json::object{{"state", to_string(found->state)},
                      {"reason", none_if_empty(found->reason)},
                      {"elsewhere", none_if_empty(found->elsewhere)},
                      {"checked_at", shown_time(found->checked)},
                      {"pending_at_telegram", found->pending},
                      {"last_error", none_if_empty(found->last_error)},
                      {"last_error_at", shown_time(found->last_error_at)}};
}

task show_updates(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  intake_query where{bot.id};
  auto intake = ask<intake_view>(*ctx.p.system, from.what.io, context::handle(ctx.p.webhooks),
                                 where, ctx.p.answer_timeout);
  pending_query what{bot.id};
  auto asked = ctx.ask_journal<pending_count>(from.what.io, what);
  auto found = co_await answer_to(asked);
  co_await intake.ready();
  auto comes = shown_intake(intake.take());
  auto rest = ctx.p.delivery_pause ? ctx.p.delivery_pause(bot.id) : std::nullopt;
  co_return json_response(
    json::object{{"bot", bot.id},
                 {"intake", std::move(comes)},
                 {"pending", found.pending},
                 {"oldest_at", shown_time(found.oldest)},
                 {"full", found.full},
                 {"dead_letters", found.dead},
                 {"rests_until", shown_time(rest ? rest->until : 0)},
                 {"rests_because", rest ? json::value(rest->reason) : json::value(nullptr)}});
}

task show_signing_key(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  if (!ctx.p.signing_key)
    throw refused{api_error::service_unavailable};
  co_return json_response(
    json::object{{"bot", bot.id}, {"signing_key", ctx.p.signing_key(bot.id)}});
}

task list_dead_letters(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  dead_letter_query what{bot.id, cursor_of(from), limit_of(from)};
  auto asked = ctx.ask_journal<dead_letter_page>(from.what.io, what);
  auto found = co_await answer_to(asked);
  json::array letters;
  for (auto& one : found.rows)
    letters.push_back(to_json(one));
  auto last = found.rows.empty() ? 0 : found.rows.back().id;
  co_return json_response(json::object{{"dead_letters", std::move(letters)},
                                       {"next_cursor", next_cursor(last, found.more)}});
}

task replay_dead_letters(context& ctx, const inquiry& from) {
  auto* ids = from.member("ids");
  auto all = from.flag("all");
  if ((ids != nullptr) == all)
    throw refused{api_error::invalid_field, "Name the dead letters in ids, or say all: true.",
                  "ids"};
  auto bot = co_await find_bot(ctx, from, from.bot());
  dead_letter_replay what;
  what.by = from.by();
  what.bot = bot.id;
  what.tenant = bot.tenant;
  if (ids != nullptr)
    for (auto& one : ids->get_array())
      what.ids.push_back(one.get_int64());
  auto asked = ctx.ask_journal<replay_result>(from.what.io, std::move(what));
  auto done = co_await outcome_of(asked);
  json::array missing;
  for (auto id : done.missing)
    missing.push_back(id);
  co_return json_response(
    json::object{{"replayed", done.replayed}, {"missing", std::move(missing)}});
}

constexpr field of_list[] = {cursor_parameter, limit_parameter};
constexpr field of_replay[] = {
  {"ids", shape::ids, 1, 1000, "Which ones; what there is none of comes back in `missing`."},
  {"all", shape::boolean, 0, 0, "All of the bot's, instead of `ids`."},
};

constexpr route table[] = {
  {"GET", "/v1/bots/{id}/updates", "getBotUpdates",
   "How its updates come in, how many wait for delivery, since when, how many are dead letters, "
   "and whether the "
   "delivery rests because its receiver said that it is gone.",
   access::viewer, show_updates},
  {"GET", "/v1/bots/{id}/signing-key", "getSigningKey",
   "The key by which the bot's relayed updates are signed (X-Troupe-Signature).", access::developer,
   show_signing_key},
  {"GET", "/v1/bots/{id}/dead-letters", "listDeadLetters",
   "Updates that could not be delivered, with the reason, oldest first.", access::viewer,
   list_dead_letters, 200, of_list},
  {"POST",
   "/v1/bots/{id}/dead-letters:replay",
   "replayDeadLetters",
   "Delivers dead letters again, behind what waits now.",
   access::developer,
   replay_dead_letters,
   200,
   {},
   body_use::needed,
   of_replay},
};

} // namespace

std::span<const route> update_routes() {
  return table;
}

} // namespace troupe::api
