#include "actors/registrar/state.hpp"
#include "messages/rate_governor.hpp"
#include "messages/supervisor.hpp"
#include "runtime/log/log.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/updates/settings.hpp"

#include <caf/send.hpp>

#include <algorithm>

namespace troupe::registering {

using std::chrono::milliseconds;
using std::chrono::system_clock;

/// A removal waits no longer for Telegram to take back a webhook.
constexpr caf::timespan release_patience = std::chrono::seconds{10};

virtual_tokens::entry entry_of(const virtual_token_row& x) {
  virtual_tokens::entry to;
  to.id = x.id;
  to.bot = x.bot;
  to.methods = x.methods;
  if (x.expires != 0)
    to.expires = system_clock::time_point{milliseconds{x.expires}};
  return to;
}

wall_ms registrar_state::wall() const {
  return ports.found->updates ? ports.found->updates->wall() : wall_now();
}

start_bot start_of(bot_id bot, const served& x) {
  start_bot what;
  what.bot = bot;
  what.tenant = x.tenant;
  what.token_hash = x.token.key;
  what.rps = x.rps;
  what.concurrent = x.concurrent;
  what.quarantines = x.quarantines;
  what.pending = x.phase == bot_phase::pending;
  return what;
}

namespace {

bool is_worth_repeating(const caf::error& why) {
  return why == store_refusal::unavailable || why == store_refusal::disk_full
         || why == store_refusal::outcome_unknown;
}

} // namespace

void registrar_state::load_bots(bot_id after) {
  ask_store<page<loaded_bot>>(
    bot_load{after, cfg.page, loading_shards()},
    [this, after](caf::expected<page<loaded_bot>> found) {
      if (!found) {
        self->run_delayed(cfg.store_pause, [this, after] { load_bots(after); });
        return;
      }
      for (const auto& one : found->rows) {
        if (!is_awaited(one.bot.id))
          continue;
        if (one.token.text.empty())
          log::event(log::level::error, "bot.unreadable", name, {{"bot", one.bot.id}},
                     "A bot's stored token does not open; give it a new one.");
        else
          serve(one.bot, one.token.text);
      }
      if (found->more)
        return load_bots(found->rows.back().bot.id);
      load_virtual_tokens(0);
    });
}

void registrar_state::load_virtual_tokens(std::int64_t after) {
  ask_store<page<made_virtual_token>>(
    virtual_token_load{after, cfg.page, loading_shards()},
    [this, after](caf::expected<page<made_virtual_token>> found) {
      if (!found) {
        self->run_delayed(cfg.store_pause, [this, after] { load_virtual_tokens(after); });
        return;
      }
      if (after == 0 && !restored)
        ports.virtuals->clear(); // An earlier registrar's.
      for (const auto& one : found->rows)
        if (is_awaited(one.row.bot))
          ports.virtuals->put(one.token.text, entry_of(one.row));
      if (found->more)
        return load_virtual_tokens(found->rows.back().row.id);
      end_loading();
    });
}

void registrar_state::end_loading() {
  if (std::exchange(restored, true))
    return end_reading();
  forget_others();
  ports.names->set_complete(true);
  log::event(log::level::info, "bots.restored", name,
             {{"bots", static_cast<std::int64_t>(bots.size())},
              {"virtual_tokens", static_cast<std::int64_t>(ports.virtuals->size())}},
             "The registered bots are as they were stored.");
  if (mine)
    end_reading();
}

void registrar_state::serve(const bot_row& row, const std::string& token) {
  if (mine && mine->stage_of(row.id) == shard_stage::away)
    return; // It went while it was being stored: whoever owns it now serves it.
  auto digest = token_hash(ports.token_key, token);
  // One that was adopted lives under another id: that ends.
  if (auto old = ports.names->find(digest, now()); old && old->home != row.id) {
    ports.names->erase(digest.key);
    caf::anon_send(ports.found->bots_of(old->home), stop_bot{old->home});
  }
  ports.names->put(digest, row.id, row.tenant, true, now());
  auto [at, is_new] = bots.try_emplace(row.id);
  auto& x = at->second;
  bool changed = !is_new && x.phase != row.phase; // By a new token.
  // The token before, also of an earlier registrar.
  auto before = ports.vault->find(row.id);
  if (before && *before != token)
    ports.names->erase(token_hash(ports.token_key, *before).key);
  if (before && is_new) // An earlier registrar's: the governor may not know what is stored now.
    x.rps = ~row.rps;
  x.token = digest;
  ports.vault->put(row.id, token);
  apply(row);
  if (changed)
    tell_phase(row, "rotateToken");
}

void registrar_state::apply(const bot_row& row) {
  auto found = bots.find(row.id);
  if (found == bots.end())
    return;
  auto& x = found->second;
  x.rest.dispose();
  ++x.notes; // Older notes say nothing any more.
  x.tenant = row.tenant;
  x.phase = row.phase;
  x.quarantines = row.quarantines;
  bool limits = x.rps != row.rps || x.concurrent != row.concurrent;
  x.rps = row.rps;
  x.concurrent = row.concurrent;
  if (limits)
    tell_limits(row.id);
  tell_updates(row);
  switch (phase_of(x)) {
  case bot_phase::pending:
  case bot_phase::active:
  case bot_phase::passive:
    return run(row.id, x);
  case bot_phase::quarantined:
    ports.names->set_phase(x.token.key, row.id, bot_phase::quarantined,
                           now() + milliseconds{std::max<wall_ms>(row.until - wall(), 0)});
    return rest_until(row.id, row.until);
  case bot_phase::unauthorized:
    ports.names->set_phase(x.token.key, row.id, bot_phase::unauthorized);
    return;
  default:
    put_to_sleep(row.id, x);
  }
}

/// Tells the governor a bot's limits as they are then; those of one that is gone are taken back.
void registrar_state::tell_limits(bot_id bot) {
  auto governor = ports.found->rate_governor.get();
  if (!governor) { // Being restarted.
    self->run_delayed(milliseconds{25}, [this, bot] { tell_limits(bot); });
    return;
  }
  auto x = bots.find(bot);
  bool known = x != bots.end();
  bot_limits what{bot, known ? x->second.rps : 0, known ? x->second.concurrent : 0};
  // It may be dead, and nobody know it yet: then its successor is told.
  self->request(governor, caf::infinite, what)
    .then([] {},
          [this, bot](const caf::error&) {
            self->run_delayed(milliseconds{25}, [this, bot] { tell_limits(bot); });
          });
}

/// Starts the bot, or has the one that runs (or is suspended) take over what changed.
void registrar_state::run(bot_id bot, const served& x, bot_phase to) {
  auto shard = ports.found->bots_of(bot);
  if (!shard) { // Being restarted.
    self->run_delayed(milliseconds{25}, [this, bot, to] {
      if (auto again = bots.find(bot); again != bots.end()
                                       && (phase_of(again->second) == bot_phase::active
                                           || phase_of(again->second) == bot_phase::pending))
        run(bot, again->second, to);
    });
    return;
  }
  auto start = start_of(bot, x);
  start.needed = false; // Nobody waits for it.
  caf::anon_send(shard, start);
  // If it is one that was suspended, or pending. One that is pending runs on in that phase.
  caf::anon_send(shard, bot_command{bot, to});
}

void registrar_state::rest_until(bot_id bot, wall_ms until) {
  auto left = milliseconds{std::max<wall_ms>(until - wall(), 0)};
  bots[bot].rest = self->run_delayed(left, [this, bot] {
    auto found = bots.find(bot);
    if (found != bots.end() && found->second.phase == bot_phase::quarantined)
      hear(bot, bot_phase::active, {}, {}, found->second.quarantines);
  });
}

void registrar_state::forget(bot_id bot) {
  if (!bots.contains(bot))
    return;
  let_go(bot, false);
  if (auto journal = ports.found->updates ? ports.found->updates->journal.get() : journal_actor{})
    caf::anon_send(journal, journal_forget{bot});
}

void registrar_state::let_go(bot_id bot, bool moves) {
  auto found = bots.find(bot);
  found->second.rest.dispose();
  if (auto shard = ports.found->bots_of(bot))
    caf::anon_send(shard, stop_bot{bot, moves});
  ports.names->erase(found->second.token.key);
  ports.vault->erase(bot);
  ports.virtuals->erase_all(bot);
  bots.erase(found);
  tell_limits(bot);
  if (!ports.found->updates)
    return;
  auto& updates = *ports.found->updates;
  updates.book.erase(bot);
  if (auto webhooks = updates.webhooks.get())
    caf::anon_send(webhooks, bot_gone{bot});
}

void registrar_state::tell_updates(const bot_row& row) {
  if (!ports.found->updates)
    return;
  static const auto usual = std::make_shared<const updates::update_settings>();
  auto& to = *ports.found->updates;
  // An entry that is put anew lets attempts begin anew: not for a change of something else.
  auto settings = std::hash<std::string>{}(row.settings) | 1;
  if (std::exchange(bots.at(row.id).settings, settings) == settings && to.book.find(row.id))
    return tell_intake(row.id, bots.at(row.id));
  delivery_book::entry entry = usual;
  try {
    auto said = updates::read_settings(row.settings);
    if (!updates::is_default(said))
      entry = std::make_shared<const updates::update_settings>(std::move(said));
  } catch (const std::exception& x) {
    log::event(log::level::error, "bot.settings-unreadable", name,
               {{"bot", row.id}, {"reason", std::string_view{x.what()}}},
               "A bot's stored settings of updates are no good; its updates stay at Telegram.");
    auto untouched = std::make_shared<updates::update_settings>();
    untouched->intake.mode = updates::intake_mode::none;
    entry = untouched;
  }
  auto before = to.book.find(row.id);
  bool changed = before && before != entry;
  to.book.put(row.id, std::move(entry));
  // What waits may go another way now. Its bot looks there at each use, but may not have one soon.
  if (auto known = changed ? ports.names->find(row.id) : std::nullopt)
    if (auto shard = ports.found->bots_of(known->home))
      caf::anon_send(shard, activate_bot{known->home, true});
  tell_intake(row.id, bots.at(row.id));
}

void registrar_state::tell_intake(bot_id bot, const served& x) const {
  auto stage = mine ? mine->places[shard_of(bot)].now : shard_stage::here;
  auto webhooks = ports.found->updates ? ports.found->updates->webhooks.get() : webhooks_actor{};
  if (webhooks && stage != shard_stage::leaving)
    caf::anon_send(webhooks, bot_served{bot, x.tenant, phase_of(x), stage == shard_stage::loading});
}

served_list registrar_state::served_bots() const {
  served_list result;
  result.restored = restored;
  result.bots.reserve(bots.size());
  for (const auto& [bot, x] : bots)
    if (!mine || mine->places[shard_of(bot)].now != shard_stage::leaving)
      result.bots.push_back({bot, x.tenant, phase_of(x)});
  return result;
}

void registrar_state::release(bot_id bot, std::function<void()> then) {
  auto webhooks = ports.found->updates ? ports.found->updates->webhooks.get() : webhooks_actor{};
  auto found = bots.find(bot);
  if (!webhooks || found == bots.end())
    return then();
  auto ask = [this, webhooks, bot, then] {
    self->request(webhooks, release_patience, webhook_release{bot})
      .then(then, [then](const caf::error&) { then(); });
  };
  if (is_asleep(phase_of(found->second)))
    wake(bot, found->second, ask);
  else
    ask();
}

/// A bot that takes no calls takes the node's own from now on, so that Telegram's side of it can be
/// put back before it is removed. What is stored of it stays.
void registrar_state::wake(bot_id bot, served x, std::function<void()> then) {
  auto shard = ports.found->bots_of(bot);
  if (!shard)
    return then();
  x.phase = bot_phase::pending;
  run(bot, x);
  // Answered behind that: whoever calls the bot then finds it awake.
  self->request(shard, release_patience, start_of(bot, x))
    .then([then](const caf::strong_actor_ptr&) { then(); }, [then](const caf::error&) { then(); });
}

/// It was woken to be removed, and stays after all.
void registrar_state::sleep_again(bot_id bot, std::function<void()> then) {
  find_row(0, bot, [this, bot, then](caf::expected<bot_row> row) {
    if (auto found = bots.find(bot); row && found != bots.end()) {
      apply(*row);
    } else if (auto shard = ports.found->bots_of(bot)) { // Until somebody can read how it is.
      caf::anon_send(shard, bot_command{bot, bot_phase::suspended});
    }
    then();
  });
}

/// What an earlier registrar served and is stored no more: it was removed, but the answer to that
/// did not come.
void registrar_state::forget_others() {
  for (auto bot : ports.vault->bots())
    if (!bots.contains(bot)) {
      bots[bot].token = token_hash(ports.token_key, *ports.vault->find(bot));
      if (is_awaited(bot))
        forget(bot);
      else
        let_go(bot, true); // Another node's by now.
    }
}

/// A bot got into a phase by itself: that is stored, and nobody asked for it.
void registrar_state::hear(bot_id bot, bot_phase phase, caf::timespan rest,
                           const std::string& reason, std::uint32_t quarantines) {
  if (auto known = bots.find(bot); known != bots.end())
    store_note(bot, ++known->second.notes, phase, rest, reason, quarantines);
}

/// Again and again until the store has it, or something newer came.
void registrar_state::store_note(bot_id bot, std::uint64_t note, bot_phase phase,
                                 caf::timespan rest, const std::string& reason,
                                 std::uint32_t quarantines) {
  auto is_so = [=](const served& x) {
    return x.notes != note || (x.phase == phase && x.quarantines == quarantines);
  };
  auto known = bots.find(bot);
  if (known == bots.end() || is_so(known->second))
    return;
  take_turn(bot, [=, this] {
    operation<bot_row> op{bot, {}};
    auto found = bots.find(bot);
    // Meanwhile somebody may have asked for something else.
    bool stands = found != bots.end()
                  && (found->second.phase == bot_phase::active
                      || found->second.phase == bot_phase::quarantined);
    if (!stands || is_so(found->second))
      return end_turn(bot);
    bot_state_set what;
    what.bot = bot;
    what.phase = phase;
    what.reason = reason;
    what.quarantines = quarantines;
    if (phase == bot_phase::quarantined)
      what.until = wall() + std::chrono::duration_cast<milliseconds>(rest).count();
    ask_store<bot_row>(what, [=, this](caf::expected<bot_row> row) {
      if (!row && is_worth_repeating(row.error())) {
        auto left = std::max(rest - cfg.store_pause, caf::timespan{0});
        self->run_delayed(cfg.store_pause,
                          [=, this] { store_note(bot, note, phase, left, reason, quarantines); });
      }
      if (auto again = bots.find(bot); row && again != bots.end()) {
        bool rested = again->second.phase == bot_phase::quarantined && phase == bot_phase::active;
        again->second.phase = row->phase;
        again->second.quarantines = row->quarantines;
        tell_updates(*row);
        if (rested && !is_asleep(phase_of(again->second)))
          run(bot, again->second);
      }
      end_turn(bot);
    });
  });
}

} // namespace troupe::registering
