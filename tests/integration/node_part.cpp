#include "tests/integration/node_part.hpp"

#include "actors/supervisor/supervisor.hpp"
#include "runtime/net/dns_cache.hpp"
#include "runtime/net/reserved_port.hpp"
#include "runtime/net/tls_server.hpp"
#include "runtime/net/upstream.hpp"
#include "runtime/registry/directory.hpp"
#include "runtime/system/config.hpp"
#include "runtime/telegram/methods.hpp"
#include "tests/net/throwaway_ca.hpp"
#include "tests/sandbox/sandbox.hpp"
#include "tests/sandbox/world.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>

#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>

namespace troupe::integration {
namespace {

/// An identity for 127.0.0.1, also as files.
struct identity_files {
  identity_files() {
    auto pattern = (std::filesystem::temp_directory_path() / "troupe-part-XXXXXX").string();
    if (!::mkdtemp(pattern.data()))
      throw std::runtime_error{"no temporary directory"};
    directory = pattern;
    auto made = ca.issue("IP:127.0.0.1");
    std::ofstream{cert()} << made.certificate;
    std::ofstream{key()} << made.key;
  }
  ~identity_files() {
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
  }
  identity_files(const identity_files&) = delete;
  identity_files& operator=(const identity_files&) = delete;

  [[nodiscard]] std::string cert() const { return directory + "/cert.pem"; }
  [[nodiscard]] std::string key() const { return directory + "/key.pem"; }

  net::test::throwaway_ca ca;
  std::string directory;
};

sandbox::options with_identity(sandbox::options x, const identity_files* files) {
  x.port = 0;
  if (files) {
    x.tls_cert = files->cert();
    x.tls_key = files->key();
  }
  return x;
}

template <class Handle>
caf::actor published(service_slot<Handle>& slot, Handle handle) {
  slot.publish(handle);
  return caf::actor_cast<caf::actor>(handle);
}

constexpr std::size_t lane_count = 2;

} // namespace

part_options::part_options() {
  gateway.default_deadline = 10s;
  bot.retry_delay.first = 10ms;
  bot.batch_delay = 20ms;
  budgets.global_rps = budgets.bot_rps = budgets.chat_rps = 0;
  budgets.chat_per_20s = budgets.group_rpm = 0;
  health.failure_threshold = 1000;
  upstream.enforce_limits = false;
}

struct node_part::impl {
  explicit impl(part_options given);
  ~impl();

  supervisor_spec services_spec();
  supervisor_spec bots_spec();
  supervisor_spec ingress_spec();
  gateway_ports ports_of(std::size_t lane);
  void start_tree();
  void register_bot();

  supervisor_spec spec(std::string name, std::vector<child_spec> children) const {
    supervisor_spec result;
    result.name = std::move(name);
    result.pause = 10ms;
    result.children = std::move(children);
    return result;
  }

  template <class Answer, class Handle>
  Answer ask(const Handle& whom) {
    Answer result{};
    if (!whom)
      return result;
    caf::scoped_actor self{sys};
    self->request(whom, 5s, get_report{})
      .receive([&](Answer& x) { result = std::move(x); }, [](const caf::error&) {});
    return result;
  }

  caf::actor handle_of(service which) {
    switch (which) {
    case service::health:
      return caf::actor_cast<caf::actor>(found->health.get());
    case service::governor:
      return caf::actor_cast<caf::actor>(found->rate_governor.get());
    case service::pool:
      return caf::actor_cast<caf::actor>(found->session_pool.get());
    default:
      return caf::actor_cast<caf::actor>(gateways.front().get());
    }
  }

  log::capture lines;
  part_options options;
  std::unique_ptr<identity_files> files;
  sandbox::server upstream;
  net::reserved_port port{"gateway.port", "127.0.0.1", 0};
  system::config config{1};
  caf::actor_system sys{config};
  std::shared_ptr<services> found = std::make_shared<services>(2);
  std::shared_ptr<directory> names = std::make_shared<directory>();
  siphash_key key = random_siphash_key();
  std::shared_ptr<grant_memory> memory = std::make_shared<grant_memory>();
  std::shared_ptr<std::atomic<std::size_t>> connections =
    std::make_shared<std::atomic<std::size_t>>(0);
  net::lanes lanes;
  std::vector<std::shared_ptr<net::upstream_sessions>> sessions;
  std::deque<service_slot<gateway_actor>> gateways;
  supervisor_actor root;
  caf::actor killed;
  std::string token;
  bot_id bot = 0;
  std::int64_t user = 0;
};

node_part::impl::impl(part_options given)
  : options(std::move(given)),
    files(options.upstream_tls || options.gateway_tls ? std::make_unique<identity_files>()
                                                      : nullptr),
    upstream(with_identity(options.upstream, options.upstream_tls ? files.get() : nullptr)) {
  options.gateway.port = port.number();
  options.pool.lanes = lane_count;
  auto root_url = options.api_root.empty() ? upstream.url() : options.api_root;
  net::upstream_options where;
  where.where = std::get<net::target>(net::parse_target(root_url));
  if (options.upstream_tls)
    where.ca_file = files->ca.path();
  auto dns = std::make_shared<net::dns_cache>();
  lanes = net::make_lanes(sys, lane_count);
  for (auto& lane : lanes) {
    sessions.push_back(std::make_shared<net::upstream_sessions>(lane->executor(), where, dns));
    gateways.emplace_back();
    lane->start();
  }
  start_tree();
  register_bot();
}

node_part::impl::~impl() {
  upstream.state().faults.remove(0);
  {
    caf::scoped_actor self{sys};
    self->monitor(root);
    caf::anon_send_exit(root, caf::exit_reason::user_shutdown);
    self->receive([](const caf::down_msg&) {});
    root = nullptr;
    killed = nullptr;
  }
  for (auto& lane : lanes)
    lane->stop();
  upstream.stop(0ms);
}

supervisor_spec node_part::impl::services_spec() {
  auto governor = [found = found] { return found->rate_governor.get(); };
  auto health = [this, governor](caf::actor_system& system) {
    return published(found->health, spawn_health(system, options.health, health_ports{governor}));
  };
  auto rate_governor = [this](caf::actor_system& system) {
    rate_governor_ports ports;
    ports.pool = [found = found] { return found->session_pool.get(); };
    ports.memory = memory;
    return published(found->rate_governor,
                     spawn_rate_governor(system, options.budgets, std::move(ports)));
  };
  auto session_pool = [this, governor](caf::actor_system& system) {
    session_pool_ports ports{net::make_session_port(sessions), governor};
    return published(found->session_pool,
                     spawn_session_pool(system, options.pool, std::move(ports)));
  };
  return spec("troupe.services", {{"troupe.health", health},
                                  {"troupe.rate-governor", rate_governor},
                                  {"troupe.session-pool", session_pool}});
}

supervisor_spec node_part::impl::bots_spec() {
  bots_config bots;
  auto shared = std::make_shared<const bot_config>(options.bot);
  bots.spawn = [found = found, shared](caf::actor_system& system, const start_bot& x,
                                       std::uint32_t incarnation) {
    return spawn_bot(system, x, incarnation, found, shared);
  };
  bots.found = found;
  std::vector<child_spec> shards;
  for (std::size_t i = 0; i < found->bots.size(); ++i)
    shards.push_back(supervise_bots(i, bots, names, found));
  return spec("troupe.bots", std::move(shards));
}

gateway_ports node_part::impl::ports_of(std::size_t i) {
  gateway_ports ports;
  ports.lane = lanes[i].get();
  ports.sessions = sessions[i];
  ports.bots = names;
  ports.token_key = key;
  ports.found = found;
  ports.connections = connections;
  ports.meter = options.meter;
  if (options.gateway_tls)
    ports.tls = net::make_server_tls(files->cert(), files->key());
  return ports;
}

supervisor_spec node_part::impl::ingress_spec() {
  std::vector<child_spec> children;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    auto start = [this, i](caf::actor_system& system) {
      return published(gateways[i], spawn_gateway(system, options.gateway, ports_of(i)));
    };
    children.push_back({"troupe.gateway-" + std::to_string(i), start});
  }
  return spec("troupe.ingress", std::move(children));
}

void node_part::impl::start_tree() {
  root =
    spawn_supervisor(sys, spec("troupe.root", {supervise(services_spec()), supervise(bots_spec()),
                                               supervise(ingress_spec())}));
  caf::scoped_actor self{sys};
  bool ready = false;
  self->request(caf::actor_cast<caf::actor>(root), 30s, ready_request{})
    .receive([&] { ready = true; }, [](const caf::error&) {});
  if (!ready)
    throw std::runtime_error{"the tree did not start"};
}

void node_part::impl::register_bot() {
  auto& w = upstream.state();
  auto made = w.make_bot("", "Robot", "robot_bot");
  auto person = w.make_user("Ada", "ada");
  w.make_chat(sandbox::chat_type::personal, made, {person->id});
  token = made->token;
  bot = made->id;
  user = person->id;
  auto digest = token_hash(key, token);
  start_bot what;
  what.bot = bot;
  what.token_hash = digest.key;
  names->put(digest, bot, what.tenant, true, std::chrono::steady_clock::now());
  caf::anon_send(found->bots_of(bot), what);
  auto runs = [&] {
    auto entry = names->find(bot);
    return entry && entry->actor;
  };
  if (!until(runs))
    throw std::runtime_error{"the bot did not start"};
}

node_part::node_part(part_options options) : impl_(std::make_unique<impl>(std::move(options))) {
  // nop
}

node_part::~node_part() = default;

std::uint16_t node_part::port() const {
  return impl_->port.number();
}

client node_part::connect() const {
  return client{port(), impl_->options.gateway_tls ? impl_->files->ca.path() : std::string{}};
}

sandbox::world& node_part::upstream() {
  return impl_->upstream.state();
}

std::uint16_t node_part::upstream_port() const {
  return impl_->upstream.port();
}

const std::string& node_part::token() const {
  return impl_->token;
}

bot_id node_part::bot() const {
  return impl_->bot;
}

std::string node_part::path(std::string_view method) const {
  return "/bot" + impl_->token + "/" + std::string{method};
}

std::int64_t node_part::chat() const {
  return impl_->user;
}

std::string node_part::make_stranger() {
  return upstream().make_bot("", "Stranger", "stranger_bot")->token;
}

void node_part::fail(sandbox::fault_kind kind, std::string_view method, std::uint64_t count,
                     const fault_terms& terms) {
  sandbox::fault x;
  x.kind = kind;
  x.count = count;
  x.error_code = terms.error_code;
  x.retry_after = terms.retry_after;
  x.latency.mean = terms.latency;
  if (!method.empty())
    x.method = telegram::find_method(method);
  upstream().faults.add(std::move(x));
}

void node_part::mend() {
  upstream().faults.remove(0);
}

std::uint64_t node_part::seen(std::string_view method) {
  return upstream().stats.requests(telegram::find_method(method));
}

pool_report node_part::pool() {
  return impl_->ask<pool_report>(impl_->found->session_pool.get());
}

governor_report node_part::governor() {
  return impl_->ask<governor_report>(impl_->found->rate_governor.get());
}

health_report node_part::health() {
  return impl_->ask<health_report>(impl_->found->health.get());
}

bot_report node_part::bot_state() {
  auto entry = impl_->names->find(impl_->bot);
  return entry ? impl_->ask<bot_report>(entry->actor) : bot_report{};
}

std::uint32_t node_part::calls() {
  std::uint32_t result = 0;
  for (auto& slot : impl_->gateways)
    result += impl_->ask<gateway_report>(slot.get()).calls;
  return result;
}

const directory& node_part::names() const {
  return *impl_->names;
}

void node_part::drain() {
  for (auto& slot : impl_->gateways)
    if (auto gateway = slot.get())
      caf::anon_send(gateway, troupe::drain{});
}

void node_part::stop_lanes() {
  for (auto& lane : impl_->lanes)
    lane->stop();
}

void node_part::kill(service which) {
  impl_->killed = impl_->handle_of(which);
  caf::anon_send_exit(impl_->killed, caf::exit_reason::kill);
}

void node_part::kill_bot() {
  if (auto entry = impl_->names->find(impl_->bot); entry && entry->actor)
    caf::anon_send_exit(entry->actor, caf::exit_reason::kill);
}

bool node_part::replaced(service which) {
  auto now = impl_->handle_of(which);
  return now && now != impl_->killed;
}

bool node_part::at_rest() {
  auto p = pool();
  auto g = governor();
  return p.leased == 0 && p.polls == 0 && p.waiting == 0 && g.waiting == 0
         && g.credits == request_places(impl_->options.pool) && calls() == 0;
}

std::string node_part::load() {
  auto p = pool();
  auto g = governor();
  auto of = [](std::string_view what, std::uint64_t n) {
    return std::string{what} + "=" + std::to_string(n) + " ";
  };
  return of("leased", p.leased) + of("idle", p.idle) + of("pool-epoch", p.epoch)
         + of("pool-waiting", p.waiting) + of("governor-waiting", g.waiting)
         + of("credits", g.credits) + of("granted", g.granted) + of("leases", p.leases_total)
         + of("calls", calls()) + of("running", bot_state().running)
         + of("queued", bot_state().queued);
}

const log::capture& node_part::lines() const {
  return impl_->lines;
}

} // namespace troupe::integration
