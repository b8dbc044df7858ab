#include "runtime/main/trouped/node_cluster.hpp"

#include "runtime/crypto/random.hpp"
#include "runtime/etcd/client.hpp"
#include "runtime/log/log.hpp"
#include "runtime/peers/trust.hpp"

#include <caf/scoped_actor.hpp>

#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace troupe {
namespace {

using namespace std::chrono_literals;

std::string trust_file_of(const config::settings& s) {
  return s.node.data_dir + "/cluster-peers.pem";
}

peers::link_options links_of(const config::settings& s) {
  peers::link_options result;
  result.cluster = s.cluster.name;
  result.certificate_file = s.cluster.cert_file;
  result.key_file = s.cluster.key_file;
  result.trust_file = trust_file_of(s);
  result.bind = s.cluster.bind;
  result.port = s.cluster.port;
  return result;
}

std::shared_ptr<etcd::port> etcd_of(net::lane& lane, const config::settings& s) {
  etcd::client_options options;
  std::istringstream urls{s.cluster.etcd};
  for (std::string url; std::getline(urls, url, ',');) {
    auto first = url.find_first_not_of(' ');
    if (first != std::string::npos)
      options.endpoints.push_back(url.substr(first, url.find_last_not_of(' ') + 1 - first));
  }
  options.ca_file = s.cluster.etcd_ca_file;
  options.certificate_file = s.cluster.etcd_cert_file;
  options.key_file = s.cluster.etcd_key_file;
  return etcd::make_client(lane.executor(), std::make_shared<net::dns_cache>(), std::move(options));
}

cluster_config config_of(const config::settings& s) {
  cluster_config result;
  result.name = s.cluster.name;
  result.node = s.node.name;
  result.address = s.cluster.address;
  result.version = TROUPE_VERSION;
  result.capacity = static_cast<std::uint32_t>(s.cluster.capacity);
  result.ttl = std::chrono::duration_cast<std::chrono::seconds>(s.cluster.lease_ttl);
  result.max_moves = s.cluster.max_moves;
  result.global_rps = static_cast<std::uint32_t>(s.rate_governor.global_rps);
  if (!s.cluster.cert_file.empty())
    result.certificate = peers::read_certificate(s.cluster.cert_file);
  return result;
}

} // namespace

std::unique_ptr<node_cluster> node_cluster::of(caf::actor_system& sys,
                                               const config::settings& settings) {
  if (settings.cluster.etcd.empty())
    return nullptr;
  return std::make_unique<node_cluster>(sys, settings);
}

void node_cluster::prepare(caf::actor_system_config& to, const config::settings& settings) {
  if (!settings.cluster.etcd.empty())
    peers::load_links(to, links_of(settings));
}

node_cluster::node_cluster(caf::actor_system& sys, const config::settings& settings)
  : sys_(sys), settings_(settings.cluster), config_(config_of(settings)),
    trust_file_(trust_file_of(settings)), lane_(sys, 0), etcd_(etcd_of(lane_, settings)),
    links_(std::make_shared<peers::links>(sys, links_of(settings))) {
  holder_ = static_cast<std::uint64_t>(crypto::random_id(crypto::os_random()));
  trust({{config_.node, config_.certificate}});
  lane_.start();
}

node_cluster::~node_cluster() {
  stop();
}

void node_cluster::open(desk_ports ports) {
  desk_ = spawn_desk(sys_, std::move(ports));
  auto port = links_->publish(desk_);
  if (config_.address.empty()) {
    bool v6 = settings_.bind.find(':') != std::string::npos;
    config_.address =
      (v6 ? "[" + settings_.bind + "]" : settings_.bind) + ":" + std::to_string(port);
  }
  log::event(log::level::info, "listener.started", "troupe.cluster",
             {{"listener", "cluster"}, {"address", settings_.bind}, {"port", std::int64_t{port}}});
}

cluster_actor node_cluster::join(caf::actor_system& sys,
                                 std::vector<std::function<caf::actor()>> rooms) {
  cluster_ports ports;
  ports.etcd = etcd_;
  ports.view = view_;
  ports.desk = desk_;
  ports.rooms = std::move(rooms);
  ports.dial = [links = links_](const std::string& address, std::function<void(caf::actor)> then) {
    links->dial(address, std::move(then));
  };
  ports.trusted = [this](const std::vector<registered_node>& nodes) { return trust(nodes); };
  std::lock_guard lock{mutex_};
  return spawn_cluster(sys, config_, std::move(ports));
}

/// Called by the membership's actor whenever something changed, so mostly for nothing.
bool node_cluster::trust(const std::vector<registered_node>& nodes) {
  if (settings_.cert_file.empty())
    return true;
  std::lock_guard lock{mutex_};
  try {
    std::vector<peers::trusted_node> all;
    for (const auto& x : nodes)
      all.push_back({x.name, x.certificate});
    std::vector<std::string> refused;
    auto now = peers::trusted_certificates(settings_.ca_file, all, refused);
    if (refused != refused_)
      for (const auto& name : refused)
        log::event(
          log::level::error, "node.untrusted", "troupe.cluster", {{"peer", name}},
          "A node is registered with a certificate that the cluster's authority did not sign, "
          "or that is over: it is not spoken to.");
    refused_ = std::move(refused);
    if (now != trusted_)
      peers::write_trusted(trust_file_, now);
    trusted_ = std::move(now);
    failing_ = false;
    return true;
  } catch (const std::exception& x) {
    if (!std::exchange(failing_, true))
      log::event(log::level::error, "trust.failed", "troupe.cluster",
                 {{"reason", std::string_view{x.what()}}},
                 "The nodes that may connect stay those they were until this can be done.");
    return false;
  }
}

void node_cluster::renew_certificate() {
  if (settings_.cert_file.empty())
    return;
  try {
    auto now = peers::read_certificate(settings_.cert_file);
    {
      std::lock_guard lock{mutex_};
      if (now == config_.certificate)
        return;
      config_.certificate = now;
    }
    if (auto actor = view_->actor.get())
      caf::anon_send(actor, cluster_renew{now});
    log::event(log::level::info, "certificate.renewed", "troupe.cluster",
               {{"file", settings_.cert_file}});
  } catch (const std::exception& x) {
    log::event(log::level::error, "certificate.unreadable", "troupe.cluster",
               {{"reason", std::string_view{x.what()}}}, "The node keeps the certificate it had.");
  }
}

void node_cluster::leave(std::chrono::steady_clock::time_point deadline,
                         const std::function<bool()>& cut_short) {
  auto actor = view_->actor.get();
  if (!actor)
    return;
  caf::anon_send(actor, cluster_leave{});
  caf::scoped_actor self{sys_};
  bool left = false;
  while (!left && std::chrono::steady_clock::now() < deadline && !cut_short()) {
    cluster_report seen;
    self->request(actor, 1s, get_report{})
      .receive([&](const cluster_report& x) { seen = x; }, [](const caf::error&) {});
    std::uint32_t ours = 0;
    bool others = false;
    for (const auto& x : seen.nodes) {
      if (x.name == seen.self)
        ours = x.shards;
      else
        others = others || (!x.draining && x.capacity > 0);
    }
    left = !seen.member || ours == 0 || !others;
    if (!left)
      std::this_thread::sleep_for(20ms);
  }
}

void node_cluster::stop() {
  if (!etcd_)
    return;
  etcd_->close();
  lane_.stop();
  etcd_.reset();
  caf::anon_send_exit(desk_, caf::exit_reason::user_shutdown);
  desk_ = nullptr;
}

} // namespace troupe
