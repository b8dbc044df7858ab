#pragma once
#include <caf/timespan.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// Every setting of a node, typed, with its default. One struct per file in the configuration
/// directory. What a key is called, its unit, range and meaning: runtime/config/schema.cpp.
namespace troupe::config {

using namespace std::chrono_literals;

/// A text that is shown nowhere. `reveal()` is for its one user.
class secret {
public:
  secret() = default;
  explicit secret(std::string text) : text_(std::move(text)) {}
  [[nodiscard]] const std::string& reveal() const noexcept { return text_; }
  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }
  friend bool operator==(const secret&, const secret&) = default;

private:
  std::string text_;
};

struct node_settings {
  std::string name;
  std::string data_dir = "troupe-data";
  caf::timespan drain_timeout = 30s;
  bool demo_faults = false;
  std::size_t threads = 1;
};

struct supervisor_settings {
  std::size_t intensity = 5;
  caf::timespan period = 10s;
  caf::timespan shutdown_deadline = 5s;
  caf::timespan restart_delay = 50ms;
  std::size_t bot_intensity = 3;
  caf::timespan bot_period = 60s;
  caf::timespan quarantine = 60s;
  caf::timespan quarantine_max = 1h;
};

struct bot_settings {
  std::string tokens_file;
  std::size_t max_concurrent = 10;
  std::size_t max_queue = 100;
  std::size_t max_polls = 4;
  std::size_t retries = 3;
  caf::timespan first_delay = 1s;
  caf::timespan max_delay = 30s;
  std::string passivation = "slru";
  std::size_t max_active = 200'000;
  std::size_t max_active_memory = 0;
  caf::timespan idle_after = 1h;
  std::string pinned;
  std::size_t shards = 4;
  caf::timespan lease_timeout = 150s;
  std::vector<secret>
    tokens; ///< From `tokens_file` and TROUPE_BOT_TOKENS; each well-formed, no two of one bot.
};

struct session_pool_settings {
  std::string api_root = "https://api.telegram.org";
  std::string ca_file;
  std::size_t max_connections = 100;
  std::size_t max_per_host = 30;
  std::size_t max_per_bot = 10;
  std::size_t max_polls = 1000;
  std::size_t max_downloads = 10;
  caf::timespan dns_ttl = 300s;
  caf::timespan connect_timeout = 10s;
  caf::timespan request_timeout = 60s;
  caf::timespan idle_timeout = 50s;
  caf::timespan max_age = 600s;
};

struct rate_governor_settings {
  std::size_t global_rps = 25;
  std::size_t tenant_rps = 0;
  std::size_t bot_rps = 30;
  std::size_t chat_rps = 3;
  std::size_t chat_per_20s = 20;
  std::size_t group_rpm = 20;
  std::size_t paid_broadcast_rps = 1000;
  std::size_t max_windows = 1'000'000;
};

struct health_settings {
  caf::timespan window = 60s;
  std::size_t min_requests = 20;
  double ewma_alpha = 0.3;
  double degraded_from = 0.2;
  double unhealthy_from = 0.5;
  std::size_t failure_threshold = 5;
  caf::timespan open_timeout = 60s;
  std::size_t success_threshold = 2;
  caf::timespan forget_after = 1h;
  std::size_t max_records = 200'000;
  caf::timespan persist_every = 300s;
};

struct journal_settings {
  std::size_t max_pending = 1000;
  caf::timespan lifetime = 24h;
  std::size_t cache = 64 * 1024 * 1024;
  std::size_t remembered = 1000;
  std::size_t max_dead_letters = 1000;
};

struct delivery_settings {
  std::size_t max_connections = 200;
  std::size_t max_per_host = 50;
  caf::timespan timeout = 60s;
  caf::timespan idle_timeout = 30s;
  std::size_t attempts = 8;
  std::string ca_file;
  bool allow_private_addresses = false;
  std::string pull_conflict = "newest-wins"; ///< "newest-wins" or "conflict-409".
  std::size_t native_threads = 4;
  caf::timespan native_timeout = 5s;
  std::string rules_dir; ///< Empty: none.
};

struct store_settings {
  std::string uri; ///< May hold a password: show it only through `masked_uri`.
  std::size_t max_users = 1000;
  std::size_t max_keys = 1000;
  std::size_t max_virtual_tokens = 1000;
};

struct gateway_settings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8081;
  std::size_t threads = 2;
  std::string tls_cert;
  std::string tls_key;
  std::string unknown_tokens = "reject"; ///< "reject" or "adopt".
  std::size_t max_unproven = 10'000;
  caf::timespan default_deadline = 10s;
  std::size_t max_head = 96 * 1024;
  std::size_t replay_limit = 64 * 1024;
  caf::timespan header_timeout = 10s;
  caf::timespan idle_timeout = 75s;
  std::size_t max_connections = 20'000;
};

struct api_settings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string tls_cert;
  std::string tls_key;
  caf::timespan answer_timeout = 2s;
  std::size_t max_connections = 500;
  std::size_t user_rpm = 100;
  std::size_t creations_per_minute = 5;
  std::size_t failures_per_minute = 30;
  std::string trusted_proxies;
};

struct webhook_settings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8443;
  std::string tls_cert;
  std::string tls_key;
  std::string public_url;
  std::string former_url;
  std::string certificate;
  bool check_source = false;
  std::size_t threads = 1;
  std::size_t max_body = 1024 * 1024;
  std::size_t max_connections = 10'000;
  caf::timespan check_every = 10min;
  double looks_per_second = 0;
  caf::timespan silent_after = 1min;
  caf::timespan poll_timeout = 50s;
};

struct cluster_settings {
  std::string etcd; ///< URLs of its members; empty: a single node.
  std::string etcd_ca_file;
  std::string etcd_cert_file;
  std::string etcd_key_file;
  std::string name = "troupe";
  std::string address;               ///< host:port; empty: bind and the port that is bound.
  std::string bind = "127.0.0.1";
  std::uint16_t port = 7801;         ///< 0: any free one.
  std::size_t capacity = 1;
  caf::timespan lease_ttl = 3s;
  std::size_t max_moves = 64;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
};

struct log_settings {
  std::string level = "info";  ///< "debug", "info", "warning", "error".
  std::string format = "auto"; ///< "auto", "json", "human".
  std::string file;            ///< Empty: standard error.
};

struct secrets_settings {
  std::string master_key_file;
  secret master_key; ///< From TROUPE_MASTER_KEY: 32 bytes in base64, or empty.
};

struct settings {
  node_settings node;
  supervisor_settings supervisor;
  bot_settings bot;
  session_pool_settings session_pool;
  rate_governor_settings rate_governor;
  health_settings health;
  journal_settings journal;
  delivery_settings delivery;
  store_settings store;
  gateway_settings gateway;
  api_settings api;
  webhook_settings webhook;
  cluster_settings cluster;
  log_settings log;
  secrets_settings secrets;
};

/// `uri` with a password in it replaced by `***`.
[[nodiscard]] std::string masked_uri(const std::string& uri);

} // namespace troupe::config
