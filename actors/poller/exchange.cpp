#include "actors/poller/state.hpp"
#include "runtime/log/log.hpp"
#include "runtime/telegram/update.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <charconv>

namespace troupe::polling {
namespace {

using namespace std::chrono_literals;

/// A part of the node that is being restarted is asked again after this pause.
constexpr caf::timespan restart_pause = 500ms;

/// A poll that brings nothing takes as long as it was told to. One that does not is no long poll,
/// and the next one begins later.
constexpr caf::timespan shortest_poll = 200ms;

/// A bot that takes no calls is tried again after this: whoever changes that tells, as a rule.
constexpr caf::timespan rest = 60s;

/// `parameters.retry_after` of an error, in seconds; 0: none.
std::int64_t retry_after_in(std::string_view body) {
  constexpr std::string_view key = "\"retry_after\":";
  auto at = body.find(key);
  if (at == std::string_view::npos)
    return 0;
  body.remove_prefix(at + key.size());
  std::int64_t seconds = 0;
  std::from_chars(body.data(), body.data() + body.size(), seconds);
  return std::clamp<std::int64_t>(seconds, 0, 24 * 3600);
}

} // namespace

void poller_state::poll(bot_id bot, polled_bot& x) {
  auto registrar = ports.found->updates->registrar.get();
  if (!registrar)
    return pause(bot, x, trouble::failure, restart_pause);
  method_call what;
  what.bot = bot;
  what.method = "getUpdates";
  what.body = R"({"limit":)" + std::to_string(cfg.limit) + R"(,"timeout":)"
              + std::to_string(timeout().count());
  if (x.offset != 0)
    what.body += R"(,"offset":)" + std::to_string(x.offset);
  // An empty list is Telegram's word for the default; not given it would keep what was before.
  what.body += R"(,"allowed_updates":)" + (x.allowed.empty() ? "[]" : x.allowed) + '}';
  what.patience = cfg.patience;
  what.own = true;
  x.now = stage::polling;
  x.began = now();
  ++running;
  self->request(registrar, caf::infinite, std::move(what))
    .then(
      [this, bot, era = x.era](const method_answer& said) {
        --running;
        if (find(bot, era) != nullptr)
          on_answer(bot, said);
        pump();
      },
      [this, bot, era = x.era](const caf::error& why) {
        --running;
        if (auto* again = find(bot, era))
          on_refusal(bot, *again, why);
        pump();
      });
}

void poller_state::on_answer(bot_id bot, const method_answer& said) {
  auto& x = bots.at(bot);
  if (said.status == 200)
    return on_updates(bot, x, said.body);
  if (said.status == 409)
    return on_conflict(bot, x, said.body);
  ++counts.failures;
  // The bot saw it, too: it becomes unauthorized, and whoever heals that tells.
  if (said.status == 401 || said.status == 404)
    return pause(bot, x, trouble::failure, rest);
  if (auto wait = retry_after_in(said.body); said.status == 429 && wait > 0)
    return pause(bot, x, trouble::failure, std::chrono::seconds{wait});
  pause_again(bot, x, trouble::failure);
}

void poller_state::on_updates(bot_id bot, polled_bot& x, std::string_view body) {
  auto texts = telegram::split_updates(body);
  if (!texts) {
    ++counts.failures;
    return pause_again(bot, x, trouble::failure);
  }
  auto confirmed = std::exchange(x.offset, 0);
  std::vector<updates::received_update> all;
  update_append what;
  what.bot = bot;
  std::int64_t next = 0;
  for (auto text : *texts) {
    auto one = updates::receive(text, ports.found->updates->wall());
    auto id = one ? one->update.id : rescue(bot, text, one);
    next = std::max(next, id + 1);
    what.updates.push_back(one->update);
    if (!one->code.empty())
      all.push_back(std::move(*one));
  }
  if (what.updates.empty() || next != 0)
    well(bot, x);
  if (what.updates.empty()) {
    x.why = trouble::none;
    if (now() - x.began < shortest_poll && confirmed == 0)
      return pause(bot, x, trouble::none, shortest_poll);
    return make_ready(bot, x);
  }
  counts.received += what.updates.size();
  auto journal = ports.found->updates->journal.get();
  if (!journal)
    return pause(bot, x, trouble::failure, restart_pause);
  x.now = stage::storing;
  self->request(journal, caf::infinite, std::move(what))
    .then(
      [this, bot, era = x.era, next, all](const append_result& how) {
        tell_codes(bot, all);
        if (auto* again = find(bot, era)) {
          on_stored(bot, *again, next, how);
          pump();
        }
      },
      [this, bot, era = x.era](const caf::error& why) {
        // Telegram keeps them: nothing was confirmed.
        if (auto* again = find(bot, era)) {
          on_refusal(bot, *again, why);
          pump();
        }
      });
}

/// Nobody but the node learns of what it cannot read, and Telegram would send it for ever: its offset
/// passes it, and it is kept. @returns its id; -1: it has none
std::int64_t poller_state::rescue(bot_id bot, std::string_view text,
                                  std::optional<updates::received_update>& into) {
  auto found = updates::rescue(text, ports.found->updates->wall());
  ++(found.repaired ? counts.repaired : counts.unreadable);
  log::event(log::level::warning, found.repaired ? "update.repaired" : "update.unreadable", name,
             {{"bot", bot},
              {"update", found.id},
              {"bytes", static_cast<std::int64_t>(text.size())}},
             found.repaired ? "An update had text that is no UTF-8, which was replaced."
                            : "What a poll brought is no update; it becomes a dead letter.");
  into = std::move(found.what);
  return found.id > 0 ? found.id : -1;
}

void poller_state::on_stored(bot_id bot, polled_bot& x, std::int64_t next,
                             const append_result& how) {
  x.offset = next;
  counts.stored += how.stored;
  if (ports.counted)
    ports.counted(how.stored, how.duplicates);
  if (next == 0) // What has no id cannot be confirmed: it comes again until others follow.
    return pause_again(bot, x, trouble::failure);
  x.why = trouble::none;
  x.times = 0;
  make_ready(bot, x);
}

void poller_state::on_conflict(bot_id bot, polled_bot& x, std::string_view body) {
  ++counts.conflicts;
  bool webhook = body.find("webhook") != std::string_view::npos;
  if (webhook)
    if (auto webhooks = ports.found->updates->webhooks.get())
      caf::anon_send(webhooks, intake_check{bot});
  if (!std::exchange(x.alerted, true))
    log::event(log::level::error, "alert.raised", name,
               {{"bot", bot},
                {"tenant", std::int64_t{x.tenant}},
                {"alert", std::string_view{"updates.conflict"}},
                {"reason", std::string_view{webhook ? "a webhook is set" : "somebody else polls"}}},
               "Two consumers of one bot's updates; this one waits longer and longer.");
  pause_again(bot, x, trouble::conflict);
}

void poller_state::on_refusal(bot_id bot, polled_bot& x, const caf::error& why) {
  if (why == ec::journal_full)
    return pause_again(bot, x, trouble::full);
  if (why.category() == caf::type_id_v<caf::sec> || why == store_refusal::unavailable)
    return pause(bot, x, trouble::failure, restart_pause);
  if (why == ec::suspended || why == ec::unauthorized || why == store_refusal::not_found)
    return pause(bot, x, trouble::failure, rest);
  ++counts.failures;
  pause_again(bot, x, trouble::failure);
}

/// Polls go on when the journal takes updates again; until then Telegram keeps them.
void poller_state::look_at_journal(bot_id bot, polled_bot& x) {
  auto journal = ports.found->updates->journal.get();
  if (!journal)
    return pause(bot, x, trouble::full, restart_pause);
  x.now = stage::storing;
  self->request(journal, caf::infinite, pending_query{bot})
    .then(
      [this, bot, era = x.era](const pending_count& has) {
        auto* again = find(bot, era);
        if (again == nullptr)
          return;
        if (has.full)
          return pause_again(bot, *again, trouble::full);
        make_ready(bot, *again);
        pump();
      },
      [this, bot, era = x.era](const caf::error&) {
        if (auto* again = find(bot, era))
          pause(bot, *again, trouble::full, restart_pause);
      });
}

/// Whoever sent "/start CODE" to a bot whose owner is not proven may be that owner.
void poller_state::tell_codes(bot_id bot, const std::vector<updates::received_update>& all) const {
  if (all.empty())
    return;
  auto known = ports.names->find(bot);
  auto webhooks = ports.found->updates->webhooks.get();
  if (!webhooks || !known || known->phase != bot_phase::pending)
    return;
  for (const auto& x : all)
    caf::anon_send(webhooks, code_received{bot, x.sender, x.chat, x.code});
}

void poller_state::well(bot_id bot, polled_bot& x) {
  if (x.why != trouble::full) { // That ends when something is stored.
    x.why = trouble::none;
    x.times = 0;
  }
  if (std::exchange(x.alerted, false))
    log::event(log::level::info, "alert.resolved", name,
               {{"bot", bot},
                {"tenant", std::int64_t{x.tenant}},
                {"alert", std::string_view{"updates.conflict"}}},
               "A bot's updates have one consumer again, or are not polled any more.");
}

} // namespace troupe::polling
