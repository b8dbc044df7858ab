#include "runtime/config/schema.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <vector>

// The one place that spells keys, ranges and help. Defaults stand in settings.hpp.
#define AT(member) [](settings& s) -> field { return &s.member; }

namespace troupe::config {
namespace {

constexpr double ms = 1e6;
constexpr double second = 1e9;
constexpr double minute = 60 * second;
constexpr double hour = 60 * minute;
constexpr double day = 24 * hour;
constexpr double kib = 1024;
constexpr double mib = 1024 * kib;

constexpr std::array all_files{
  file_info{"node", "the process: where it keeps its data, how it stops"},
  file_info{"supervisor", "restart budgets and shutdown of the supervision tree"},
  file_info{"bot", "the bots and how many calls each may have under way"},
  file_info{"session-pool", "the connections to the Bot API that all bots share"},
  file_info{"rate-governor", "how many requests may go to the Bot API"},
  file_info{"health", "when a bot or the upstream counts as unwell, and the breakers"},
  file_info{"journal", "updates kept until they are delivered"},
  file_info{"delivery", "how updates reach a bot's owner"},
  file_info{"store", "the database"},
  file_info{"gateway", "the listener that client libraries use as their API root"},
  file_info{"api", "the control API, the metrics and the dashboard"},
  file_info{"webhook", "the listener for updates from Telegram"},
  file_info{"cluster", "several nodes as one"},
  file_info{"log", "structured logs"},
  file_info{"secrets", "keys that seal what is stored"},
};

constexpr option changes_live(option x) noexcept {
  x.flags |= live;
  return x;
}

const std::array all_options{
  // node
  option{"node", "name", AT(node.name), "Written as `node` into every log line; empty: left out."},
  option{"node", "data-dir", AT(node.data_dir),
         "Directory for what the node keeps; created with mode 0700 when missing."},
  option{"node",
         "drain-timeout",
         AT(node.drain_timeout),
         "After SIGTERM, calls under way may finish for so long.",
         {},
         0,
         hour},
  option{
    "node", "demo-faults", AT(node.demo_faults),
    "For demonstrations: a request with the header `X-Troupe-Crash: bot` kills its bot's actor."},
  option{"node", "threads", AT(node.threads),
         "Actor worker threads beside the I/O threads (gateway.threads).", "threads", 1, 256},
  // supervisor
  option{"supervisor", "intensity", AT(supervisor.intensity),
         "A service that crashes more often than this within `period` ends its supervisor.",
         "restarts", 0, 1000},
  option{"supervisor",
         "period",
         AT(supervisor.period),
         "Time in which `intensity` counts.",
         {},
         second,
         day},
  option{"supervisor",
         "shutdown-deadline",
         AT(supervisor.shutdown_deadline),
         "A child that was asked to stop is killed after this.",
         {},
         ms,
         hour},
  option{"supervisor",
         "restart-delay",
         AT(supervisor.restart_delay),
         "Pause before a crashed child starts again.",
         {},
         0,
         minute},
  option{"supervisor", "bot-intensity", AT(supervisor.bot_intensity),
         "A bot that crashes more often than this within `bot-period` is quarantined.", "restarts",
         0, 1000},
  option{"supervisor",
         "bot-period",
         AT(supervisor.bot_period),
         "Time in which `bot-intensity` counts.",
         {},
         second,
         day},
  option{"supervisor",
         "quarantine",
         AT(supervisor.quarantine),
         "A bot's first quarantine; every further one is twice as long. The default never exceeds "
         "quarantine-max.",
         {},
         second,
         day},
  option{"supervisor",
         "quarantine-max",
         AT(supervisor.quarantine_max),
         "The longest quarantine.",
         {},
         second,
         30 * day},
  // bot
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
  option{"bot", "max-active", AT(bot.max_active), "Bots in memory at once.", "bots", 1, 10'000'000},
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
  // session-pool
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
    "Connections in total, long polls aside. An eighth of them, at least one, is kept for file "
    "downloads; a single one serves both in turn.",
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
  // rate-governor
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
  // health
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
         day,
         form::any,
         {},
         later},
  // journal
  option{"journal",
         "max-pending",
         AT(journal.max_pending),
         "Updates of one bot waiting for delivery; then its intake pauses.",
         "updates",
         1,
         10'000'000,
         form::any,
         {},
         later},
  option{"journal",
         "lifetime",
         AT(journal.lifetime),
         "An update not delivered for so long becomes a dead letter.",
         {},
         minute,
         30 * day,
         form::any,
         {},
         later},
  // delivery
  option{"delivery",
         "allow-private-addresses",
         AT(delivery.allow_private_addresses),
         "Whether updates may be relayed to private and loopback addresses.",
         {},
         0,
         0,
         form::any,
         {},
         later},
  option{"delivery",
         "pull-conflict",
         AT(delivery.pull_conflict),
         "Of two polls of one bot the older ends empty, or the newer is refused.",
         {},
         0,
         0,
         form::choice,
         "newest-wins|conflict-409",
         later},
  // store
  option{"store",
         "uri",
         AT(store.uri),
         "sqlite:PATH or postgresql://USER@HOST/NAME; empty: SQLite in node.data-dir. A URI with a "
         "password belongs into this file or the environment variable TROUPE_STORE_URI.",
         {},
         0,
         0,
         form::store_uri,
         {},
         later},
  // gateway
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
  // api
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
  option{"api", "user-rpm", AT(api.user_rpm),
         "Requests of one user in any minute. 0 means no limit.", "requests/min", 0, 100'000},
  option{"api", "creations-per-minute", AT(api.creations_per_minute),
         "Bots registered from one address in any minute. 0 means no limit.", "bots", 0, 100'000},
  option{"api",
         "trusted-proxies",
         AT(api.trusted_proxies),
         "Proxies whose X-Forwarded-For is believed: addresses and networks, separated by commas. "
         "Empty: none.",
         {},
         0,
         0,
         form::networks},
  // webhook
  option{"webhook",
         "address",
         AT(webhook.address),
         "IP address to listen on.",
         {},
         0,
         0,
         form::ip_address,
         {},
         later},
  option{"webhook",
         "port",
         AT(webhook.port),
         "Port to listen on; 0: any free one.",
         {},
         0,
         65'535,
         form::any,
         {},
         later},
  option{"webhook",
         "tls-cert",
         AT(webhook.tls_cert),
         "PEM file with the certificate chain; empty: plain HTTP.",
         {},
         0,
         0,
         form::any,
         {},
         later},
  option{"webhook",
         "tls-key",
         AT(webhook.tls_key),
         "PEM file with the certificate's private key.",
         {},
         0,
         0,
         form::any,
         {},
         later},
  option{"webhook",
         "public-url",
         AT(webhook.public_url),
         "How Telegram reaches this listener; empty: bots are polled.",
         {},
         0,
         0,
         form::public_url,
         {},
         later},
  // cluster
  option{"cluster",
         "etcd",
         AT(cluster.etcd),
         "Addresses of the etcd cluster, separated by commas; empty: a single node.",
         {},
         0,
         0,
         form::any,
         {},
         later},
  // log
  option{"log",
         "level",
         AT(log.level),
         "The least severe lines that are written.",
         {},
         0,
         0,
         form::choice,
         "debug|info|warning|error",
         live},
  option{"log",
         "format",
         AT(log.format),
         "auto: human on a terminal, JSON otherwise.",
         {},
         0,
         0,
         form::choice,
         "auto|json|human",
         live},
  changes_live(option{"log",
                      "file",
                      AT(log.file),
                      "Lines are appended to this file; SIGHUP reopens it. Empty: standard error.",
                      {},
                      0,
                      0}),
  // secrets
  option{"secrets",
         "master-key-file",
         AT(secrets.master_key_file),
         "File with the key that seals stored tokens: 32 bytes in base64. The environment variable "
         "TROUPE_MASTER_KEY is used first.",
         {},
         0,
         0,
         form::any,
         {},
         file_only | later},
};

std::size_t distance(std::string_view x, std::string_view y) {
  std::vector<std::size_t> row(y.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= x.size(); ++i) {
    auto diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= y.size(); ++j) {
      auto above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (x[i - 1] == y[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[y.size()];
}

} // namespace

std::span<const option> schema() noexcept {
  return all_options;
}

std::span<const file_info> files() noexcept {
  return all_files;
}

std::string qualified_name(const option& what) {
  std::string name{what.file};
  name += '.';
  name += what.key;
  return name;
}

const option* find_option(std::string_view qualified) noexcept {
  for (auto& one : all_options)
    if (qualified.size() == one.file.size() + 1 + one.key.size() && qualified.starts_with(one.file)
        && qualified[one.file.size()] == '.' && qualified.ends_with(one.key))
      return &one;
  return nullptr;
}

std::string closest_key(std::string_view qualified) {
  if (qualified.size() > 100)
    return {};
  std::string best;
  auto least = qualified.size() / 3 + 1;
  for (auto& one : all_options)
    if (auto name = qualified_name(one); distance(qualified, name) < least) {
      least = distance(qualified, name);
      best = name;
    }
  return best;
}

} // namespace troupe::config
