#include "actors/store/perform_parts.hpp"
#include "runtime/crypto/hash.hpp"
#include "runtime/store/shards.hpp"

namespace troupe::storage {
namespace {

store::stored_token sealed_token(const context& c, bot_id bot, const secret_string& token) {
  return {c.ring->seal(token.text, {crypto::purpose::bot_token, bot}, c.random),
          crypto::keyed_hash(c.lookup, crypto::purpose::bot_token, token.text)};
}

answer<bot_row> stored_row(unit& u, bot_id id) {
  auto found = store::find_any_bot(u, id);
  if (!found)
    return refused(store_refusal::not_found);
  return row_of(*found);
}

/// A refused change, with its entry in the trail.
caf::error refuse(unit& u, const context& c, const author& by, tenant_id tenant, bot_id bot,
                  std::string_view action, store_refusal why) {
  if (!action.empty())
    enter(u, c, by, tenant, action, subject_of("bot", bot), why);
  return refused(why);
}

} // namespace

answer<bot_batch> perform(unit& u, const context&, const bot_lookup& x) {
  auto found =
    x.tenant == 0 ? store::find_any_bots(u, x.ids) : store::find_bots(u, x.tenant, x.ids);
  bot_batch result;
  for (const auto& one : found)
    result.bots.push_back(row_of(one));
  std::ranges::sort(result.bots, {}, &bot_row::id);
  auto missing = x.ids;
  std::ranges::sort(missing);
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  std::erase_if(missing, [&](bot_id id) {
    auto at = std::ranges::lower_bound(result.bots, id, {}, &bot_row::id);
    return at != result.bots.end() && at->id == id;
  });
  result.missing = std::move(missing);
  return result;
}

answer<page<bot_row>> perform(unit& u, const context&, const bot_query& x) {
  auto limit = rows_at_most(x.limit);
  auto phase = x.any_phase ? std::nullopt : std::optional{x.phase};
  auto found = x.tenant == 0 ? store::list_all_bots(u, phase, x.after, limit + 1)
                             : store::list_bots(u, x.tenant, phase, x.after, limit + 1);
  return page_of<bot_row>(found, limit);
}

answer<page<loaded_bot>> perform(unit& u, const context& c, const bot_load& x) {
  auto limit = rows_at_most(x.limit);
  auto found = x.shards.empty()
                 ? store::load_bots(u, x.after, limit + 1)
                 : store::load_bots(u, x.after, limit + 1, store::shard_set{x.shards});
  page<loaded_bot> result;
  result.more = found.size() > limit;
  found.resize(std::min<std::size_t>(found.size(), limit));
  for (const auto& one : found) {
    auto& to = result.rows.emplace_back();
    to.bot = row_of(one.bot);
    try {
      to.token.text =
        c.ring->open(one.token.box, {crypto::purpose::bot_token, one.bot.id}).reveal();
    } catch (const crypto::crypto_error&) {
      to.token.text.clear(); // One damaged row keeps no node from starting.
    }
  }
  return result;
}

answer<bot_row> perform(unit& u, const context& c, const bot_insert& x) {
  constexpr std::string_view action = "bot.register";
  const auto& bot = x.bot;
  auto tenant = store::find_tenant(u, bot.tenant);
  auto why = store_refusal::none;
  if (!tenant)
    return refuse(u, c, x.by, bot.tenant, bot.id, action, store_refusal::not_found);
  if (tenant->state == store::tenant_state::suspended)
    return refuse(u, c, x.by, bot.tenant, bot.id, action, store_refusal::tenant_suspended);
  auto stored = bot_of(bot);
  stored.created = stored.updated = stored.state.since = c.now();
  switch (store::add_bot(u, stored, sealed_token(c, bot.id, x.token))) {
  case store::registration::done:
    break;
  case store::registration::taken:
    why = store_refusal::duplicate;
    break;
  case store::registration::too_many:
    why = store_refusal::too_many;
    break;
  }
  if (why != store_refusal::none)
    return refuse(u, c, x.by, bot.tenant, bot.id, action, why);
  enter(u, c, x.by, bot.tenant, action, subject_of("bot", bot.id));
  return stored_row(u, bot.id);
}

answer<bot_row> perform(unit& u, const context& c, const bot_state_set& x) {
  auto found = bot_for(u, x.tenant, x.bot);
  if (!found)
    return refuse(u, c, x.by, x.tenant, x.bot, x.action, store_refusal::not_found);
  if (x.version != 0 && found->version != x.version)
    return refuse(u, c, x.by, found->tenant, x.bot, x.action, store_refusal::conflict);
  auto now = c.now();
  store::set_bot_state(u, found->tenant, x.bot,
                       {x.phase, x.reason, now, maybe_time(x.until), x.quarantines}, now);
  if (x.vouched)
    store::vouch_for_bot(u, x.bot, now);
  if (!x.action.empty())
    enter(u, c, x.by, found->tenant, x.action, subject_of("bot", x.bot));
  return stored_row(u, x.bot);
}

answer<bot_row> perform(unit& u, const context& c, const bot_token_set& x) {
  constexpr std::string_view action = "bot.rotate-token";
  auto found = bot_for(u, x.tenant, x.bot);
  if (!found)
    return refuse(u, c, x.by, x.tenant, x.bot, action, store_refusal::not_found);
  auto token = sealed_token(c, x.bot, x.token);
  if (auto holder = store::find_token(u, token.hash); holder && *holder != x.bot)
    return refuse(u, c, x.by, found->tenant, x.bot, action, store_refusal::duplicate);
  auto now = c.now();
  store::set_bot_token(u, found->tenant, x.bot, token, now);
  if (x.revive && found->state.phase == bot_phase::unauthorized)
    store::set_bot_state(u, found->tenant, x.bot, {bot_phase::active, {}, now, {}, 0}, now);
  enter(u, c, x.by, found->tenant, action, subject_of("bot", x.bot));
  return stored_row(u, x.bot);
}

answer<bot_row> perform(unit& u, const context& c, const bot_change& x) {
  constexpr std::string_view action = "bot.change";
  auto found = bot_for(u, x.tenant, x.bot);
  if (!found)
    return refuse(u, c, x.by, x.tenant, x.bot, action, store_refusal::not_found);
  if (x.version != 0 && x.version != found->version)
    return refuse(u, c, x.by, found->tenant, x.bot, action, store_refusal::conflict);
  found->name = x.name;
  found->limits = {x.rps, x.concurrent};
  found->settings = x.settings;
  store::change_bot(u, *found, c.now());
  enter(u, c, x.by, found->tenant, action, subject_of("bot", x.bot));
  return stored_row(u, x.bot);
}

answer<bot_row> perform(unit& u, const context& c, const bot_remove& x) {
  constexpr std::string_view action = "bot.remove";
  auto found = bot_for(u, x.tenant, x.bot);
  if (!found)
    return refuse(u, c, x.by, x.tenant, x.bot, action, store_refusal::not_found);
  store::remove_bot(u, found->tenant, x.bot);
  enter(u, c, x.by, found->tenant, action, subject_of("bot", x.bot));
  return row_of(*found);
}

} // namespace troupe::storage
