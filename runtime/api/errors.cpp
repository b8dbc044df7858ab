#include "runtime/api/errors.hpp"

#include "messages/store.hpp"

#include <caf/sec.hpp>

#include <array>

namespace troupe::api {
namespace {

constexpr std::string_view try_again = "Try again in a moment.";
constexpr std::string_view see_document = "See /openapi.json for what the route takes.";

/// In the order of api_error.
constexpr std::array own{
  error_text{"bad_request", 400, "A parameter of the request is not allowed.", see_document},
  error_text{"bad_json", 400, "The body is not a JSON object.",
             "Send one JSON object in UTF-8, at most 32 levels deep."},
  error_text{"body_missing", 400, "This request needs a body.", see_document},
  error_text{"body_unexpected", 400, "This request takes no body.", "Send it without a body."},
  error_text{"unknown_field", 400, "The body has a field that is not known here.", see_document},
  error_text{"missing_field", 400, "A field that is needed is missing.", see_document},
  error_text{"invalid_field", 400, "A field has a value that is not allowed.", see_document},
  error_text{"nothing_to_change", 400, "The body names nothing to change.",
             "Send at least one of the fields that can be changed."},
  error_text{"body_too_large", 413, "The body is too large.", "Send at most 4 MiB."},
  error_text{"head_too_large", 431, "The request's head is too large.",
             "Send fewer or shorter headers."},
  error_text{"media_type", 415, "The body is not declared as JSON.",
             "Send the header Content-Type: application/json."},
  error_text{"malformed_http", 400, "The request is not well-formed HTTP/1.1.",
             "Check the client or the proxy that made it."},
  error_text{"unauthenticated", 401, "This needs an API key.",
             "Send the header Authorization: Bearer KEY; the first operator key is in operator.key "
             "in the node's data directory."},
  error_text{"invalid_key", 401, "The API key is not valid.",
             "Check that it is a key of this node, or ask for a new one."},
  error_text{"key_truncated", 401, "The API key is incomplete or mistyped.",
             "Copy the whole key: 55 characters, beginning with trp_."},
  error_text{"key_expired", 401, "The API key has expired.", "Ask for a new key."},
  error_text{"key_revoked", 401, "The API key was revoked.", "Ask for a new key."},
  error_text{"tenant_suspended", 403, "The tenant of this API key is suspended.",
             "Ask the operator of this node."},
  error_text{"forbidden", 403, "The API key's role does not allow this.",
             "Use a key with a role that may do it."},
  error_text{"not_found", 404, "There is nothing at this path.",
             "See /openapi.json for all paths."},
  error_text{"method_not_allowed", 405, "This resource does not take that method.",
             "Use one of the methods that the header Allow names."},
  error_text{"too_many_requests", 429, "This user made too many requests in the last minute.",
             "Wait as many seconds as the header Retry-After says."},
  error_text{"too_many_creations", 429,
             "Too many bots were registered from this address in the last minute.",
             "Wait as many seconds as the header Retry-After says."},
  error_text{"too_many_failures", 429,
             "Too many requests with a wrong API key came from this address in the last minute.",
             "Correct the key, and wait as many seconds as the header Retry-After says."},
  error_text{"user_limit", 409, "The tenant has as many users as it may have.",
             "Remove users who are gone, or ask the operator for more."},
  error_text{"key_limit", 409, "The tenant has as many valid keys as it may have.",
             "Revoke keys that nobody uses, or ask the operator for more."},
  error_text{"token_limit", 409, "The bot has as many valid virtual tokens as it may have.",
             "Revoke tokens that nobody uses, or ask the operator for more."},
  error_text{"unknown_tenant", 404, "There is no such tenant.",
             "Check the id; GET /v1/tenants lists the tenants."},
  error_text{"unknown_user", 404, "There is no such user.",
             "Check the id; the tenant's list of users shows them."},
  error_text{"unknown_key", 404, "There is no such key, or it is not valid any more.",
             "Check the id; the list of keys shows them."},
  error_text{"unknown_token", 404, "There is no such virtual token, or it is not valid any more.",
             "Check the id; GET /v1/bots/{id}/tokens lists them."},
  error_text{"settings_too_large", 400, "`updates` and `delivery` together are too large.",
             "Send at most 16 KiB of them."},
  error_text{"bad_idempotency_key", 400, "The header Idempotency-Key is no key.",
             "Send 1 to 256 printable ASCII characters without blanks."},
  error_text{"idempotency_key_reused", 409, "This idempotency key was used for another request.",
             "Use a new key for a new request."},
  error_text{"request_running", 409, "A request with this idempotency key still runs.",
             "Wait as many seconds as the header Retry-After says, then ask again."},
  error_text{"file_exists", 409, "A file of this name is there already.", "Name another one."},
  error_text{"no_cluster", 409, "The node is by itself.",
             "There is nobody to take its bots; cluster.etcd names the etcd of a cluster."},
  error_text{"no_backup", 409,
             "The node's store is a database server's: the node does not copy it.",
             "Use the server's own tools; docs/backup.md names them."},
  error_text{"outcome_unknown", 409,
             "It is not known whether the request with this idempotency key was carried out.",
             "Find out, or repeat it with a new key if doing it twice does no harm."},
  error_text{"change_unknown", 503, "It is not known whether the change was made.",
             "Look at the current state before you repeat the request."},
  error_text{"service_unavailable", 503, "A part of the node does not answer right now.",
             try_again},
  error_text{"not_ready", 503, "A service does not answer; see `services`.", try_again},
  error_text{"no_store", 503, "This node keeps no bots, tenants or keys.",
             "Start it with a store to manage them."},
  error_text{"internal", 500, "The request failed inside the node.",
             "Report it with its request_id; the node's log tells more."},
};
static_assert(own.size() == api_error_count);

/// In the order of ec.
constexpr std::array of_node{
  error_text{"internal", 500, "The request failed inside the node.",
             "Report it with its request_id; the node's log tells more."},
  error_text{"unknown_bot", 404, "There is no such bot.",
             "Check the id; GET /v1/bots lists your bots."},
  error_text{"bot_unauthorized", 409, "Telegram rejects this bot's token.",
             "Get a new token from @BotFather and send it to :rotateToken."},
  error_text{"bot_suspended", 409, "The bot or its tenant is suspended.",
             "Resume the bot with :resume, or its tenant."},
  error_text{"bot_quarantined", 503, "The bot crashed too often and rests.",
             "Wait as long as Retry-After says, or restart it with :restart."},
  error_text{"queue_full", 429, "The bot has as many waiting calls as it may have.",
             "Send more slowly, or wait for earlier calls to end."},
  error_text{"budget_wait_too_long", 429,
             "The request budget frees up only after the call's deadline.",
             "Wait as long as Retry-After says, or allow the call more time."},
  error_text{"breaker_open", 503, "The bot's calls fail, so they are held back for a while.",
             "Wait as long as Retry-After says."},
  error_text{"upstream_open", 503, "The Bot API does not answer, so calls are held back.",
             "Wait as long as Retry-After says."},
  error_text{"no_session", 503, "No connection to the Bot API became free in time.", try_again},
  error_text{"draining", 503, "The node is shutting down.", "Use another node, or try again."},
  error_text{"deadline_passed", 504, "The call's deadline passed while it waited.",
             "Allow the call more time, or send fewer calls at once."},
  error_text{"not_retried", 502, "The Bot API did not take the call.", try_again},
  error_text{"cancelled", 503, "The request was given up before it was done.", try_again},
  error_text{"upstream_unreachable", 502, "The connection to the Bot API broke.",
             "Try again if repeating the call does no harm."},
  error_text{"service_unavailable", 503, "A part of the node does not answer right now.",
             try_again},
  error_text{"misconfigured", 503, "The node's configuration does not allow this.",
             "Ask the operator to look at the node's log."},
  error_text{"service_unavailable", 503, "A part of the node does not answer right now.",
             try_again},
  error_text{"too_many_bots", 503, "The node has as many bots as it may have.",
             "Remove bots, or ask the operator for more."},
  error_text{"journal_full", 503, "As many updates wait for the bot as may wait.",
             "Let the bot's receiver take what waits; new updates are kept by Telegram meanwhile."},
  error_text{"pull_conflict", 409, "Another poll of the bot's updates took this one's place.",
             "Run one poller for each bot, or give each worker a virtual token of its own."},
  error_text{"not_pulled", 409, "The bot's updates are delivered in another way than by polls.",
             "Change the bot's `delivery` to `pull`, or stop polling."},
  error_text{"bot_passive", 503, "The bot is idle and not in memory.", "Try again."},
};
static_assert(of_node.size() == ec_names.size());

/// In the order of store_refusal.
constexpr std::array of_store{
  error_text{"internal", 500, "The request failed inside the node.",
             "Report it with its request_id; the node's log tells more."},
  error_text{"not_found", 404, "There is no such thing here.", "Check the id."},
  error_text{"duplicate", 409, "This exists already.",
             "Use the one that exists. A bot is registered once: whoever has it removes it first. "
             "Anything else needs another name."},
  error_text{"conflict", 409,
             "It was changed by somebody else meanwhile, or something still "
             "hangs on it.",
             "Read it again, then decide."},
  error_text{"bot_limit", 409, "The tenant has as many bots as it may have.",
             "Remove bots, or ask the operator for more."},
  error_text{"invalid_value", 400, "A value of the request cannot be kept.", see_document},
  error_text{"revoked", 409, "It was revoked.", "Make a new one."},
  error_text{"expired", 409, "Its time is over.", "Make a new one."},
  error_text{"tenant_suspended", 403, "The tenant is suspended.", "Ask the operator of this node."},
  error_text{"service_unavailable", 503, "A part of the node does not answer right now.",
             try_again},
  error_text{"storage_full", 503, "The node cannot store anything: its disk is full.",
             "Ask the operator to free space; nothing was changed."},
  error_text{"change_unknown", 503, "It is not known whether the change was made.",
             "Look at the current state before you repeat the request."},
  error_text{"store_failed", 500, "The node's database does not work.",
             "Ask the operator to look at the node's log."},
  error_text{"token_malformed", 422, "This is no bot token.",
             "Copy the whole token from @BotFather: digits, a colon, 35 characters."},
  error_text{"token_rejected", 422, "Telegram does not accept this bot token.",
             "Check that it was not revoked, or get a new one from @BotFather."},
  error_text{"token_of_other_bot", 409, "This token belongs to another bot.",
             "Send a token of this bot, or register the other one."},
  error_text{"bot_not_verified", 409, "The bot's owner is not proven yet.",
             "Ask for a code with POST /v1/bots/{id}/verification and send it to the bot."},
  error_text{"wrong_phase", 409, "The bot's current phase does not allow this.",
             "Look at the bot's phase with GET /v1/bots/{id}."},
  error_text{"upstream_failed", 502, "The Bot API could not be asked.",
             "Try again in a moment; nothing was changed."},
  error_text{"service_unavailable", 503, "A part of the node does not answer right now.",
             try_again},
};
static_assert(of_store.size() == store_refusal_names.size());

} // namespace

const error_text& text_of(api_error x) noexcept {
  auto i = static_cast<std::size_t>(x);
  return own[i < own.size() ? i : api_error_count - 1];
}

const error_text& text_of(ec x) noexcept {
  auto i = static_cast<std::size_t>(x);
  return of_node[i < of_node.size() ? i : 0];
}

const error_text& text_of(store_refusal x) noexcept {
  auto i = static_cast<std::size_t>(x);
  return of_store[i < of_store.size() ? i : 0];
}

bool is_silence(const caf::error& x) noexcept {
  if (x.category() != caf::type_id_v<caf::sec>)
    return false;
  switch (static_cast<caf::sec>(x.code())) {
  case caf::sec::request_timeout:
  case caf::sec::request_receiver_down:
  case caf::sec::broken_promise:
  case caf::sec::runtime_error:
    return true;
  default:
    return false;
  }
}

const error_text& text_of(const caf::error& x) noexcept {
  if (x.category() == caf::type_id_v<ec>)
    return text_of(static_cast<ec>(x.code()));
  if (x.category() == caf::type_id_v<store_refusal>)
    return text_of(static_cast<store_refusal>(x.code()));
  // An empty handle: the service is not running.
  if (is_silence(x) || x == caf::sec::invalid_argument)
    return text_of(api_error::service_unavailable);
  return text_of(api_error::internal);
}

std::span<const error_text> api_error_texts() noexcept {
  return own;
}

std::span<const error_text> ec_texts() noexcept {
  return of_node;
}

std::span<const error_text> store_texts() noexcept {
  return of_store;
}

} // namespace troupe::api
