#include "runtime/main/trouped/actor_settings.hpp"

#include "runtime/config/bot_ids.hpp"

#include <algorithm>
#include <stdexcept>
#include <fstream>
#include <sstream>

namespace troupe {
namespace {

std::string contents_of(std::string_view setting, const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  std::stringstream text;
  text << file.rdbuf();
  if (!file)
    throw std::runtime_error{std::string{setting} + ": " + path + " cannot be read"};
  return text.str();
}

using std::chrono::duration_cast;
using std::chrono::milliseconds;

milliseconds ms(caf::timespan x) {
  return duration_cast<milliseconds>(x);
}

session_pool_config pool_config(const config::settings& s) {
  session_pool_config result;
  result.max_connections = static_cast<std::uint32_t>(s.session_pool.max_connections);
  result.max_per_host = static_cast<std::uint32_t>(s.session_pool.max_per_host);
  // Both bound a bot's requests at once; the governor, which counts them, knows one number.
  result.max_per_bot =
    static_cast<std::uint32_t>(std::min(s.session_pool.max_per_bot, s.bot.max_concurrent));
  result.max_polls = static_cast<std::uint32_t>(s.session_pool.max_polls);
  result.max_downloads = static_cast<std::uint32_t>(s.session_pool.max_downloads);
  result.idle_timeout = s.session_pool.idle_timeout;
  result.max_age = s.session_pool.max_age;
  return result;
}

delivery_config delivery_config_of(const config::delivery_settings& s) {
  delivery_config result;
  result.max_connections = static_cast<std::uint32_t>(s.max_connections);
  result.max_per_host = static_cast<std::uint32_t>(s.max_per_host);
  result.timeout = s.timeout;
  result.idle_timeout = s.idle_timeout;
  result.allow_private_addresses = s.allow_private_addresses;
  return result;
}

/// How many webhooks are looked at in a second where nobody says: a share of the global budget.
double looks_within(std::size_t global_rps) {
  constexpr double share = 0.2;
  constexpr double without_limit = 20;
  return global_rps > 0 ? share * static_cast<double>(global_rps) : without_limit;
}

webhooks_config webhooks_config_of(const config::webhook_settings& s, std::size_t global_rps) {
  webhooks_config result;
  result.public_url = s.public_url;
  result.former_url = s.former_url;
  if (!s.certificate.empty())
    result.certificate = contents_of("webhook.certificate", s.certificate);
  result.check_every = s.check_every;
  result.silent_after = s.silent_after;
  result.looks_per_second = s.looks_per_second > 0 ? s.looks_per_second : looks_within(global_rps);
  return result;
}

bot_config bot_config_of(const config::bot_settings& s) {
  bot_config result;
  result.max_queue = static_cast<std::uint32_t>(s.max_queue);
  result.max_polls = static_cast<std::uint32_t>(s.max_polls);
  result.retries = static_cast<std::uint32_t>(s.retries);
  result.retry_delay.first = s.first_delay;
  result.retry_delay.longest = s.max_delay;
  result.lease_timeout = s.lease_timeout;
  return result;
}

/// Of all shards together.
passivation_limits passivation_of(const config::bot_settings& s) {
  passivation_limits result;
  from_string(s.passivation, result.policy);
  result.max_active = s.max_active;
  if (s.max_active_memory > 0)
    result.max_active
      = std::clamp<std::size_t>(s.max_active_memory / active_bot_bytes, 1, s.max_active);
  result.idle_after = s.idle_after;
  result.pinned = config::parse_bot_ids(s.pinned).value_or(std::vector<bot_id>{});
  return result;
}

health_config health_config_of(const config::health_settings& s) {
  health_config result;
  result.window = s.window;
  result.min_requests = static_cast<std::uint32_t>(s.min_requests);
  result.ewma_alpha = s.ewma_alpha;
  result.degraded_from = s.degraded_from;
  result.unhealthy_from = s.unhealthy_from;
  result.unhealthy_consecutive = static_cast<std::uint32_t>(s.failure_threshold);
  result.failure_threshold = static_cast<std::uint32_t>(s.failure_threshold);
  result.open_timeout = s.open_timeout;
  result.success_threshold = static_cast<std::uint32_t>(s.success_threshold);
  result.forget_after = s.forget_after;
  result.max_records = s.max_records;
  return result;
}

rate_governor_config governor_config_of(const config::settings& s) {
  const auto& x = s.rate_governor;
  rate_governor_config result;
  result.global_rps = static_cast<std::uint32_t>(x.global_rps);
  result.tenant_rps = static_cast<std::uint32_t>(x.tenant_rps);
  result.bot_rps = static_cast<std::uint32_t>(x.bot_rps);
  result.chat_rps = static_cast<std::uint32_t>(x.chat_rps);
  result.chat_per_20s = static_cast<std::uint32_t>(x.chat_per_20s);
  result.group_rpm = static_cast<std::uint32_t>(x.group_rpm);
  result.paid_broadcast_rps = static_cast<std::uint32_t>(x.paid_broadcast_rps);
  result.max_windows = x.max_windows;
  return result;
}

gateway_config gateway_config_of(const config::settings& s) {
  gateway_config result;
  result.address = s.gateway.address;
  result.adopt = s.gateway.unknown_tokens == "adopt";
  result.demo_faults = s.node.demo_faults;
  result.max_head = static_cast<std::uint32_t>(s.gateway.max_head);
  result.replay_limit = s.gateway.replay_limit;
  result.max_connections = s.gateway.max_connections;
  result.default_deadline = ms(s.gateway.default_deadline);
  result.header_timeout = ms(s.gateway.header_timeout);
  result.idle_timeout = ms(s.gateway.idle_timeout);
  result.request_timeout = ms(s.session_pool.request_timeout);
  return result;
}

journal_config journal_config_of(const config::journal_settings& s) {
  journal_config result;
  result.max_pending = static_cast<std::uint32_t>(s.max_pending);
  result.lifetime = s.lifetime;
  result.cache_bytes = s.cache;
  result.remembered = static_cast<std::uint32_t>(s.remembered);
  result.max_dead = static_cast<std::uint32_t>(s.max_dead_letters);
  return result;
}

} // namespace

tree_config actor_settings(const config::settings& s) {
  tree_config result;
  result.intensity = s.supervisor.intensity;
  result.period = s.supervisor.period;
  result.pause = s.supervisor.restart_delay;
  result.shutdown_deadline = s.supervisor.shutdown_deadline;
  result.shards = s.bot.shards;
  result.names = directory_limits{s.gateway.max_unproven};
  result.health = health_config_of(s.health);
  result.budgets = governor_config_of(s);
  result.pool = pool_config(s);
  result.bot = bot_config_of(s.bot);
  result.bot.delivery_attempts = static_cast<std::uint32_t>(s.delivery.attempts);
  result.bot.pull_conflict_409 = s.delivery.pull_conflict == "conflict-409";
  result.delivery = delivery_config_of(s.delivery);
  result.bots.restarts = s.supervisor.bot_intensity;
  result.bots.period = s.supervisor.bot_period;
  result.bots.quarantine = s.supervisor.quarantine;
  result.bots.longest_quarantine = s.supervisor.quarantine_max;
  result.bots.passivation = passivation_of(s.bot);
  result.gateway = gateway_config_of(s);
  result.recorder.health_every = s.health.persist_every;
  result.journal = journal_config_of(s.journal);
  result.webhooks = webhooks_config_of(s.webhook, s.rate_governor.global_rps);
  result.poller.timeout = std::chrono::duration_cast<std::chrono::seconds>(s.webhook.poll_timeout);
  // Some places are left to clients that poll Telegram through the gateway.
  result.poller.max_polls = s.session_pool.max_polls - s.session_pool.max_polls / 8;
  result.registrar.request_timeout = ms(s.session_pool.request_timeout);
  return result;
}

net::upstream_options upstream_settings(const config::session_pool_settings& s) {
  net::upstream_options result;
  auto where = net::parse_target(s.api_root);
  if (auto* wrong = std::get_if<std::string>(&where))
    throw std::runtime_error{"session-pool.api-root: " + *wrong};
  result.where = std::get<net::target>(std::move(where));
  result.ca_file = s.ca_file;
  result.connect_timeout = ms(s.connect_timeout);
  // How long a connection serves is the pool's to say, which can be told otherwise while it runs.
  result.max_age = result.max_idle = std::chrono::hours{24 * 365};
  return result;
}

net::dns_options dns_settings(const config::session_pool_settings& s) {
  net::dns_options result;
  result.ttl = ms(s.dns_ttl);
  return result;
}

} // namespace troupe
