#include "runtime/main/trouped/node.hpp"

#include "runtime/log/log.hpp"
#include "runtime/main/trouped/actor_settings.hpp"
#include "runtime/main/trouped/api_listener.hpp"
#include "runtime/main/trouped/node_cluster.hpp"
#include "runtime/main/trouped/node_store.hpp"
#include "runtime/main/trouped/webhook_listener.hpp"
#include "runtime/metrics/instruments.hpp"
#include "runtime/native/echo.hpp"
#include "runtime/native/pool.hpp"
#include "runtime/net/reserved_port.hpp"
#include "runtime/net/tls_server.hpp"
#include "runtime/past/past_mark.hpp"
#include "runtime/registry/trail_entry.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/rules/library.hpp"
#include "runtime/system/data_lock.hpp"
#include "runtime/telegram/methods.hpp"
#include "runtime/webhook/path.hpp"

#include <atomic>
#include <cstring>
#include <thread>

namespace troupe {
namespace {

/// A node that stops waits no longer for a store that does not take the ends of deliveries.
constexpr std::chrono::seconds store_patience{3};

std::vector<std::string_view> method_names() {
  std::vector<std::string_view> result;
  for (const auto& x : telegram::methods())
    result.push_back(x.name);
  return result;
}

call_meter meter_of(std::shared_ptr<metrics::instruments> meters) {
  return [meters = std::move(meters)](std::uint16_t method, std::string_view outcome, double took,
                                      double waited) {
    meters->count_call(method, outcome);
    meters->call_seconds->observe(took);
    meters->permit_wait_seconds->observe(waited);
  };
}

std::shared_ptr<native::pool> native_pool_of(caf::actor_system& sys,
                                             const config::delivery_settings& s) {
  if (!native::find_handler("echo")) // What this binary has is known once.
    native::register_echo();
  native::pool_limits limits;
  limits.threads = s.native_threads;
  limits.timeout = std::chrono::ceil<std::chrono::milliseconds>(s.native_timeout);
  auto* overruns = sys.metrics().counter_singleton(
    "troupe", "native_overruns", "Handlers in C++ that did not return in time", "1", true);
  auto* written_off = sys.metrics().gauge_singleton("troupe", "native_written_off",
                                                    "Threads whose handler has not returned yet");
  limits.changed = [overruns, written_off](const native::pool_counts& x) {
    written_off->value(static_cast<std::int64_t>(x.written_off));
    overruns->inc(static_cast<std::int64_t>(x.overruns) - overruns->value());
  };
  return std::make_shared<native::pool>(limits);
}

update_meter update_meter_of(std::shared_ptr<metrics::instruments> meters) {
  return [meters = std::move(meters)](updates::delivery_mode how, update_step what,
                                      std::chrono::milliseconds lag) {
    meters->count_delivery(static_cast<std::size_t>(how), static_cast<std::size_t>(what));
    if (what != update_step::delivered)
      return;
    meters->count_updates(metrics::update_stage::delivered);
    meters->update_lag_seconds->observe(std::chrono::duration<double>(lag).count());
  };
}

api::api_limits limits_of(const config::api_settings& s) {
  api::api_limits result;
  result.requests_per_minute = static_cast<std::uint32_t>(s.user_rpm);
  result.creations_per_minute = static_cast<std::uint32_t>(s.creations_per_minute);
  result.failures_per_minute = static_cast<std::uint32_t>(s.failures_per_minute);
  result.trusted_proxies =
    config::parse_networks(s.trusted_proxies).value_or(std::vector<config::network>{});
  return result;
}

std::optional<net::reserved_port> reserved_for(const config::webhook_settings& s) {
  if (s.public_url.empty())
    return std::nullopt;
  return std::optional<net::reserved_port>{std::in_place, "webhook.port", s.address, s.port};
}

void count_received(metrics::instruments& to, std::uint64_t stored, std::uint64_t duplicates) {
  to.count_updates(metrics::update_stage::received, static_cast<std::int64_t>(stored + duplicates));
  if (stored > 0)
    to.count_updates(metrics::update_stage::journaled, static_cast<std::int64_t>(stored));
}

void log_listener(std::string_view which, const std::string& address, std::uint16_t port) {
  log::event(log::level::info, "listener.started", "troupe.ingress",
             {{"listener", which}, {"address", address}, {"port", std::int64_t{port}}});
}

} // namespace

struct node::parts {
  parts(caf::actor_system& sys, const config::settings& settings);

  tree_config actors_config() const;
  std::string public_url() const;
  tree_ports actors_ports();
  child_spec api_child();
  child_spec webhook_child();
  webhook::ports webhook_ports();
  api::ports api_ports();
  void start();
  void stop();

  caf::actor_system& sys;
  config::settings settings;
  system::data_lock alone; ///< First of all: two nodes would spoil each other's data.
  past_mark past;
  bool past_failing = false; ///< Its alert was raised.
  net::reserved_port gateway_port;
  net::reserved_port api_port;
  std::optional<net::reserved_port> webhook_port; ///< Nothing listens without a public URL.
  std::shared_ptr<metrics::instruments> meters;
  std::shared_ptr<metrics::exporter> exporter;
  net::lanes lanes;
  std::shared_ptr<live_value<api::api_limits>> api_limits;
  std::atomic<bool> draining{false};
  node_store kept;
  std::shared_ptr<native::pool> handlers;
  std::unique_ptr<node_cluster> cluster; ///< Null for a node by itself.
  tree actors;
};

node::parts::parts(caf::actor_system& sys, const config::settings& settings)
  : sys(sys), settings(settings), alone(settings.node.data_dir), past(settings.node.data_dir),
    gateway_port("gateway.port", settings.gateway.address, settings.gateway.port),
    api_port("api.port", settings.api.address, settings.api.port),
    webhook_port(reserved_for(settings.webhook)),
    meters(metrics::make(sys.metrics(), method_names())),
    exporter(std::make_shared<metrics::exporter>(sys.metrics())),
    lanes(net::make_lanes(sys, settings.gateway.threads)),
    api_limits(std::make_shared<live_value<api::api_limits>>(limits_of(settings.api))),
    kept(settings), handlers(native_pool_of(sys, settings.delivery)),
    cluster(node_cluster::of(sys, settings)), actors(sys, actors_config(), actors_ports()) {
  // nop
}

/// With the port that is bound, where the settings leave it open ("http://127.0.0.1:0").
std::string node::parts::public_url() const {
  auto url = settings.webhook.public_url;
  auto open = url.find(":0");
  bool is_open = open != std::string::npos && (open + 2 == url.size() || url[open + 2] == '/');
  if (webhook_port && is_open)
    url.replace(open + 1, 1, std::to_string(webhook_port->number()));
  return url;
}

tree_config node::parts::actors_config() const {
  auto result = actor_settings(settings);
  result.gateway.port = gateway_port.number();
  result.webhooks.public_url = public_url();
  return result;
}

tree_ports node::parts::actors_ports() {
  tree_ports result;
  result.lanes = &lanes;
  result.upstream = upstream_settings(settings.session_pool);
  result.dns = dns_settings(settings.session_pool);
  if (!cluster) // Of many nodes the past goes by shards: whoever has one knows since when.
    result.past = past.unseen();
  result.tls = [this] {
    return net::make_server_tls(settings.gateway.tls_cert, settings.gateway.tls_key);
  };
  result.meter = meter_of(meters);
  result.ingress.push_back(api_child());
  if (webhook_port)
    result.ingress.push_back(webhook_child());
  result.webhook_secret = kept.webhook_secret();
  result.count_polled = [meters = meters](std::uint64_t stored, std::uint64_t duplicates) {
    count_received(*meters, stored, duplicates);
  };
  result.store = [this](caf::actor_system& system) {
    return kept.spawn(system, cluster ? cluster->view() : nullptr);
  };
  result.sql = kept.sql();
  result.signing_key = [this](bot_id bot) { return kept.signing_key(bot); };
  result.delivery_ca_file = settings.delivery.ca_file;
  result.count_updates = update_meter_of(meters);
  result.bot_activated = [meters = meters](caf::timespan waited) {
    meters->activation_seconds->observe(std::chrono::duration<double>(waited).count());
  };
  result.bot_evicted = [meters = meters] { meters->evictions->inc(); };
  result.native = handlers;
  if (cluster) {
    result.cluster = cluster->view();
    result.holder = cluster->holder();
    result.join = [this](caf::actor_system& system,
                         std::vector<std::function<caf::actor()>> rooms) {
      return cluster->join(system, std::move(rooms));
    };
  }
  result.virtual_hash = [this](std::string_view token) { return kept.virtual_hash(token); };
  return result;
}

child_spec node::parts::api_child() {
  auto start = [this](caf::actor_system& system) {
    net::http_server_config server;
    server.address = settings.api.address;
    server.port = api_port.number();
    server.threads = 1;
    server.tls_cert = settings.api.tls_cert;
    server.tls_key = settings.api.tls_key;
    server.max_connections = settings.api.max_connections;
    return spawn_api_listener(system, std::move(server), api_ports());
  };
  return {"troupe.api", start, restart_type::permanent, settings.supervisor.shutdown_deadline,
          false};
}

child_spec node::parts::webhook_child() {
  auto start = [this](caf::actor_system& system) {
    net::http_server_config server;
    server.address = settings.webhook.address;
    server.port = webhook_port->number();
    server.tls_cert = settings.webhook.tls_cert;
    server.tls_key = settings.webhook.tls_key;
    server.max_connections = settings.webhook.max_connections;
    webhook::settings how;
    how.path = webhook::path_of(settings.webhook.public_url);
    how.threads = static_cast<unsigned>(settings.webhook.threads);
    how.max_body = settings.webhook.max_body;
    return spawn_webhook_listener(system, std::move(server), std::move(how), webhook_ports());
  };
  return {"troupe.webhook", start, restart_type::permanent, settings.supervisor.shutdown_deadline,
          false};
}

webhook::ports node::parts::webhook_ports() {
  webhook::ports ports;
  ports.system = &sys;
  ports.found = actors.found();
  ports.names = actors.names();
  ports.secret = kept.webhook_secret();
  if (settings.webhook.check_source)
    ports.source = telegram_sources(settings.api.trusted_proxies);
  ports.draining = [this] { return draining.load(); };
  ports.store = actors.store_port();
  auto& family = *sys.metrics().counter_family("troupe", "webhook_requests", {"outcome"},
                                               "Requests to the webhook listener", "1", true);
  std::array<caf::telemetry::int_counter*, webhook::ending_names.size()> counters{};
  for (std::size_t i = 0; i < counters.size(); ++i)
    counters[i] = family.get_or_add({caf::telemetry::label_view{
      "outcome",
      caf::string_view{webhook::ending_names[i], std::strlen(webhook::ending_names[i])}}});
  ports.counted = [counters, meters = meters](webhook::ending how) {
    counters[static_cast<std::size_t>(how)]->inc();
    if (how == webhook::ending::stored || how == webhook::ending::duplicate)
      count_received(*meters, how == webhook::ending::stored ? 1 : 0,
                     how == webhook::ending::duplicate ? 1 : 0);
  };
  return ports;
}

api::ports node::parts::api_ports() {
  api::ports ports;
  auto found = actors.found();
  ports.system = &sys;
  ports.session_pool = [found] { return found->session_pool.get(); };
  ports.rate_governor = [found] { return found->rate_governor.get(); };
  ports.health = [found] { return found->health.get(); };
  ports.root = [this] { return actors.root(); };
  ports.gateways = [this] { return actors.gateways(); };
  ports.store = actors.store_port();
  ports.registrar = [this] { return actors.registrar(); };
  ports.webhooks = [found] {
    return found->updates ? found->updates->webhooks.get() : webhooks_actor{};
  };
  ports.journal = [found] {
    return found->updates ? found->updates->journal.get() : journal_actor{};
  };
  ports.delivery_pause = [found](bot_id bot) {
    return found->updates ? found->updates->book.paused(bot) : std::nullopt;
  };
  ports.signing_key = [this](bot_id bot) { return kept.signing_key(bot); };
  ports.private_urls = [found] { return found->updates && found->updates->private_urls; };
  if (found->updates)
    ports.events = {found->updates, &found->updates->events};
  ports.is_passive = [names = actors.names()](bot_id bot) {
    auto known = names->find(bot);
    return known && known->phase == bot_phase::passive;
  };
  ports.bots_by_phase = [names = actors.names()] { return names->by_phase(); };
  ports.cluster = found->cluster;
  ports.draining = [this] { return draining.load(); };
  ports.instruments = meters;
  ports.exporter = exporter;
  ports.answer_timeout = settings.api.answer_timeout;
  ports.limits = api_limits->get();
  ports.live = api_limits;
  return ports;
}

void node::parts::start() {
  if (!settings.delivery.rules_dir.empty())
    rules::load_library(settings.delivery.rules_dir);
  for (auto& lane : lanes)
    lane->start();
  if (cluster)
    cluster->open(actors.for_others());
  actors.start();
  if (auto row = kept.restoration()) {
    enter_in_trail(sys, actors.store_port(), std::move(*row));
    kept.forget_restoration();
  }
  for (const auto& token : settings.bot.tokens)
    actors.start_bot(token.reveal());
  log::event(log::level::info, "bots.started", "troupe.node",
             {{"bots", static_cast<std::int64_t>(settings.bot.tokens.size())}});
  log_listener("gateway", settings.gateway.address, gateway_port.number());
  log_listener("api", settings.api.address, api_port.number());
  if (webhook_port)
    log_listener("webhook", settings.webhook.address, webhook_port->number());
}

void node::parts::stop() {
  actors.stop();
  if (cluster)
    cluster->stop();
  for (auto& lane : lanes)
    lane->stop();
}

node::node(caf::actor_system& sys, const config::settings& settings)
  : parts_(std::make_unique<parts>(sys, settings)) {
  try {
    parts_->start();
  } catch (...) {
    stop();
    throw;
  }
}

node::~node() {
  stop();
}

std::size_t node::drain(const std::function<bool()>& cut_short) {
  auto& p = *parts_;
  auto deadline = std::chrono::steady_clock::now() + p.settings.node.drain_timeout;
  p.draining = true; // Whoever balances load sees it.
  if (p.cluster)     // Others take the bots over; calls that come here meanwhile are served there.
    p.cluster->leave(deadline, cut_short);
  p.actors.drain();
  auto written = std::min(deadline, std::chrono::steady_clock::now() + store_patience);
  for (;;) {
    tick(); // Calls that wait are still granted.
    auto now = std::chrono::steady_clock::now();
    auto calls = p.actors.calls() + p.actors.deliveries();
    if (calls > 0)
      written = std::min(deadline, now + store_patience);
    bool over = calls == 0 && (p.actors.ending() == 0 || now >= written);
    if (over || cut_short() || now >= deadline)
      return calls;
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
}

void node::reconfigure(const config::settings& settings) {
  parts_->api_limits->publish(limits_of(settings.api));
  parts_->actors.reconfigure(actor_settings(settings));
}

void node::renew_keys() {
  parts_->kept.renew_keys();
  if (parts_->cluster)
    parts_->cluster->renew_certificate();
}

void node::stop() {
  parts_->stop();
  tick();
}

bool node::failed() const {
  return parts_->actors.ended();
}

void node::tick() {
  auto& failing = parts_->past_failing;
  constexpr std::string_view alert = "node.last-active";
  try {
    parts_->past.touch();
    if (std::exchange(failing, false))
      log::event(log::level::info, "alert.resolved", "troupe.node", {{"alert", alert}},
                 "The node marks its activity again.");
  } catch (const std::exception& x) {
    if (!std::exchange(failing, true))
      log::event(
        log::level::error, "alert.raised", "troupe.node",
        {{"alert", alert}, {"reason", std::string_view{x.what()}}},
        "A restart could not know what was granted lately; free space in the data directory.");
  }
}

} // namespace troupe
