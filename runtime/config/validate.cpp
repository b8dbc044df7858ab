#include "runtime/config/load.hpp"
#include "runtime/config/value.hpp"

namespace troupe::config {
namespace {

/// Collects rules that are broken.
class rule_book {
public:
  explicit rule_book(const settings& all) : all_(all) {}

  /// "session-pool.conf: session-pool.max-per-host = 9 must not exceed session-pool.max-connections
  /// = 5"
  void require(bool holds, std::string_view one, std::string_view relation,
               std::string_view other) {
    if (!holds)
      broken_.push_back(file_of(one) + ": " + text(one) + ' ' + std::string{relation} + ' '
                        + text(other));
  }

  /// Two files that only make sense together.
  void together(const std::string& one, const std::string& other, std::string_view cert,
                std::string_view key) {
    require(one.empty() == other.empty(), cert, "must be set together with", key);
  }

  std::vector<std::string> take() { return std::move(broken_); }

private:
  [[nodiscard]] static std::string file_of(std::string_view name) {
    return std::string{name.substr(0, name.find('.'))} + ".conf";
  }

  [[nodiscard]] std::string text(std::string_view name) const {
    return std::string{name} + " = " + shown(*find_option(name), all_);
  }

  const settings& all_;
  std::vector<std::string> broken_;
};

void check_listeners(const settings& all, rule_book& rules) {
  struct listener {
    const std::string& address;
    std::uint16_t port;
    std::string_view name;
  } const list[] = {{all.gateway.address, all.gateway.port, "gateway.port"},
                    {all.api.address, all.api.port, "api.port"},
                    {all.webhook.address, all.webhook.port, "webhook.port"},
                    {all.cluster.bind,
                     all.cluster.etcd.empty() ? std::uint16_t{0} : all.cluster.port,
                     "cluster.port"}};
  for (auto& one : list)
    for (auto& other : list)
      if (&one < &other)
        rules.require(one.port == 0 || one.port != other.port || one.address != other.address,
                      one.name, "must differ, on the same address, from", other.name);
}

void check_cluster(const settings& all, rule_book& rules) {
  auto& x = all.cluster;
  rules.together(x.etcd_cert_file, x.etcd_key_file, "cluster.etcd-cert-file",
                 "cluster.etcd-key-file");
  rules.together(x.cert_file, x.key_file, "cluster.cert-file", "cluster.key-file");
  rules.together(x.cert_file, x.ca_file, "cluster.cert-file", "cluster.ca-file");
  rules.require(x.lease_ttl % std::chrono::seconds{1} == std::chrono::seconds{0},
                "cluster.lease-ttl", "must be whole seconds with", "cluster.etcd");
  if (x.etcd.empty())
    return;
  rules.require(!all.node.name.empty(), "node.name", "must be set with", "cluster.etcd");
  rules.require(all.store.uri.starts_with("postgresql:") || all.store.uri.starts_with("postgres:"),
                "store.uri", "must be PostgreSQL's with", "cluster.etcd");
  rules.require(all.gateway.unknown_tokens != "adopt", "gateway.unknown-tokens",
                "must be \"reject\" with", "cluster.etcd");
  rules.require(all.bot.tokens.empty(), "bot.tokens-file",
                "must be empty (register the bots), as well as TROUPE_BOT_TOKENS, with",
                "cluster.etcd");
  bool is_loopback = x.bind.starts_with("127.") || x.bind == "::1";
  rules.require(is_loopback || !x.cert_file.empty(), "cluster.bind",
                "must be a loopback address without", "cluster.cert-file");
}

} // namespace

std::vector<std::string> validate(const settings& all) {
  rule_book rules{all};
  auto& pool = all.session_pool;
  rules.require(pool.max_per_host <= pool.max_connections, "session-pool.max-per-host",
                "must not exceed", "session-pool.max-connections");
  rules.require(pool.max_per_bot <= pool.max_per_host, "session-pool.max-per-bot",
                "must not exceed", "session-pool.max-per-host");
  rules.require(pool.connect_timeout <= pool.request_timeout, "session-pool.connect-timeout",
                "must not exceed", "session-pool.request-timeout");
  rules.require(pool.idle_timeout <= pool.max_age, "session-pool.idle-timeout", "must not exceed",
                "session-pool.max-age");
  rules.require(pool.request_timeout < all.bot.lease_timeout, "session-pool.request-timeout",
                "must be less than", "bot.lease-timeout");
  rules.require(all.bot.first_delay <= all.bot.max_delay, "bot.first-delay", "must not exceed",
                "bot.max-delay");
  rules.require(all.supervisor.quarantine <= all.supervisor.quarantine_max, "supervisor.quarantine",
                "must not exceed", "supervisor.quarantine-max");
  rules.require(all.health.degraded_from <= all.health.unhealthy_from, "health.degraded-from",
                "must not exceed", "health.unhealthy-from");
  rules.together(all.gateway.tls_cert, all.gateway.tls_key, "gateway.tls-cert", "gateway.tls-key");
  rules.together(all.api.tls_cert, all.api.tls_key, "api.tls-cert", "api.tls-key");
  rules.together(all.webhook.tls_cert, all.webhook.tls_key, "webhook.tls-cert", "webhook.tls-key");
  check_listeners(all, rules);
  check_cluster(all, rules);
  return rules.take();
}

} // namespace troupe::config
