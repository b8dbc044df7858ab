#include "runtime/store/tokens.hpp"

#include "runtime/crypto/bytes.hpp"
#include "runtime/store/shards.hpp"

namespace troupe::store {
namespace {

struct stored_code {
  std::string hash;
  verification about;
};

/// A token with its methods in one column, " getme sendmessage ".
struct stored_virtual_token {
  virtual_token token;
  std::string methods;
  std::string hash;
};

std::string joined(const std::vector<std::string>& methods) {
  std::string out;
  for (auto& one : methods)
    out += (out.empty() ? " " : "") + one + ' ';
  return out;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at = 1; at < text.size();) {
    auto end = std::min(text.find(' ', at), text.size());
    out.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

virtual_token completed(stored_virtual_token x) {
  x.token.methods = split(x.methods);
  return std::move(x.token);
}

auto columns(stored_code& x) {
  return std::tie(x.hash, x.about.attempts, x.about.created, x.about.expires);
}

auto columns(stored_virtual_token& x) {
  return std::tie(x.token.id, x.token.tenant, x.token.bot, x.token.name, x.methods, x.token.created,
                  x.token.expires, x.token.revoked, x.hash);
}

/// Wrong codes, whoever sent them: nobody guesses one of 10^15 with so many, and what is remembered
/// of their senders is bounded.
constexpr std::int64_t most_attempts = 1000;

} // namespace

bool set_verification(unit& u, tenant_id tenant, bot_id bot, const std::string& hash, wall_time now,
                      wall_time expires) {
  auto made = u.execute("INSERT INTO verification_codes (bot, hash, attempts, created, expires) "
                        "SELECT id, CAST(:hash AS TEXT), 0, CAST(:now AS BIGINT), "
                        "CAST(:expires AS BIGINT) FROM bots WHERE tenant = :tenant AND id = :bot "
                        "ON CONFLICT (bot) DO UPDATE SET hash = excluded.hash, attempts = 0, "
                        "created = excluded.created, expires = excluded.expires",
                        hash, now, expires, tenant, bot)
              == 1;
  if (made)
    u.execute("DELETE FROM verification_tries WHERE bot = :bot", bot);
  return made;
}

std::optional<verification> find_verification(unit& u, tenant_id tenant, bot_id bot) {
  auto found =
    u.row<stored_code>("SELECT hash, attempts, created, expires FROM verification_codes "
                       "WHERE bot = (SELECT id FROM bots WHERE tenant = :tenant AND id = :bot)",
                       tenant, bot);
  if (!found)
    return std::nullopt;
  return found->about;
}

verdict verify(unit& u, bot_id bot, const std::string& hash, std::int64_t sender,
               std::int64_t max_attempts, wall_time now) {
  auto found = u.row<stored_code>(
    "SELECT hash, attempts, created, expires FROM verification_codes WHERE bot = :bot", bot);
  if (!found)
    return verdict::no_code;
  if (found->about.expires <= now)
    return verdict::expired;
  auto tried = u.value<std::int64_t>("SELECT attempts FROM verification_tries "
                                     "WHERE bot = :bot AND sender = :sender",
                                     bot, sender)
                 .value_or(0);
  if (tried >= max_attempts || found->about.attempts >= most_attempts)
    return verdict::too_many_attempts;
  if (hash.empty())
    return verdict::wrong;
  if (!crypto::same(found->hash, hash)) {
    u.execute("UPDATE verification_codes SET attempts = attempts + 1 WHERE bot = :bot", bot);
    u.execute("INSERT INTO verification_tries (bot, sender, attempts) VALUES (:bot, :sender, 1) "
              "ON CONFLICT (bot, sender) DO UPDATE SET attempts = verification_tries.attempts + 1",
              bot, sender);
    return verdict::wrong;
  }
  u.execute("UPDATE bots SET owner = :owner, verified = :verified, updated = :now, "
            "version = version + 1 WHERE id = :bot",
            sender, now, now, bot);
  u.execute("DELETE FROM verification_codes WHERE bot = :bot", bot);
  return verdict::verified;
}

std::optional<std::int64_t> add_virtual_token(unit& u, const virtual_token& x,
                                              const std::string& hash) {
  return u.value<std::int64_t>(
    "INSERT INTO virtual_tokens (tenant, bot, name, hash, methods, created, expires) "
    "SELECT tenant, id, CAST(:name AS TEXT), CAST(:hash AS TEXT), CAST(:methods AS TEXT), "
    "CAST(:created AS BIGINT), CAST(:expires AS BIGINT) "
    "FROM bots WHERE tenant = :tenant AND id = :bot RETURNING id",
    x.name, hash, joined(x.methods), x.created, x.expires, x.tenant, x.bot);
}

std::vector<virtual_token> list_virtual_tokens(unit& u, tenant_id tenant, bot_id bot,
                                               std::int64_t after, std::size_t limit) {
  std::vector<virtual_token> result;
  for (auto& one : u.rows<stored_virtual_token>(
         "SELECT id, tenant, bot, name, methods, created, expires, revoked, hash "
         "FROM virtual_tokens WHERE tenant = :tenant AND bot = :bot AND id > :after "
         "ORDER BY id LIMIT :limit",
         tenant, bot, after, limit))
    result.push_back(completed(std::move(one)));
  return result;
}

std::int64_t count_virtual_tokens(unit& u, bot_id bot, wall_time now) {
  return u
    .value<std::int64_t>("SELECT COUNT(*) FROM virtual_tokens WHERE bot = :bot AND revoked IS NULL "
                         "AND (expires IS NULL OR expires > :now)",
                         bot, now)
    .value_or(0);
}

bool revoke_virtual_token(unit& u, tenant_id tenant, bot_id bot, std::int64_t id, wall_time now) {
  return u.execute("UPDATE virtual_tokens SET revoked = :now WHERE tenant = :tenant "
                   "AND bot = :bot AND id = :id AND revoked IS NULL",
                   now, tenant, bot, id)
         == 1;
}

static std::vector<std::pair<virtual_token, std::string>>
with_hashes(std::vector<stored_virtual_token> rows) {
  std::vector<std::pair<virtual_token, std::string>> result;
  for (auto& one : rows) {
    auto hash = one.hash;
    result.emplace_back(completed(std::move(one)), std::move(hash));
  }
  return result;
}

std::vector<std::pair<virtual_token, std::string>>
load_virtual_tokens(unit& u, std::int64_t after, std::size_t limit, wall_time now) {
  return with_hashes(u.rows<stored_virtual_token>(
    "SELECT id, tenant, bot, name, methods, created, expires, revoked, hash "
    "FROM virtual_tokens WHERE id > :after AND revoked IS NULL "
    "AND (expires IS NULL OR expires > :now) ORDER BY id LIMIT :limit",
    after, now, limit));
}

std::vector<std::pair<virtual_token, std::string>> load_virtual_tokens(unit& u, std::int64_t after,
                                                                       std::size_t limit,
                                                                       wall_time now,
                                                                       const shard_set& of) {
  return with_hashes(u.rows<stored_virtual_token>(
    "SELECT v.id, v.tenant, v.bot, v.name, v.methods, v.created, v.expires, v.revoked, v.hash "
    "FROM virtual_tokens v JOIN bot_shards s ON s.bot = v.bot "
    "WHERE v.id > :after AND v.revoked IS NULL AND (v.expires IS NULL OR v.expires > :now) "
    "AND " TROUPE_IN_SHARDS("s.shard") " ORDER BY v.id LIMIT :limit",
    after, now, of.text(), limit));
}

std::optional<virtual_token> find_virtual_token(unit& u, const std::string& hash) {
  auto found = u.row<stored_virtual_token>(
    "SELECT id, tenant, bot, name, methods, created, expires, revoked, hash "
    "FROM virtual_tokens WHERE hash = :hash",
    hash);
  if (!found)
    return std::nullopt;
  return completed(*std::move(found));
}

} // namespace troupe::store
