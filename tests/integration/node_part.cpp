#include "tests/integration/node_part.hpp"

#include "actors/store/sql_threads.hpp"
#include "actors/store/store.hpp"
#include "actors/tree/tree.hpp"
#include "runtime/crypto/hash.hpp"
#include "runtime/net/reserved_port.hpp"
#include "runtime/net/tls_server.hpp"
#include "runtime/store/migrations.hpp"
#include "runtime/system/config.hpp"
#include "runtime/telegram/methods.hpp"
#include "tests/net/throwaway_ca.hpp"
#include "tests/sandbox/sandbox.hpp"
#include "tests/sandbox/world.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace troupe::integration {
namespace {

std::string make_directory() {
  auto pattern = (std::filesystem::temp_directory_path() / "troupe-part-XXXXXX").string();
  if (!::mkdtemp(pattern.data()))
    throw std::runtime_error{"no temporary directory"};
  return pattern;
}

crypto::secret_key key_of(std::uint8_t fill) {
  std::array<std::uint8_t, crypto::secret_key::size> bytes;
  bytes.fill(fill);
  return crypto::secret_key{bytes};
}

/// What a store needs beside its actor, on a disk.
struct stored_part {
  stored_part() {
    storage::sql_threads_config threads;
    threads.database.where = {store::backend::sqlite, directory + "/troupe.db"};
    store::database first{threads.database};
    store::migrate(first);
    sql = storage::make_sql_threads(std::move(threads));
  }
  ~stored_part() {
    sql.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
  }
  stored_part(const stored_part&) = delete;
  stored_part& operator=(const stored_part&) = delete;

  std::string directory = make_directory();
  std::shared_ptr<storage::sql_port> sql;
  std::shared_ptr<const storage::context> context =
    std::make_shared<const storage::context>(crypto::key_ring{{key_of(1)}}, key_of(2));
};

/// An identity for 127.0.0.1, also as files.
struct identity_files {
  identity_files() {
    directory = make_directory();
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

  tree_config actors_config() const;
  tree_ports actors_ports();
  void add_store(tree_ports& to);
  void register_bot();
  void enrol_bot();

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
      return caf::actor_cast<caf::actor>(actors.found()->health.get());
    case service::governor:
      return caf::actor_cast<caf::actor>(actors.found()->rate_governor.get());
    case service::pool:
      return caf::actor_cast<caf::actor>(actors.found()->session_pool.get());
    case service::store:
      return caf::actor_cast<caf::actor>(actors.store());
    default:
      return caf::actor_cast<caf::actor>(actors.gateways().front());
    }
  }

  log::capture lines;
  part_options options;
  std::unique_ptr<identity_files> files;
  std::unique_ptr<stored_part> stored;
  sandbox::server upstream;
  net::reserved_port port{"gateway.port", "127.0.0.1", 0};
  system::config config{1};
  caf::actor_system sys{config};
  net::lanes lanes = net::make_lanes(sys, lane_count);
  tree actors{sys, actors_config(), actors_ports()};
  caf::actor killed;
  std::string token;
  bot_id bot = 0;
  std::int64_t user = 0;
};

node_part::impl::impl(part_options given)
  : options(std::move(given)),
    files(options.upstream_tls || options.gateway_tls ? std::make_unique<identity_files>()
                                                      : nullptr),
    stored(options.stored ? std::make_unique<stored_part>() : nullptr),
    upstream(with_identity(options.upstream, options.upstream_tls ? files.get() : nullptr)) {
  for (auto& lane : lanes)
    lane->start();
  actors.start();
  register_bot();
}

node_part::impl::~impl() {
  upstream.state().faults.remove(0);
  actors.stop();
  killed = nullptr;
  for (auto& lane : lanes)
    lane->stop();
  upstream.stop(0ms);
}

tree_config node_part::impl::actors_config() const {
  tree_config result;
  result.bots.quarantine = options.quarantine;
  result.pause = 10ms;
  result.shards = 2;
  result.health = options.health;
  result.budgets = options.budgets;
  result.pool = options.pool;
  result.bot = options.bot;
  result.gateway = options.gateway;
  result.gateway.port = port.number();
  return result;
}

tree_ports node_part::impl::actors_ports() {
  tree_ports result;
  result.lanes = &lanes;
  auto root = options.api_root.empty() ? upstream.url() : options.api_root;
  result.upstream.where = std::get<net::target>(net::parse_target(root));
  if (options.upstream_tls)
    result.upstream.ca_file = files->ca.path();
  result.meter = options.meter;
  result.cluster = options.cluster;
  if (options.gateway_tls)
    result.tls = [this] { return net::make_server_tls(files->cert(), files->key()); };
  if (stored)
    add_store(result);
  return result;
}

void node_part::impl::add_store(tree_ports& to) {
  to.store = [this](caf::actor_system& system) {
    return spawn_store(system, {}, {stored->sql, stored->context});
  };
  to.sql = stored->sql;
  to.webhook_secret = std::make_shared<const updates::webhook_secret>(stored->context->lookup);
  to.virtual_hash = [context = stored->context](std::string_view token) {
    return crypto::keyed_hash(context->lookup, crypto::purpose::virtual_token, token);
  };
}

void node_part::impl::enrol_bot() {
  bot_register what;
  what.token.text = token;
  what.trusted = true;
  what.settings = R"({"updates":{"mode":"none"}})";
  auto enrolled = [&] {
    auto registrar = actors.registrar();
    caf::scoped_actor self{sys};
    bool done = false;
    if (registrar)
      self->request(registrar, 5s, what)
        .receive([&](const bot_row&) { done = true; }, [](const caf::error&) {});
    return done;
  };
  if (!until(enrolled))
    throw std::runtime_error{"the bot was not registered"};
}

void node_part::impl::register_bot() {
  auto& w = upstream.state();
  auto made = w.make_bot("", "Robot", "robot_bot");
  auto person = w.make_user("Ada", "ada");
  w.make_chat(sandbox::chat_type::personal, made, {person->id});
  token = made->token;
  bot = made->id;
  user = person->id;
  if (stored)
    enrol_bot();
  else
    actors.start_bot(token);
  auto runs = [&] {
    auto entry = actors.names()->find(bot);
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
  return impl_->ask<pool_report>(impl_->actors.found()->session_pool.get());
}

governor_report node_part::governor() {
  return impl_->ask<governor_report>(impl_->actors.found()->rate_governor.get());
}

health_report node_part::health() {
  return impl_->ask<health_report>(impl_->actors.found()->health.get());
}

bot_report node_part::bot_state() {
  auto entry = impl_->actors.names()->find(impl_->bot);
  return entry ? impl_->ask<bot_report>(entry->actor) : bot_report{};
}

std::size_t node_part::calls() {
  return impl_->actors.calls();
}

const directory& node_part::names() const {
  return *impl_->actors.names();
}

caf::actor_system& node_part::system() {
  return impl_->sys;
}

store_actor node_part::store() {
  return impl_->actors.store();
}

registrar_actor node_part::registrar() {
  return impl_->actors.registrar();
}

void node_part::drain() {
  impl_->actors.drain();
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
  if (auto entry = impl_->actors.names()->find(impl_->bot); entry && entry->actor)
    caf::anon_send_exit(entry->actor, caf::exit_reason::kill);
}

void node_part::kill_gateways() {
  for (const auto& one : impl_->actors.gateways())
    caf::anon_send_exit(one, caf::exit_reason::kill);
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
