#pragma once
#include "messages/errors.hpp"
#include "messages/store_ids.hpp"

#include <span>

/// What people are told when something fails: one table for every internal error.
namespace troupe::api {

/// The control API's own refusals.
enum class api_error : std::uint8_t {
  bad_request,         ///< A query parameter or a header is wrong.
  bad_json,            ///< The body is no JSON, no UTF-8, too deep, or no object.
  body_missing,        ///< A body is needed.
  body_unexpected,     ///< The route takes no body.
  unknown_field,       ///< The body has a field that the route does not know.
  missing_field,       ///< A field that is needed is not there.
  invalid_field,       ///< A field has a wrong type or value.
  nothing_to_change,   ///< A change that names no field.
  body_too_large,
  head_too_large,
  media_type,          ///< The body is not declared as JSON.
  malformed_http,
  unauthenticated,     ///< No key was given.
  invalid_key,         ///< What was given is no key of this node.
  key_truncated,       ///< A key's check characters are wrong.
  key_expired,
  key_revoked,
  tenant_suspended,
  forbidden,           ///< The key's role does not allow this.
  not_found,           ///< Nothing is at this path.
  method_not_allowed,
  too_many_requests,   ///< The user's requests per minute are used up.
  too_many_creations,  ///< The address's bot creations per minute are used up.
  too_many_failures,   ///< Too many wrong keys from the address in the last minute.
  user_limit,          ///< The tenant has as many users as it may have. Likewise:
  key_limit,
  token_limit,         ///< Virtual tokens, of a bot.
  unknown_tenant,      ///< There is none, or it is another's: nobody is told which. Likewise:
  unknown_user,
  unknown_key,
  unknown_token,
  body_settings,       ///< `updates` and `delivery` together are too large.
  idempotency_key,     ///< The header is no key.
  key_reused,          ///< The idempotency key belongs to another request.
  request_running,     ///< A request with this idempotency key still runs.
  file_exists,         ///< Of a backup.
  no_cluster,          ///< The node is by itself.
  no_backup,           ///< The store is a server's, which has tools of its own for that.
  outcome_unknown,     ///< The request with this idempotency key may have happened.
  change_unknown,      ///< A change was asked for and not answered.
  service_unavailable, ///< A service does not answer.
  not_ready,
  no_store,            ///< The node keeps nothing, so there is nothing to manage.
  internal,
};
inline constexpr std::size_t api_error_count = static_cast<std::size_t>(api_error::internal) + 1;

/// What a program and a person learn of an error. Literals.
struct error_text {
  std::string_view code; ///< Stable, snake_case.
  int status = 500;      ///< HTTP.
  std::string_view sentence; ///< What happened.
  std::string_view advice;   ///< What to do about it.
};

[[nodiscard]] const error_text& text_of(api_error x) noexcept;
[[nodiscard]] const error_text& text_of(ec x) noexcept;
[[nodiscard]] const error_text& text_of(store_refusal x) noexcept;

/// Whether a request may have been carried out although nobody answered.
[[nodiscard]] bool is_silence(const caf::error& x) noexcept;

/// For whatever an actor answered with. Silence reads as a service that does not answer; what
/// nobody foresaw reads as `internal`.
[[nodiscard]] const error_text& text_of(const caf::error& x) noexcept;

/// All rows, for the OpenAPI document and the tests.
[[nodiscard]] std::span<const error_text> api_error_texts() noexcept;
[[nodiscard]] std::span<const error_text> ec_texts() noexcept;
[[nodiscard]] std::span<const error_text> store_texts() noexcept;

} // namespace troupe::api
