#include "runtime/config/schema/sections.hpp"

// Settings of what listens: gateway, api, webhook.
namespace troupe::config {
namespace {

const std::array of_gateway{
  option{"gateway",
         "address",
         AT(gateway.address),
         "IP address to listen on.",
         {},
         0,
         0,
         form::ip_address},
  option{"gateway", "port", AT(gateway.port), "Port to listen on; 0: any free one.", {}, 0, 65'535},
  option{"gateway", "threads", AT(gateway.threads),
         "I/O threads; each has its own listener and connections.", "threads", 1, 256},
  option{"gateway", "tls-cert", AT(gateway.tls_cert),
         "PEM file with the certificate chain; empty: plain HTTP."},
  option{"gateway", "tls-key", AT(gateway.tls_key), "PEM file with the certificate's private key."},
  option{"gateway",
         "unknown-tokens",
         AT(gateway.unknown_tokens),
         "A token of no known bot is refused with 401, or adopted as a new bot.",
         {},
         0,
         0,
         form::choice,
         "reject|adopt"},
  option{"gateway", "max-unproven", AT(gateway.max_unproven),
         "Adopted tokens that the upstream has not accepted yet.", "tokens", 1, 10'000'000},
  option{"gateway",
         "default-deadline",
         AT(gateway.default_deadline),
         "How long a call may wait for budget and retries without `X-Troupe-Deadline`.",
         {},
         10 * ms,
         hour},
  option{"gateway",
         "max-head",
         AT(gateway.max_head),
         "Largest request head.",
         {},
         kib,
         16 * mib,
         form::any,
         {},
         bytes},
  option{"gateway",
         "replay-limit",
         AT(gateway.replay_limit),
         "Request bodies up to this size are held, so that a failed call can be repeated; larger "
         "ones are streamed once.",
         {},
         0,
         64 * mib,
         form::any,
         {},
         bytes},
  option{"gateway",
         "header-timeout",
         AT(gateway.header_timeout),
         "A request's head must be complete within this.",
         {},
         10 * ms,
         hour},
  option{"gateway",
         "idle-timeout",
         AT(gateway.idle_timeout),
         "An idle client connection is closed after this.",
         {},
         100 * ms,
         day},
  option{"gateway", "max-connections", AT(gateway.max_connections),
         "Client connections at once, over all threads.", "connections", 1, 1'000'000},
};

const std::array of_api{
  option{"api", "address", AT(api.address), "IP address to listen on.", {}, 0, 0, form::ip_address},
  option{"api", "port", AT(api.port), "Port to listen on; 0: any free one.", {}, 0, 65'535},
  option{"api", "tls-cert", AT(api.tls_cert),
         "PEM file with the certificate chain; empty: plain HTTP."},
  option{"api", "tls-key", AT(api.tls_key), "PEM file with the certificate's private key."},
  option{"api",
         "answer-timeout",
         AT(api.answer_timeout),
         "A request is answered with 503 when a service says nothing for so long.",
         {},
         10 * ms,
         10 * minute},
  option{"api", "max-connections", AT(api.max_connections), "Client connections at once.",
         "connections", 1, 100'000},
  changes_live(option{"api", "user-rpm", AT(api.user_rpm),
                      "Requests of one user in any minute; a tenant's keys without a user count as "
                      "one. 0 means no limit.",
                      "requests/min", 0, 100'000}),
  changes_live(option{"api", "creations-per-minute", AT(api.creations_per_minute),
                      "Bots registered from one address in any minute. 0 means no limit.", "bots",
                      0, 100'000}),
  changes_live(option{"api", "failures-per-minute", AT(api.failures_per_minute),
                      "Requests with a wrong key from one address in any minute; then all of its "
                      "requests with a key are refused for a while. 0 means no limit.",
                      "requests/min", 0, 100'000}),
  changes_live(option{
         "api",
         "trusted-proxies",
         AT(api.trusted_proxies),
         "Proxies whose X-Forwarded-For is believed: addresses and networks, separated by commas. "
         "Empty: none.",
         {},
         0,
         0,
         form::networks}),
};

const std::array of_webhook{
  option{"webhook",
         "address",
         AT(webhook.address),
         "IP address to listen on. Nothing listens without `public-url`.",
         {},
         0,
         0,
         form::ip_address},
  option{"webhook", "port", AT(webhook.port), "Port to listen on; 0: any free one.", {}, 0, 65'535},
  option{"webhook", "tls-cert", AT(webhook.tls_cert),
         "PEM file with the certificate chain; empty: plain HTTP, behind a proxy that speaks TLS."},
  option{"webhook", "tls-key", AT(webhook.tls_key), "PEM file with the certificate's private key."},
  option{"webhook",
         "public-url",
         AT(webhook.public_url),
         "How Telegram reaches this listener; empty: bots are polled.",
         {},
         0,
         0,
         form::public_url},
  option{"webhook",
         "former-url",
         AT(webhook.former_url),
         "What `public-url` was before: webhooks that still lead there are this node's, and are "
         "moved.",
         {},
         0,
         0,
         form::public_url},
  option{"webhook", "certificate", AT(webhook.certificate),
         "PEM file with the certificate that Telegram is given to trust, when it is self-signed; "
         "empty: Telegram trusts it by itself."},
  option{"webhook", "check-source", AT(webhook.check_source),
         "Whether only Telegram's own networks are let in (149.154.160.0/20, 91.108.4.0/22). "
         "Behind a proxy set `api.trusted-proxies`, too."},
  option{"webhook", "threads", AT(webhook.threads), "I/O threads.", "threads", 1, 64},
  option{"webhook",
         "max-body",
         AT(webhook.max_body),
         "Largest update.",
         {},
         kib,
         64 * mib,
         form::any,
         {},
         bytes},
  option{"webhook", "max-connections", AT(webhook.max_connections), "Connections at once.",
         "connections", 1, 1'000'000},
  option{"webhook",
         "check-every",
         AT(webhook.check_every),
         "Each bot's webhook at Telegram is looked at so often, and repaired when it is another.",
         {},
         second,
         day},
  option{"webhook", "looks-per-second", AT(webhook.looks_per_second),
         "Bots whose webhook is looked at or set in one second, over all bots: with many bots, "
         "`check-every` takes longer; those whose updates stopped come first. Each takes one or two "
         "requests of the global budget. 0: a fifth of `rate-governor.global-rps`, or 20 where that "
         "has no limit.",
         "bots/s", 0, 1000},
  option{"webhook",
         "silent-after",
         AT(webhook.silent_after),
         "A bot whose updates were coming is looked at before the others' turn when none came for "
         "ten usual pauses, and at least so long.",
         {},
         second,
         hour},
  option{"webhook",
         "poll-timeout",
         AT(webhook.poll_timeout),
         "Of bots without a webhook: Telegram waits so long for an update before a poll ends empty.",
         {},
         second,
         50 * second},
};

} // namespace

std::span<const option> gateway_section() noexcept {
  return of_gateway;
}

std::span<const option> api_section() noexcept {
  return of_api;
}

std::span<const option> webhook_section() noexcept {
  return of_webhook;
}

} // namespace troupe::config
