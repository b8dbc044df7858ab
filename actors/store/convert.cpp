#include "actors/store/convert.hpp"

namespace troupe::storage {
namespace {

template <class To, class From>
To counts_of(const From& x) {
  To result;
  result.requests = x.requests;
  result.failures = x.failures;
  result.client_errors = x.client_errors;
  result.rate_limited = x.rate_limited;
  result.latency_us = x.latency_us;
  return result;
}

std::uint32_t small(std::int64_t x) noexcept {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(x, 0, UINT32_MAX));
}

std::uint64_t big(std::int64_t x) noexcept {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(x, 0));
}

} // namespace

bot_row row_of(const store::bot& x) {
  bot_row row;
  row.id = x.id;
  row.tenant = x.tenant;
  row.username = x.username;
  row.name = x.name;
  row.phase = x.state.phase;
  row.reason = x.state.reason;
  row.since = ms_of(x.state.since);
  row.until = ms_of(x.state.until);
  row.quarantines = small(x.state.quarantines);
  row.owner = x.owner.value_or(0);
  row.verified = ms_of(x.verified);
  row.rps = small(x.limits.rps);
  row.concurrent = small(x.limits.concurrent);
  row.settings = x.settings;
  row.created = ms_of(x.created);
  row.updated = ms_of(x.updated);
  row.version = x.version;
  return row;
}

store::bot bot_of(const bot_row& x) {
  store::bot bot;
  bot.id = x.id;
  bot.tenant = x.tenant;
  bot.username = x.username;
  bot.name = x.name;
  bot.state = {x.phase, x.reason, time_of(x.since), maybe_time(x.until), x.quarantines};
  if (x.owner != 0)
    bot.owner = x.owner;
  bot.verified = maybe_time(x.verified);
  bot.limits = {x.rps, x.concurrent};
  bot.settings = x.settings;
  bot.created = time_of(x.created);
  bot.updated = time_of(x.updated);
  bot.version = x.version;
  return bot;
}

tenant_row row_of(const store::tenant& x) {
  return {x.id,        x.name, x.state == store::tenant_state::suspended, small(x.max_bots),
          small(x.rps), ms_of(x.created)};
}

store::tenant tenant_of(const tenant_row& x) {
  auto state = x.suspended ? store::tenant_state::suspended : store::tenant_state::active;
  return {x.id, x.name, state, x.max_bots, x.rps, time_of(x.created)};
}

user_row row_of(const store::user& x) {
  return {x.id, x.tenant, x.name, static_cast<key_role>(x.role), ms_of(x.created)};
}

key_row row_of(const store::api_key& x) {
  key_row row;
  row.id = x.id;
  row.tenant = x.tenant.value_or(0);
  row.user = x.user.value_or(0);
  row.role = static_cast<key_role>(x.role);
  row.name = x.name;
  row.prefix = x.prefix;
  row.created = ms_of(x.created);
  row.expires = ms_of(x.expires);
  row.revoked = ms_of(x.revoked);
  row.used = ms_of(x.used);
  return row;
}

virtual_token_row row_of(const store::virtual_token& x) {
  return {x.id,      x.tenant,         x.bot,            x.name,
          x.methods, ms_of(x.created), ms_of(x.expires), ms_of(x.revoked)};
}

health_row row_of(const store::health_snapshot& x) {
  health_row row;
  row.bot = x.bot;
  row.status = x.status;
  row.requests = big(x.requests);
  row.failures = big(x.failures);
  row.client_errors = big(x.client_errors);
  row.rate_limited = big(x.rate_limited);
  row.latency_us = x.latency_us;
  row.consecutive_failures = small(x.consecutive_failures);
  row.last_success = ms_of(x.last_success);
  row.last_failure = ms_of(x.last_failure);
  row.breaker = x.breaker;
  row.breaker_until = ms_of(x.breaker_until);
  row.saved = ms_of(x.saved);
  return row;
}

store::health_snapshot health_of(const health_row& x) {
  store::health_snapshot to;
  to.bot = x.bot;
  to.status = x.status;
  to.requests = static_cast<std::int64_t>(x.requests);
  to.failures = static_cast<std::int64_t>(x.failures);
  to.client_errors = static_cast<std::int64_t>(x.client_errors);
  to.rate_limited = static_cast<std::int64_t>(x.rate_limited);
  to.latency_us = x.latency_us;
  to.consecutive_failures = x.consecutive_failures;
  to.last_success = maybe_time(x.last_success);
  to.last_failure = maybe_time(x.last_failure);
  to.breaker = x.breaker;
  to.breaker_until = maybe_time(x.breaker_until);
  to.saved = time_of(x.saved);
  return to;
}

usage_row row_of(std::int64_t at, const store::usage& x) {
  usage_row row;
  row.at = at;
  row.calls = counts_of<usage_counts>(x.calls);
  row.updates = x.updates;
  for (const auto& [name, counts] : x.methods)
    row.methods.emplace_back(name, counts_of<usage_counts>(counts));
  row.kinds.assign(x.kinds.begin(), x.kinds.end());
  row.chats = x.chats;
  row.hours.assign(x.hours.begin(), x.hours.end());
  return row;
}

store::usage usage_of(const usage_row& x) {
  store::usage to;
  to.calls = counts_of<store::call_counts>(x.calls);
  to.updates = x.updates;
  for (const auto& [name, counts] : x.methods)
    to.methods[name].add(counts_of<store::call_counts>(counts));
  for (const auto& [kind, count] : x.kinds)
    to.kinds[kind] += count;
  for (const auto& [chat, count] : x.chats)
    to.count_chat(chat, count);
  return to;
}

audit_row row_of(const store::audit_entry& x) {
  audit_row row;
  row.id = x.id;
  row.at = ms_of(x.at);
  row.by = {x.actor, x.key.value_or(0), x.address, x.request};
  row.tenant = x.tenant.value_or(0);
  row.action = x.action;
  row.subject = x.subject;
  row.outcome = x.outcome;
  row.detail = x.detail;
  return row;
}

store::audit_entry entry_of(const audit_row& x) {
  store::audit_entry to;
  to.at = time_of(x.at);
  to.actor = x.by.name;
  if (x.by.key != 0)
    to.key = x.by.key;
  if (x.tenant != 0)
    to.tenant = x.tenant;
  to.action = x.action;
  to.subject = x.subject;
  to.outcome = x.outcome;
  to.address = x.by.address;
  to.request = x.by.request;
  to.detail = x.detail;
  return to;
}

} // namespace troupe::storage
