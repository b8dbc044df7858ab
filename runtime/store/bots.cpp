#include "runtime/store/bots.hpp"

#include "runtime/store/chunks.hpp"
#include "runtime/store/shard_holds.hpp"
#include "runtime/store/shards.hpp"
#include "runtime/store/updates.hpp"

#include <algorithm>

namespace troupe::store {

#define TROUPE_BOT_COLUMNS                                                                         \
  "id, tenant, username, name, phase, reason, phase_since, phase_until, quarantines, owner, "      \
  "verified, rps, concurrent, settings, created, updated, version"

/// So many are read by the index of shards; of more, a walk over all bots costs less.
constexpr std::size_t few_shards = 8;

static auto columns(bot& x) {
  return std::tie(x.id, x.tenant, x.username, x.name, x.state.phase, x.state.reason, x.state.since,
                  x.state.until, x.state.quarantines, x.owner, x.verified, x.limits.rps,
                  x.limits.concurrent, x.settings, x.created, x.updated, x.version);
}

static auto columns(bot_with_token& x) {
  return std::tuple_cat(columns(x.bot),
                        std::tie(x.token.box.key_id, x.token.box.box, x.token.hash));
}

registration add_bot(unit& u, const bot& x, const stored_token& token) {
  auto max = u.value<std::int64_t>("SELECT max_bots FROM tenants WHERE id = :tenant", x.tenant);
  if (max.value_or(0) > 0 && count_bots(u, x.tenant) >= *max)
    return registration::too_many;
  auto added = u.execute(
    "INSERT INTO bots (" TROUPE_BOT_COLUMNS ", token_key, token_box, token_hash) "
    "VALUES (:id, :tenant, :username, :name, :phase, :reason, :since, :until, :quarantines, "
    ":owner, :verified, :rps, :concurrent, :settings, :created, :updated, 1, :key, :box, :hash) "
    "ON CONFLICT DO NOTHING",
    x.id, x.tenant, x.username, x.name, x.state.phase, x.state.reason, x.state.since, x.state.until,
    x.state.quarantines, x.owner, x.verified, x.limits.rps, x.limits.concurrent, x.settings,
    x.created, x.updated, token.box.key_id, token.box.box, token.hash);
  if (added != 1)
    return registration::taken;
  add_bot_shard(u, x.id);
  return registration::done;
}

std::optional<bot> find_bot(unit& u, tenant_id tenant, bot_id id) {
  return u.row<bot>("SELECT " TROUPE_BOT_COLUMNS " FROM bots WHERE tenant = :tenant AND id = :id",
                    tenant, id);
}

static std::vector<bot_id> each_once(std::span<const bot_id> ids) {
  std::vector<bot_id> sorted{ids.begin(), ids.end()};
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  return sorted;
}

std::vector<bot> find_bots(unit& u, tenant_id tenant, std::span<const bot_id> ids) {
  return rows_of<bot>(u,
                      "SELECT " TROUPE_BOT_COLUMNS " FROM bots WHERE tenant = :tenant AND id IN ",
                      {to_parameter(tenant)}, each_once(ids));
}

std::optional<bot> find_any_bot(unit& u, bot_id id) {
  return u.row<bot>("SELECT " TROUPE_BOT_COLUMNS " FROM bots WHERE id = :id", id);
}

std::vector<bot> find_any_bots(unit& u, std::span<const bot_id> ids) {
  return rows_of<bot>(u, "SELECT " TROUPE_BOT_COLUMNS " FROM bots WHERE id IN ", {},
                      each_once(ids));
}

std::vector<bot> list_all_bots(unit& u, std::optional<bot_phase> phase, bot_id after,
                               std::size_t limit) {
  if (phase)
    return u.rows<bot>("SELECT " TROUPE_BOT_COLUMNS " FROM bots WHERE phase = :phase "
                       "AND id > :after ORDER BY id LIMIT :limit",
                       *phase, after, limit);
  return u.rows<bot>("SELECT " TROUPE_BOT_COLUMNS " FROM bots WHERE id > :after "
                     "ORDER BY id LIMIT :limit",
                     after, limit);
}

std::optional<bot_id> find_token(unit& u, const std::string& hash) {
  return u.value<bot_id>("SELECT id FROM bots WHERE token_hash = :hash", hash);
}

std::vector<bot> list_bots(unit& u, tenant_id tenant, std::optional<bot_phase> phase, bot_id after,
                           std::size_t limit) {
  if (phase)
    return u.rows<bot>("SELECT " TROUPE_BOT_COLUMNS " FROM bots WHERE tenant = :tenant "
                       "AND phase = :phase AND id > :after ORDER BY id LIMIT :limit",
                       tenant, *phase, after, limit);
  return u.rows<bot>("SELECT " TROUPE_BOT_COLUMNS " FROM bots WHERE tenant = :tenant "
                     "AND id > :after ORDER BY id LIMIT :limit",
                     tenant, after, limit);
}

std::int64_t count_bots(unit& u, tenant_id tenant) {
  return u.value<std::int64_t>("SELECT COUNT(*) FROM bots WHERE tenant = :tenant", tenant)
    .value_or(0);
}

bool change_bot(unit& u, const bot& x, wall_time now) {
  return u.execute("UPDATE bots SET username = :username, name = :name, rps = :rps, "
                   "concurrent = :concurrent, settings = :settings, updated = :now, "
                   "version = version + 1 "
                   "WHERE tenant = :tenant AND id = :id AND version = :version",
                   x.username, x.name, x.limits.rps, x.limits.concurrent, x.settings, now, x.tenant,
                   x.id, x.version)
         == 1;
}

bool set_bot_state(unit& u, tenant_id tenant, bot_id id, const bot_state& to, wall_time now) {
  return u.execute("UPDATE bots SET phase = :phase, reason = :reason, phase_since = :since, "
                   "phase_until = :until, quarantines = :quarantines, updated = :now, "
                   "version = version + 1 WHERE tenant = :tenant AND id = :id",
                   to.phase, to.reason, to.since, to.until, to.quarantines, now, tenant, id)
         == 1;
}

void vouch_for_bot(unit& u, bot_id id, wall_time now) {
  u.execute("UPDATE bots SET verified = :now WHERE id = :id AND verified IS NULL", now, id);
}

bool set_bot_token(unit& u, tenant_id tenant, bot_id id, const stored_token& token, wall_time now) {
  return u.execute("UPDATE bots SET token_key = :key, token_box = :box, token_hash = :hash, "
                   "updated = :now, version = version + 1 WHERE tenant = :tenant AND id = :id",
                   token.box.key_id, token.box.box, token.hash, now, tenant, id)
         == 1;
}

bool remove_bot(unit& u, tenant_id tenant, bot_id id) {
  u.execute("DELETE FROM idempotency WHERE tenant = :tenant AND bot = :bot", tenant, id);
  // What names the bot by reference goes with the row.
  if (u.execute("DELETE FROM bots WHERE tenant = :tenant AND id = :id", tenant, id) != 1)
    return false;
  forget_updates(u, id);
  forget_holds(u, id);
  return true;
}

std::vector<bot_with_token> load_bots(unit& u, bot_id after, std::size_t limit) {
  return u.rows<bot_with_token>("SELECT " TROUPE_BOT_COLUMNS ", token_key, token_box, token_hash "
                                "FROM bots WHERE id > :after ORDER BY id LIMIT :limit",
                                after, limit);
}

std::vector<bot_with_token> load_bots(unit& u, bot_id after, std::size_t limit,
                                      const shard_set& of) {
  std::vector<bot_with_token> result;
  if (of.shards().size() > few_shards)
    return u.rows<bot_with_token>(
      "SELECT " TROUPE_BOT_COLUMNS ", token_key, token_box, token_hash FROM bots "
      "JOIN bot_shards s ON s.bot = id WHERE id > :after AND " TROUPE_IN_SHARDS(
        "s.shard") " "
                   "ORDER BY id LIMIT :limit",
      after, of.text(), limit);
  for (auto shard : of.shards())
    std::ranges::move(
      u.rows<bot_with_token>("SELECT " TROUPE_BOT_COLUMNS ", token_key, token_box, token_hash "
                             "FROM bot_shards s JOIN bots ON id = s.bot WHERE s.shard = :shard "
                             "AND s.bot > :after ORDER BY s.bot LIMIT :limit",
                             shard, after, limit),
      std::back_inserter(result));
  std::ranges::sort(result, {}, [](const bot_with_token& x) { return x.bot.id; });
  result.resize(std::min(result.size(), limit));
  return result;
}

bool reseal_bot(unit& u, bot_id id, const crypto::sealed& before, const crypto::sealed& now) {
  return u.execute("UPDATE bots SET token_key = :key, token_box = :box "
                   "WHERE id = :id AND token_key = :old_key AND token_box = :old_box",
                   now.key_id, now.box, id, before.key_id, before.box)
         == 1;
}

} // namespace troupe::store
