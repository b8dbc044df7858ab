#include "messages/journal.hpp"
#include "runtime/api/inquiry.hpp"
#include "runtime/api/routes/bot_answers.hpp"
#include "runtime/api/routes/scope.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/api/rows.hpp"
#include "runtime/api/trail.hpp"

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

json::object letter_json(const dead_letter_row& x) {
  return {{"id", x.id},
          {"update_id", x.update_id},
          {"kind", x.kind},
          {"received_at", shown_time(x.received)},
          {"died_at", shown_time(x.died)},
          {"attempts", x.attempts},
          {"reason", x.reason},
          {"update", shown_body(x.body)}};
}

task show_updates(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  auto asked = ask_update_state(ctx, from, bot.id);
  auto body = co_await update_state_of(ctx, from, bot.id, asked, true);
  body["bot"] = bot.id;
  co_return json_response(body);
}

json::value by_state(const caf::expected<webhooks_report>& found) {
  if (!found)
    return nullptr;
  json::object all;
  for (std::size_t i = 0; i < intake_state_names.size(); ++i)
    all[intake_state_names[i]] = found->by_state[i];
  return all;
}

/// Of the whole node.
task show_all_updates(context& ctx, const inquiry& from) {
  auto journal = ctx.report_of<journal_report>(ctx.p.journal, from.what.io, 1);
  auto webhooks = ctx.report_of<webhooks_report>(ctx.p.webhooks, from.what.io, 1);
  auto x = co_await answer_to(journal);
  co_await webhooks.ready();
  auto intake = webhooks.take();
  auto states = by_state(intake);
  co_return json_response(json::object{{"pending", x.pending},
                                       {"oldest_at", shown_time(x.oldest)},
                                       {"dead_letters", x.dead},
                                       {"stored_total", x.appended},
                                       {"duplicates_total", x.duplicates},
                                       {"refused_total", x.refused},
                                       {"delivered_total", x.delivered},
                                       {"expired_total", x.expired},
                                       {"died_total", x.died},
                                       {"intake", std::move(states)},
                                       {"webhooks_repaired_total", intake ? intake->repaired : 0}});
}

/// Reading leaves no trace, but for a secret.
void note_shown_key(context& ctx, const inquiry& from, const bot_row& bot) {
  audit_row row;
  row.by = from.by();
  row.tenant = bot.tenant;
  row.action = "signing-key.show";
  row.subject = "bot:" + std::to_string(bot.id);
  row.outcome = "ok";
  enter_in_trail(ctx, std::move(row));
}

task show_signing_key(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  if (!ctx.p.signing_key)
    throw refused{api_error::service_unavailable};
  note_shown_key(ctx, from, bot);
  co_return json_response(
    json::object{{"bot", bot.id}, {"signing_key", ctx.p.signing_key(bot.id)}});
}

task list_dead_letters(context& ctx, const inquiry& from) {
  auto bot = co_await find_bot(ctx, from, from.bot());
  dead_letter_query what{bot.id, cursor_of(from), limit_of(from)};
  auto found = co_await told_by_owner<dead_letter_page>(ctx, from, what);
  json::array letters;
  for (auto& one : found.rows)
    letters.push_back(letter_json(one));
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
  auto done = co_await told_by_owner<replay_result>(ctx, from, std::move(what), true);
  json::array missing;
  for (auto id : done.missing)
    missing.push_back(id);
  co_return json_response(
    json::object{{"replayed", done.replayed}, {"missing", std::move(missing)}});
}

constexpr field of_replay[] = {
  {"ids", shape::ids, 1, 1000, "Which ones; what there is none of comes back in `missing`."},
  {"all", shape::boolean, 0, 0, "All of the bot's, instead of `ids`."},
};

constexpr route update_table[] = {
  {"GET", "/v1/updates", "getUpdates",
   "The updates of all bots since the node's start: what waits, what became of the others, and of "
   "how many bots they come in which way.",
   access::node, show_all_updates},
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
   list_dead_letters, 200, of_page},
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
  return update_table;
}

} // namespace troupe::api
