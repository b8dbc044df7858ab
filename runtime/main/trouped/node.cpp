#include "runtime/main/trouped/node.hpp"

#include "actors/bot/bot.hpp"
#include "actors/bots/bots.hpp"
#include "actors/gateway/gateway.hpp"
#include "actors/health/health.hpp"
#include "actors/rate_governor/rate_governor.hpp"
#include "actors/session_pool/session_pool.hpp"
#include "actors/supervisor/supervisor.hpp"
#include "messages/gateway.hpp"
#include "runtime/log/log.hpp"
#include "runtime/main/trouped/api_listener.hpp"
#include "runtime/metrics/instruments.hpp"
#include "runtime/net/dns_cache.hpp"
#include "runtime/net/reserved_port.hpp"
#include "runtime/net/tls_server.hpp"
#include "runtime/net/upstream.hpp"
#include "runtime/past/past_mark.hpp"
#include "runtime/registry/directory.hpp"
#include "runtime/telegram/methods.hpp"
#include "runtime/telegram/token.hpp"

#include <atomic>
#include <deque>
#include <stdexcept>
#include <thread>

namespace troupe {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

milliseconds ms(caf::timespan x) {
  return duration_cast<milliseconds>(x);
}

net::upstream_options upstream_of(const config::session_pool_settings& s) {
  net::upstream_options result;
  auto where = net::parse_target(s.api_root);
  if (auto* wrong = std::get_if<std::string>(&where))
    throw std::runtime_error{"session-pool.api-root: " + *wrong};
  result.where = std::get<net::target>(std::move(where));
  result.ca_file = s.ca_file;
  result.connect_timeout = ms(s.connect_timeout);
  result.max_age = ms(s.max_age);
  result.max_idle = ms(s.idle_timeout);
  return result;
}

session_pool_config pool_config(const config::settings& s) {
  session_pool_config result;
  result.max_connections = static_cast<std::uint32_t>(s.session_pool.max_connections);
  result.max_per_host = static_cast<std::uint32_t>(s.session_pool.max_per_host);
  // Both bound a bot's requests at once; the governor, which counts them, knows one number.
  result.max_per_bot =
    static_cast<std::uint32_t>(std::min(s.session_pool.max_per_bot, s.bot.max_concurrent));
  result.max_polls = static_cast<std::uint32_t>(s.session_pool.max_polls);
  result.lanes = static_cast<std::uint16_t>(s.gateway.threads);
  result.idle_timeout = s.session_pool.idle_timeout;
  result.max_age = s.session_pool.max_age;
  return result;
}

std::shared_ptr<const bot_config> bot_config_of(const config::bot_settings& s) {
  auto result = std::make_shared<bot_config>();
  result->max_queue = static_cast<std::uint32_t>(s.max_queue);
  result->max_polls = static_cast<std::uint32_t>(s.max_polls);
  result->retries = static_cast<std::uint32_t>(s.retries);
  result->retry_delay.first = s.first_delay;
  result->retry_delay.longest = s.max_delay;
  result->lease_timeout = s.lease_timeout;
  return result;
}

health_config health_config_of(const config::health_settings& s) {
  health_config result;
  result.window = s.window;
  result.min_requests = static_cast<std::uint32_t>(s.min_requests);
  result.ewma_alpha = s.ewma_alpha;
  result.degraded_from = s.degraded_from;
  result.unhealthy_from = s.unhealthy_from;
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

gateway_config gateway_config_of(const config::settings& s, std::uint16_t port) {
  gateway_config result;
  result.address = s.gateway.address;
  result.port = port;
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

std::vector<std::string_view> method_names() {
  std::vector<std::string_view> result;
  for (const auto& x : telegram::methods())
    result.push_back(x.name);
  return result;
}

/// A restarted child must be found by everybody: publish it.
template <class Handle>
caf::actor published(service_slot<Handle>& slot, Handle handle) {
  slot.publish(handle);
  return caf::actor_cast<caf::actor>(handle);
}

} // namespace

struct node::parts {
  parts(caf::actor_system& sys, const config::settings& settings);

  void start_tree();
  void start_bots();
  void wait_until_ready();
  supervisor_spec services_spec();
  supervisor_spec bots_spec();
  supervisor_spec ingress_spec();
  supervisor_spec spec(std::string name, std::vector<child_spec> children) const;
  gateway_ports ports_of(std::size_t lane);
  api::ports api_ports();

  caf::actor_system& sys;
  config::settings settings;
  past_mark past;
  net::reserved_port gateway_port;
  net::reserved_port api_port;
  std::shared_ptr<services> found;
  std::shared_ptr<directory> bots;
  siphash_key token_key = random_siphash_key();
  std::shared_ptr<grant_memory> memory = std::make_shared<grant_memory>();
  std::shared_ptr<metrics::instruments> meters;
  net::lanes lanes;
  std::vector<std::shared_ptr<net::upstream_sessions>> sessions;
  std::deque<service_slot<gateway_actor>> gateways;
  std::shared_ptr<std::atomic<std::size_t>> connections =
    std::make_shared<std::atomic<std::size_t>>(0);
  std::shared_ptr<metrics::exporter> exporter;
  net::http_server_config api_server;
  service_slot<supervisor_actor> root_slot; ///< For the API's threads.
  supervisor_actor root;
  std::atomic<bool> draining{false};
  std::atomic<bool> ended{false};
};

node::parts::parts(caf::actor_system& sys, const config::settings& settings)
  : sys(sys), settings(settings), past(settings.node.data_dir),
    gateway_port("gateway.port", settings.gateway.address, settings.gateway.port),
    api_port("api.port", settings.api.address, settings.api.port),
    found(std::make_shared<services>(settings.bot.shards)),
    bots(std::make_shared<directory>(directory_limits{settings.gateway.max_unproven})),
    meters(metrics::make(sys.metrics(), method_names())),
    exporter(std::make_shared<metrics::exporter>(sys.metrics())) {
  api_server.address = settings.api.address;
  api_server.port = api_port.number();
  api_server.threads = 1;
  api_server.tls_cert = settings.api.tls_cert;
  api_server.tls_key = settings.api.tls_key;
  api_server.max_connections = settings.api.max_connections;
  lanes = net::make_lanes(sys, settings.gateway.threads);
  net::dns_options names;
  names.ttl = ms(settings.session_pool.dns_ttl);
  auto dns = std::make_shared<net::dns_cache>(names);
  auto where = upstream_of(settings.session_pool);
  for (auto& lane : lanes) {
    sessions.push_back(std::make_shared<net::upstream_sessions>(lane->executor(), where, dns));
    gateways.emplace_back();
  }
}

supervisor_spec node::parts::spec(std::string name, std::vector<child_spec> children) const {
  supervisor_spec result;
  result.name = std::move(name);
  result.intensity = settings.supervisor.intensity;
  result.period = settings.supervisor.period;
  result.pause = settings.supervisor.restart_delay;
  result.children = std::move(children);
  return result;
}

supervisor_spec node::parts::services_spec() {
  auto deadline = settings.supervisor.shutdown_deadline;
  auto governor = [found = found] { return found->rate_governor.get(); };
  auto health = [this, governor](caf::actor_system& system) {
    return published(found->health, spawn_health(system, health_config_of(settings.health),
                                                 health_ports{governor}));
  };
  auto rate_governor = [this](caf::actor_system& system) {
    rate_governor_ports ports;
    ports.pool = [found = found] { return found->session_pool.get(); };
    ports.past = past.unseen();
    ports.memory = memory;
    return published(found->rate_governor,
                     spawn_rate_governor(system, governor_config_of(settings), std::move(ports)));
  };
  auto session_pool = [this, governor](caf::actor_system& system) {
    session_pool_ports ports{net::make_session_port(sessions), governor};
    return published(found->session_pool,
                     spawn_session_pool(system, pool_config(settings), std::move(ports)));
  };
  return spec("troupe.services",
              {{"troupe.health", health, restart_type::permanent, deadline, false},
               {"troupe.rate-governor", rate_governor, restart_type::permanent, deadline, false},
               {"troupe.session-pool", session_pool, restart_type::permanent, deadline, false}});
}

supervisor_spec node::parts::bots_spec() {
  bots_config config;
  config.spawn = [found = found, shared = bot_config_of(settings.bot)](
                   caf::actor_system& system, const start_bot& bot, std::uint32_t incarnation) {
    return spawn_bot(system, bot, incarnation, found, shared);
  };
  config.found = found;
  config.restarts = settings.supervisor.bot_intensity;
  config.period = settings.supervisor.bot_period;
  config.quarantine = settings.supervisor.quarantine;
  config.longest_quarantine = settings.supervisor.quarantine_max;
  config.stop_deadline = settings.supervisor.shutdown_deadline;
  config.max_bots = (settings.bot.max_active + found->bots.size() - 1) / found->bots.size();
  std::vector<child_spec> shards;
  for (std::size_t i = 0; i < found->bots.size(); ++i)
    shards.push_back(supervise_bots(i, config, bots, found));
  return spec("troupe.bots", std::move(shards));
}

gateway_ports node::parts::ports_of(std::size_t i) {
  gateway_ports ports;
  ports.lane = lanes[i].get();
  ports.sessions = sessions[i];
  ports.bots = bots;
  ports.token_key = token_key;
  ports.found = found;
  ports.connections = connections;
  ports.tls = net::make_server_tls(settings.gateway.tls_cert, settings.gateway.tls_key);
  ports.meter = [meters = meters](std::uint16_t method, std::string_view outcome, double took,
                                  double waited) {
    meters->count_call(method, outcome);
    meters->call_seconds->observe(took);
    meters->permit_wait_seconds->observe(waited);
  };
  return ports;
}

supervisor_spec node::parts::ingress_spec() {
  std::vector<child_spec> children;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    auto start = [this, i](caf::actor_system& system) {
      return published(
        gateways[i],
        spawn_gateway(system, gateway_config_of(settings, gateway_port.number()), ports_of(i)));
    };
    children.push_back({"troupe.gateway-" + std::to_string(i), start, restart_type::permanent,
                        settings.supervisor.shutdown_deadline, false});
  }
  auto api = [this](caf::actor_system& system) {
    return spawn_api_listener(system, api_server, api_ports());
  };
  children.push_back(
    {"troupe.api", api, restart_type::permanent, settings.supervisor.shutdown_deadline, false});
  return spec("troupe.ingress", std::move(children));
}

api::ports node::parts::api_ports() {
  api::ports ports;
  ports.system = &sys;
  ports.session_pool = [found = found] { return found->session_pool.get(); };
  ports.rate_governor = [found = found] { return found->rate_governor.get(); };
  ports.health = [found = found] { return found->health.get(); };
  ports.root = [this] { return root_slot.get(); };
  ports.gateways = [this] {
    std::vector<gateway_actor> result;
    for (auto& slot : gateways)
      result.push_back(slot.get());
    return result;
  };
  ports.bots_by_phase = [bots = bots] { return bots->by_phase(); };
  ports.draining = [this] { return draining.load(); };
  ports.instruments = meters;
  ports.exporter = exporter;
  ports.answer_timeout = settings.api.answer_timeout;
  return ports;
}

void node::parts::start_tree() {
  for (auto& lane : lanes)
    lane->start();
  root =
    spawn_supervisor(sys, spec("troupe.root", {supervise(services_spec()), supervise(bots_spec()),
                                               supervise(ingress_spec())}));
  root_slot.publish(root);
  root->attach_functor([this] { ended = true; });
}

/// Waits until every supervisor of the tree says that its children run.
void node::parts::wait_until_ready() {
  caf::scoped_actor self{sys};
  std::optional<caf::error> failure;
  self->request(caf::actor_cast<caf::actor>(root), std::chrono::seconds{30}, ready_request{})
    .receive([] {}, [&](caf::error& why) { failure = std::move(why); });
  if (failure)
    throw std::runtime_error{"the supervision tree did not start; the log says why"};
}

/// Starts the bots of bot.conf.
void node::parts::start_bots() {
  auto now = std::chrono::steady_clock::now();
  for (const auto& token : settings.bot.tokens) {
    auto digest = token_hash(token_key, token.reveal());
    start_bot what;
    what.bot = telegram::bot_token::parse(token.reveal())->id();
    what.token_hash = digest.key;
    bots->put(digest, what.bot, what.tenant, true, now);
    caf::anon_send(found->bots_of(what.bot), what);
  }
  log::event(log::level::info, "bots.started", "troupe.node",
             {{"bots", static_cast<std::int64_t>(settings.bot.tokens.size())}});
}

node::node(caf::actor_system& sys, const config::settings& settings)
  : parts_(std::make_unique<parts>(sys, settings)) {
  try {
    parts_->start_tree();
    parts_->wait_until_ready();
  } catch (...) {
    stop();
    throw;
  }
  parts_->start_bots();
  auto listening = [](std::string_view which, const std::string& address, std::uint16_t port) {
    log::event(log::level::info, "listener.started", "troupe.ingress",
               {{"listener", which}, {"address", address}, {"port", std::int64_t{port}}});
  };
  listening("gateway", settings.gateway.address, parts_->gateway_port.number());
  listening("api", settings.api.address, parts_->api_port.number());
}

node::~node() {
  stop();
}

std::size_t node::drain(const std::function<bool()>& cut_short) {
  auto& p = *parts_;
  p.draining = true;
  for (auto& slot : p.gateways)
    if (auto gateway = slot.get())
      caf::anon_send(gateway, troupe::drain{});
  caf::scoped_actor self{p.sys};
  auto deadline = std::chrono::steady_clock::now() + p.settings.node.drain_timeout;
  for (;;) {
    tick(); // Calls that wait are still granted.
    std::size_t calls = 0;
    for (auto& slot : p.gateways)
      if (auto gateway = slot.get())
        self->request(gateway, std::chrono::seconds{1}, get_report{})
          .receive([&](const gateway_report& x) { calls += x.calls; }, [](const caf::error&) {});
    if (calls == 0 || cut_short() || std::chrono::steady_clock::now() >= deadline)
      return calls;
    std::this_thread::sleep_for(milliseconds{20});
  }
}

void node::stop() {
  auto& p = *parts_;
  if (p.root) {
    caf::scoped_actor self{p.sys};
    self->monitor(p.root);
    caf::anon_send_exit(p.root, caf::exit_reason::user_shutdown);
    self->receive([](const caf::down_msg&) {});
    p.root = nullptr;
    p.root_slot.publish({});
  }
  for (auto& lane : p.lanes)
    lane->stop();
  tick();
}

bool node::failed() const {
  return parts_->ended;
}

void node::tick() {
  try {
    parts_->past.touch();
  } catch (const std::exception& x) {
    log::event(
      log::level::error, "alert.raised", "troupe.node", {{"reason", std::string_view{x.what()}}},
      "A restart could not know what was granted lately; free space in the data directory.");
  }
}

} // namespace troupe
