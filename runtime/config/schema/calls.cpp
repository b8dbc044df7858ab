#include "runtime/config/schema/sections.hpp"

// Settings of what a call meets: bot, session-pool, rate-governor, health.
namespace troupe::config {
namespace {

const std::array of_bot{
  option{"bot", "tokens-file", AT(bot.tokens_file),
         "File with the tokens of the bots to run, one a line (empty lines and lines that begin "
         "with # are skipped), beside those in the environment variable TROUPE_BOT_TOKENS "
         "(separated by commas). Empty: no file."},
  changes_live(option{"bot", "max-concurrent", AT(bot.max_concurrent),
                      "Requests of one bot at once; session-pool.max-per-bot bounds them too.",
                      "requests", 1, 10'000}),
  changes_live(
    option{"bot", "max-queue", AT(bot.max_queue),
           "Calls of one bot that wait for budget and session; more are refused with 429.", "calls",
           1, 100'000}),
  changes_live(option{"bot", "max-polls", AT(bot.max_polls), "Long polls of one bot at once.",
                      "calls", 1, 1000}),
  changes_live(option{"bot", "retries", AT(bot.retries),
                      "Further attempts of a call that failed and may safely be repeated.",
                      "attempts", 0, 100}),
  changes_live(
    option{"bot",
           "first-delay",
           AT(bot.first_delay),
           "Pause before the first retry; doubled for every further one, varied by 0.5 to 1.5. The "
           "default never exceeds max-delay.",
           {},
           ms,
           hour}),
  changes_live(option{
    "bot", "max-delay", AT(bot.max_delay), "The longest pause before a retry.", {}, ms, hour}),
  changes_live(option{
    "bot",
    "passivation",
    AT(bot.passivation),
    "Which idle bots leave memory when there are too many; the next call or update brings one back. "
    "idle: those unused for longest; lru: the least recently used; slru: the same, but those used "
    "once before those used again, so that a walk over all bots moves out none that is busy.",
    {},
    0,
    0,
    form::choice,
    "off|idle|lru|slru"}),
  changes_live(option{"bot", "max-active", AT(bot.max_active),
                      "Bots in memory at once, spread evenly over the shards. One that is needed "
                      "while all of them are busy waits for a second, then is refused with 503.",
                      "bots", 1, 10'000'000}),
  changes_live(option{"bot",
                      "max-active-memory",
                      AT(bot.max_active_memory),
                      "The same bound as memory, of which a bot takes about 4 KiB; 0: none.",
                      {},
                      0,
                      1024.0 * 1024 * 1024 * 1024,
                      form::any,
                      {},
                      bytes}),
  changes_live(option{
    "bot", "idle-after", AT(bot.idle_after),
    "A bot that was unused for so long, and at most for twice as long, leaves memory in any case; "
    "0s: none does.",
    {}, 0, 30 * day}),
  changes_live(option{"bot", "pinned", AT(bot.pinned), "Bots that never leave memory.", {}, 0, 0,
                      form::bot_ids}),
  option{"bot", "shards", AT(bot.shards), "Supervisors that the bots are spread over.",
         "supervisors", 1, 1024},
  changes_live(option{
    "bot",
    "lease-timeout",
    AT(bot.lease_timeout),
    "A granted call that is unheard of for so long is given up. The default is at least twice "
    "session-pool.request-timeout.",
    {},
    second,
    day}),
};

const std::array of_session_pool{
  option{"session-pool",
         "api-root",
         AT(session_pool.api_root),
         "The Bot API server: Telegram's, a private one, or the sandbox.",
         {},
         0,
         0,
         form::api_root},
  option{"session-pool", "ca-file", AT(session_pool.ca_file),
         "PEM file of authorities to trust instead of the system's."},
  changes_live(option{
    "session-pool", "max-connections", AT(session_pool.max_connections),
    "Connections in total, long polls aside. An eighth of them, at least one and at most "
    "`max-downloads`, is kept for file downloads; a single one serves both in turn.",
    "connections", 1, 100'000}),
  changes_live(option{"session-pool", "max-per-host", AT(session_pool.max_per_host),
                      "Connections to one host. The default never exceeds max-connections.",
                      "connections", 1, 100'000}),
  changes_live(
    option{"session-pool", "max-per-bot", AT(session_pool.max_per_bot),
           "Connections that one bot may use at once. The default never exceeds max-per-host.",
           "connections", 1, 100'000}),
  changes_live(option{"session-pool", "max-polls", AT(session_pool.max_polls),
                      "Connections for long polls, beside `max-connections`.", "connections", 0,
                      1'000'000}),
  changes_live(option{"session-pool", "max-downloads", AT(session_pool.max_downloads),
                      "File downloads at once, of all bots; they count in `max-connections` and "
                      "leave requests one at least. One bot has half of them at most.",
                      "connections", 1, 100'000}),
  option{"session-pool",
         "dns-ttl",
         AT(session_pool.dns_ttl),
         "Addresses are kept for so long.",
         {},
         second,
         day},
  option{"session-pool",
         "connect-timeout",
         AT(session_pool.connect_timeout),
         "For name, TCP and TLS together. The default never exceeds request-timeout.",
         {},
         10 * ms,
         10 * minute},
  option{"session-pool",
         "request-timeout",
         AT(session_pool.request_timeout),
         "For one exchange that makes no progress; a long poll may take 75 s.",
         {},
         100 * ms,
         hour},
  changes_live(option{
    "session-pool",
    "idle-timeout",
    AT(session_pool.idle_timeout),
    "A connection that was idle for longer is not used again. The default never exceeds max-age.",
    {},
    second,
    day}),
  changes_live(option{"session-pool",
                      "max-age",
                      AT(session_pool.max_age),
                      "An older connection is not used again.",
                      {},
                      second,
                      7 * day}),
};

const std::array of_rate_governor{
  changes_live(option{"rate-governor", "global-rps", AT(rate_governor.global_rps),
                      "Requests of all bots together in any second. 0 means no limit.",
                      "requests/s", 0, 1'000'000}),
  changes_live(option{"rate-governor", "tenant-rps", AT(rate_governor.tenant_rps),
                      "Requests of one tenant's bots in any second. 0 means no limit.",
                      "requests/s", 0, 1'000'000}),
  changes_live(option{"rate-governor", "bot-rps", AT(rate_governor.bot_rps),
                      "Requests of one bot in any second. 0 means no limit.", "requests/s", 0,
                      100'000}),
  changes_live(
    option{"rate-governor", "chat-rps", AT(rate_governor.chat_rps),
           "Messages to one private chat in any second. 0 means no limit, in 20 seconds neither; "
           "for a limit in 20 seconds alone, set this high.",
           "messages/s", 0, 10'000}),
  changes_live(option{"rate-governor", "chat-per-20s", AT(rate_governor.chat_per_20s),
                      "Messages to one private chat in any 20 seconds. 0 means no limit.",
                      "messages", 0, 100'000}),
  changes_live(option{"rate-governor", "group-rpm", AT(rate_governor.group_rpm),
                      "Messages to one group or channel in any minute. 0 means no limit.",
                      "messages/min", 0, 100'000}),
  changes_live(
    option{"rate-governor", "paid-broadcast-rps", AT(rate_governor.paid_broadcast_rps),
           "Replaces `bot-rps` for requests with allow_paid_broadcast. 0 means no limit.",
           "requests/s", 0, 100'000}),
  changes_live(option{"rate-governor", "max-windows", AT(rate_governor.max_windows),
                      "Windows in memory; beyond, empty ones go.", "windows", 1000, 100'000'000}),
};

const std::array of_health{
  changes_live(option{
    "health", "window", AT(health.window), "Time that error rates look back.", {}, second, hour}),
  changes_live(option{"health", "min-requests", AT(health.min_requests),
                      "With fewer requests in the window, error rates decide nothing.", "requests",
                      1, 1'000'000}),
  changes_live(option{"health", "ewma-alpha", AT(health.ewma_alpha),
                      "Weight of the newest latency in the moving average.", "share", 0.001, 1}),
  changes_live(option{"health", "degraded-from", AT(health.degraded_from),
                      "Error rate that counts as degraded.", "share", 0.001, 1}),
  changes_live(option{"health", "unhealthy-from", AT(health.unhealthy_from),
                      "Error rate that counts as unhealthy.", "share", 0.001, 1}),
  changes_live(option{"health", "failure-threshold", AT(health.failure_threshold),
                      "So many failures in a row open the breaker (and count as unhealthy).",
                      "failures", 1, 10'000}),
  changes_live(option{"health",
                      "open-timeout",
                      AT(health.open_timeout),
                      "An open breaker lets a probe through after this.",
                      {},
                      ms,
                      day}),
  changes_live(option{"health", "success-threshold", AT(health.success_threshold),
                      "So many successful probes in a row close the breaker.", "successes", 1,
                      1000}),
  changes_live(option{"health",
                      "forget-after",
                      AT(health.forget_after),
                      "The record of a bot that made no request for so long is dropped.",
                      {},
                      minute,
                      30 * day}),
  changes_live(option{"health", "max-records", AT(health.max_records),
                      "Bots with a record in memory.", "bots", 1000, 10'000'000}),
  option{"health",
         "persist-every",
         AT(health.persist_every),
         "Records are stored this often.",
         {},
         second,
         day},
};

} // namespace

std::span<const option> bot_section() noexcept {
  return of_bot;
}

std::span<const option> session_pool_section() noexcept {
  return of_session_pool;
}

std::span<const option> rate_governor_section() noexcept {
  return of_rate_governor;
}

std::span<const option> health_section() noexcept {
  return of_health;
}

} // namespace troupe::config
