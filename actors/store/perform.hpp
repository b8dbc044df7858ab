#pragma once
#include "actors/store/context.hpp"
#include "messages/store.hpp"
#include "runtime/store/database.hpp"

#include <caf/expected.hpp>

/// One function per request of the store: what it does to the database, in a unit of work that
/// others may share, and that may be run again. A refusal changes nothing but the audit trail.
namespace troupe::storage {

template <class T>
using answer = caf::expected<T>;
using store::unit;

// bots, perform_bots.cpp
answer<bot_batch> perform(unit& u, const context& c, const bot_lookup& x);
answer<page<bot_row>> perform(unit& u, const context& c, const bot_query& x);
answer<page<loaded_bot>> perform(unit& u, const context& c, const bot_load& x);
answer<bot_row> perform(unit& u, const context& c, const bot_insert& x);
answer<bot_row> perform(unit& u, const context& c, const bot_state_set& x);
answer<bot_row> perform(unit& u, const context& c, const bot_token_set& x);
answer<bot_row> perform(unit& u, const context& c, const bot_change& x);
answer<bot_row> perform(unit& u, const context& c, const bot_remove& x);

// tokens and codes, perform_tokens.cpp
answer<made_virtual_token> perform(unit& u, const context& c, const virtual_token_make& x);
answer<done> perform(unit& u, const context& c, const virtual_token_revoke& x);
answer<page<virtual_token_row>> perform(unit& u, const context& c, const virtual_token_query& x);
answer<page<made_virtual_token>> perform(unit& u, const context& c, const virtual_token_load& x);
answer<verification_row> perform(unit& u, const context& c, const verification_make& x);
answer<code_verdict> perform(unit& u, const context& c, const verification_try& x);
answer<verification_row> perform(unit& u, const context& c, const verification_query& x);

// tenants, users, keys, perform_tenants.cpp
answer<tenant_row> perform(unit& u, const context& c, const tenant_put& x);
answer<done> perform(unit& u, const context& c, const tenant_remove& x);
answer<page<tenant_row>> perform(unit& u, const context& c, const tenant_query& x);
answer<user_row> perform(unit& u, const context& c, const user_put& x);
answer<done> perform(unit& u, const context& c, const user_remove& x);
answer<page<user_row>> perform(unit& u, const context& c, const user_query& x);
answer<made_key> perform(unit& u, const context& c, const key_make& x);
answer<done> perform(unit& u, const context& c, const key_revoke& x);
answer<page<key_row>> perform(unit& u, const context& c, const key_query& x);
answer<identity> perform(unit& u, const context& c, const authenticate& x);

// what is counted and kept, perform_records.cpp
answer<done> perform(unit& u, const context& c, const health_save& x);
answer<health_row> perform(unit& u, const context& c, const health_query& x);
answer<page<health_row>> perform(unit& u, const context& c, const health_load& x);
answer<done> perform(unit& u, const context& c, const usage_add& x);
answer<usage_report> perform(unit& u, const context& c, const usage_query& x);
answer<audit_row> perform(unit& u, const context& c, const audit_row& x);
answer<page<audit_row>> perform(unit& u, const context& c, const audit_query& x);
answer<idempotency_answer> perform(unit& u, const context& c, const idempotency_begin& x);
answer<done> perform(unit& u, const context& c, const idempotency_end& x);

/// Whether a request only reads.
template <class Request>
inline constexpr bool only_reads = false;
template <>
inline constexpr bool only_reads<bot_lookup> = true;
template <>
inline constexpr bool only_reads<bot_query> = true;
template <>
inline constexpr bool only_reads<bot_load> = true;
template <>
inline constexpr bool only_reads<virtual_token_query> = true;
template <>
inline constexpr bool only_reads<virtual_token_load> = true;
template <>
inline constexpr bool only_reads<verification_query> = true;
template <>
inline constexpr bool only_reads<tenant_query> = true;
template <>
inline constexpr bool only_reads<user_query> = true;
template <>
inline constexpr bool only_reads<key_query> = true;
template <>
inline constexpr bool only_reads<authenticate> = true;
template <>
inline constexpr bool only_reads<health_query> = true;
template <>
inline constexpr bool only_reads<health_load> = true;
template <>
inline constexpr bool only_reads<usage_query> = true;
template <>
inline constexpr bool only_reads<audit_query> = true;

/// The bot whose life a request changes: written by the owner of its shard alone.
template <class Request>
inline constexpr bool is_fenced = false;
template <>
inline constexpr bool is_fenced<bot_insert> = true;
template <>
inline constexpr bool is_fenced<bot_state_set> = true;
template <>
inline constexpr bool is_fenced<bot_token_set> = true;
template <>
inline constexpr bool is_fenced<bot_change> = true;
template <>
inline constexpr bool is_fenced<bot_remove> = true;
template <>
inline constexpr bool is_fenced<virtual_token_make> = true;
template <>
inline constexpr bool is_fenced<virtual_token_revoke> = true;
template <>
inline constexpr bool is_fenced<verification_make> = true;
template <>
inline constexpr bool is_fenced<verification_try> = true;

[[nodiscard]] inline bot_id fenced_bot(const bot_insert& x) noexcept {
  return x.bot.id;
}
template <class Request>
[[nodiscard]] bot_id fenced_bot(const Request& x) noexcept {
  return x.bot;
}

} // namespace troupe::storage
