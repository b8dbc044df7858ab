#include "runtime/store/idempotency.hpp"

#include "runtime/crypto/hash.hpp"

namespace troupe::store {
namespace {

struct kept_request {
  std::string body;
  idempotency_state state = idempotency_state::running;
  kept_answer answer;
  wall_time expires{};
};

auto columns(kept_request& x) {
  return std::tie(x.body, x.state, x.answer.status, x.answer.content_type, x.answer.body,
                  x.expires);
}

/// Texts as they are behind a `t`, other bytes as base64url behind a `b`.
std::string to_column(const std::string& body) {
  if (is_text(body))
    return 't' + body;
  return 'b' + crypto::to_base64url(crypto::as_bytes(body));
}

std::string from_column(const std::string& column) {
  if (column.starts_with('t'))
    return column.substr(1);
  return crypto::from_base64url(std::string_view{column}.substr(column.empty() ? 0 : 1))
    .value_or("");
}

/// What was given up as unknown may turn out to have ended all the same: the store was restarted,
/// the request was not.
bool change(unit& u, const idempotency_key& key, const std::string& node, idempotency_state to,
            const kept_answer& answer) {
  return u.execute("UPDATE idempotency SET state = :state, status = :status, "
                   "content_type = :content_type, answer = :answer "
                   "WHERE tenant = :tenant AND bot = :bot AND key = :key AND owner = :owner "
                   "AND state <> 'done'",
                   to, answer.status, answer.content_type, to_column(answer.body), key.tenant,
                   key.bot, crypto::plain_hash(key.text), node)
         == 1;
}

} // namespace

idempotency_result begin_request(unit& u, const idempotency_key& key, const std::string& body,
                                 const std::string& node, wall_time now, wall_time expires) {
  using enum idempotency_verdict;
  auto hash = crypto::plain_hash(key.text);
  auto found = u.row<kept_request>(
    "SELECT body, state, status, content_type, answer, expires FROM idempotency "
    "WHERE tenant = :tenant AND bot = :bot AND key = :key",
    key.tenant, key.bot, hash);
  if (found && found->expires > now) {
    if (found->body != body)
      return {other_body};
    if (found->state == idempotency_state::running)
      return {running};
    if (found->state == idempotency_state::unknown)
      return {outcome_unknown};
    found->answer.body = from_column(found->answer.body);
    return {done, std::move(found->answer)};
  }
  if (found)
    u.execute("DELETE FROM idempotency WHERE tenant = :tenant AND bot = :bot AND key = :key",
              key.tenant, key.bot, hash);
  auto added = u.execute("INSERT INTO idempotency (tenant, bot, key, body, state, owner, status, "
                         "content_type, answer, created, expires) VALUES (:tenant, :bot, :key, "
                         ":body, 'running', :owner, 0, '', 't', :created, :expires) "
                         "ON CONFLICT DO NOTHING",
                         key.tenant, key.bot, hash, body, node, now, expires);
  if (added != 1)
    throw store_error(fault::busy, "a request with the same key began just now");
  return {started};
}

bool finish_request(unit& u, const idempotency_key& key, const std::string& node,
                    const kept_answer& answer) {
  return change(u, key, node, idempotency_state::done, answer);
}

bool lose_request(unit& u, const idempotency_key& key, const std::string& node) {
  return change(u, key, node, idempotency_state::unknown, {});
}

bool forget_request(unit& u, const idempotency_key& key, const std::string& node) {
  return u.execute("DELETE FROM idempotency WHERE tenant = :tenant AND bot = :bot AND key = :key "
                   "AND owner = :owner AND state <> 'done'",
                   key.tenant, key.bot, crypto::plain_hash(key.text), node)
         == 1;
}

std::size_t lose_requests_of(unit& u, const std::string& node) {
  return u.execute(
    "UPDATE idempotency SET state = 'unknown' WHERE owner = :owner AND state = 'running'", node);
}

std::size_t expire_requests(unit& u, wall_time now, std::size_t limit) {
  using key = std::tuple<tenant_id, bot_id, std::string>;
  auto old = u.rows<key>("SELECT tenant, bot, key FROM idempotency WHERE expires <= :now "
                         "ORDER BY expires LIMIT :limit",
                         now, limit);
  // One by one: SQLite would search only half of the key for a list of them.
  for (auto& [tenant, bot, hash] : old)
    u.execute("DELETE FROM idempotency WHERE tenant = :tenant AND bot = :bot AND key = :key",
              tenant, bot, hash);
  return old.size();
}

} // namespace troupe::store
