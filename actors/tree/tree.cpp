#include "actors/tree/tree.hpp"

#include "actors/gateway/answers.hpp"
#include "actors/gateway/updates.hpp"
#include "runtime/net/dns_cache.hpp"
#include "runtime/net/upstream_call.hpp"
#include "runtime/registry/call_event.hpp"
#include "runtime/registry/cluster_view.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/registry/update_steps.hpp"
#include "runtime/relay/lanes_port.hpp"
#include "runtime/telegram/methods.hpp"
#include "runtime/telegram/token.hpp"
#include "runtime/telegram/updates.hpp"
#include "runtime/updates/settings.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>

#include <stdexcept>

namespace troupe {
namespace {

/// A restarted child must be found by everybody: publish it.
template <class Handle>
caf::actor published(service_slot<Handle>& slot, Handle handle) {
  slot.publish(handle);
  return caf::actor_cast<caf::actor>(handle);
}

/// Each shard's part: all together keep within the bound.
passivation_limits per_shard(const tree_config& config) {
  auto limits = config.bots.passivation;
  if (limits.max_active != 0)
    limits.max_active =
      std::max<std::size_t>(limits.max_active / std::max<std::size_t>(config.shards, 1), 1);
  return limits;
}

/// Counts in `book` what bots ask of the Bot API; long polls, whose time says nothing, left out.
/// Who watches the bot is told, if `tells`.
auto counting_in(std::shared_ptr<usage_book> book, std::shared_ptr<update_services> updates,
                 wall_clock wall) {
  return [book = std::move(book), updates = std::move(updates),
          wall = std::move(wall)](bot_id bot, std::uint16_t method, std::string_view how,
                                  double seconds, std::int64_t chat, bool tells) {
    const auto& called = telegram::method(method);
    if (called.has(telegram::method_trait::long_poll))
      return;
    book->count(bot, called.name, how, seconds, chat, wall());
    if (updates && tells)
      note_call(*updates, bot, called.name, how, seconds);
  };
}

silence_limits silence_of(const webhooks_config& x) {
  silence_limits result;
  result.shortest = std::chrono::duration_cast<std::chrono::milliseconds>(x.silent_after).count();
  return result;
}

} // namespace

tree::tree(caf::actor_system& sys, tree_config config, tree_ports ports)
  : sys_(sys), config_(std::move(config)),
    ports_(std::move(ports)), limits_{{config_.health, config_.budgets, config_.pool}},
    bot_(std::make_shared<live_bot_config>(config_.bot)),
    passivation_(std::make_shared<live_value<passivation_limits>>(per_shard(config_))),
    journal_limits_(config_.journal), delivery_limits_(config_.delivery),
    found_(std::make_shared<services>(config_.shards)),
    names_(std::make_shared<directory>(config_.names, sys.clock().now())),
    token_key_(ports_.token_key ? *ports_.token_key : random_siphash_key()) {
  found_->cluster = ports_.cluster;
  silence_ = std::make_shared<silence_watch>(silence_of(config_.webhooks));
  config_.pool.lanes = static_cast<std::uint16_t>(std::max<std::size_t>(ports_.lanes->size(), 1));
  auto dns = std::make_shared<net::dns_cache>(ports_.dns);
  for (const auto& lane : *ports_.lanes) {
    sessions_.push_back(
      std::make_shared<net::upstream_sessions>(lane->executor(), ports_.upstream, dns));
    gateways_.emplace_back();
  }
  if (ports_.store) {
    virtuals_ = std::make_shared<virtual_tokens>(ports_.virtual_hash);
    found_->updates = std::make_shared<update_services>();
    found_->updates->meter = ports_.count_updates;
    found_->updates->native = ports_.native;
    found_->updates->wall = ports_.wall;
    std::vector<net::io_executor> executors;
    for (const auto& lane : *ports_.lanes)
      executors.push_back(lane->executor());
    // With addresses of its own: tenants say whose.
    relay_ = ports_.relayed ? ports_.relayed
                            : relay::make_port(std::move(executors),
                                               std::make_shared<net::dns_cache>(ports_.dns),
                                               ports_.delivery_ca_file);
    names_->set_complete(false); // Until the registrar has restored what is stored.
  }
}

tree::~tree() {
  stop();
}

supervisor_spec tree::spec(std::string name, std::vector<child_spec> children) const {
  supervisor_spec result;
  result.name = std::move(name);
  result.intensity = config_.intensity;
  result.period = config_.period;
  result.pause = config_.pause;
  result.children = std::move(children);
  return result;
}

supervisor_spec tree::told(supervisor_spec of) const {
  if (!ports_.started)
    return of;
  for (auto& one : of.children)
    one.start = [tell = ports_.started, start = std::move(one.start), supervisor = of.name,
                 id = one.id](caf::actor_system& sys) {
      auto made = start(sys);
      tell(supervisor, id, made);
      return made;
    };
  return of;
}

child_spec tree::child(std::string id, std::function<caf::actor(caf::actor_system&)> start) const {
  return {std::move(id), std::move(start), restart_type::permanent, config_.shutdown_deadline,
          false};
}

template <class Handle, class Limits, class Spawn>
caf::actor tree::start_service(service_slot<Handle>& slot, Limits live_limits::*which,
                               Spawn spawn) {
  auto handle = limits_.start(
    [&](const live_limits& now) { return spawn(now.*which); },
    [&](const Handle& made) { slot.publish(made); },
    [&](const Handle& made, const live_limits& now) { caf::anon_send(made, now.*which); });
  return caf::actor_cast<caf::actor>(handle);
}

void tree::reconfigure(const tree_config& config) {
  bot_->publish(config.bot);
  auto passivation = config;
  passivation.shards = config_.shards; // It does not change.
  passivation_->publish(per_shard(passivation));
  for (const auto& shard : found_->bots)
    if (auto bots = shard.get())
      caf::anon_send(bots, passivation_->get());
  journal_limits_.publish(config.journal);
  delivery_limits_.publish(config.delivery);
  if (found_->updates) {
    found_->updates->private_urls = config.delivery.allow_private_addresses;
    if (auto journal = found_->updates->journal.get())
      caf::anon_send(journal, journal_limits_.get());
    if (auto delivery = found_->updates->delivery.get())
      caf::anon_send(delivery, delivery_limits_.get());
  }
  limits_.change({config.health, config.budgets, config.pool}, [this](const live_limits& now) {
    // The pool first: what the governor opens finds places.
    if (auto pool = found_->session_pool.get())
      caf::anon_send(pool, now.pool);
    if (auto governor = found_->rate_governor.get())
      caf::anon_send(governor, now.budgets);
    if (auto cluster = found_->cluster ? found_->cluster->actor.get() : cluster_actor{})
      caf::anon_send(cluster, cluster_budget{now.budgets.global_rps});
    if (auto health = found_->health.get())
      caf::anon_send(health, now.health);
  });
}

/// What dies here takes those with it that came after: a registrar begins anew with what is stored.
supervisor_spec tree::durable_spec() {
  auto store = [this](caf::actor_system& system) {
    return published(*store_, ports_.store(system));
  };
  auto registrar = [this](caf::actor_system& system) {
    auto handle = spawn_registrar(system, config_.registrar, ports_of_registrar());
    found_->updates->registrar.publish(handle);
    return published(registrar_, handle);
  };
  auto result = spec("troupe.durable", {child("troupe.store", store)});
  if (ports_.join)
    result.children.push_back(child("troupe.cluster", [this](caf::actor_system& system) {
      return published(found_->cluster->actor, ports_.join(system, rooms()));
    }));
  if (ports_.sql)
    result.children.push_back(
      child("troupe.journal", [this](caf::actor_system& system) { return start_journal(system); }));
  result.children.push_back(child("troupe.registrar", registrar));
  result.strategy = restart_strategy::rest_for_one;
  return result;
}

/// Who has to know which shards are the node's, in the order in which they are told.
std::vector<std::function<caf::actor()>> tree::rooms() const {
  return {
    [found = found_] { return caf::actor_cast<caf::actor>(found->updates->journal.get()); },
    [found = found_] { return caf::actor_cast<caf::actor>(found->rate_governor.get()); },
    [recorder = recorder_] { return caf::actor_cast<caf::actor>(recorder->get()); },
    [found = found_] { return caf::actor_cast<caf::actor>(found->updates->registrar.get()); }};
}

desk_ports tree::for_others() const {
  desk_ports result;
  result.view = found_->cluster;
  result.part = [found = found_](peer_part what) {
    switch (what) {
    case peer_part::registrar:
      return caf::actor_cast<caf::actor>(found->updates->registrar.get());
    case peer_part::journal:
      return caf::actor_cast<caf::actor>(found->updates->journal.get());
    case peer_part::webhooks:
      return caf::actor_cast<caf::actor>(found->updates->webhooks.get());
    case peer_part::health:
      return caf::actor_cast<caf::actor>(found->health.get());
    case peer_part::api:
      return caf::actor_cast<caf::actor>(found->cluster->api.get());
    case peer_part::governor:
      return caf::actor_cast<caf::actor>(found->rate_governor.get());
    case peer_part::cluster:
      break;
    }
    return caf::actor_cast<caf::actor>(found->cluster->actor.get());
  };
  result.steer = [this](const bot_steer& x) {
    gateway::steering_ports ports;
    ports.found = found_;
    ports.store = [store = store_] { return caf::actor_cast<caf::strong_actor_ptr>(store->get()); };
    ports.client = x.client;
    ports.virtual_token = x.worker;
    return gateway::spawn_steering(
      sys_, std::move(ports),
      gateway::read_update_params(x.query, x.body, x.content_type, x.content_encoding));
  };
  finder_ports finder;
  finder.found = found_;
  finder.names = names_;
  finder.token_key = token_key_;
  finder.virtuals = virtuals_;
  finder.vault = vault_;
  finder.now = [wall = ports_.wall] {
    return virtual_tokens::wall_time{std::chrono::milliseconds{wall()}};
  };
  result.find = make_finder(std::move(finder));
  return result;
}

caf::actor tree::start_journal(caf::actor_system& system) {
  auto config = config_.journal;
  static_cast<journal_limits&>(config) = journal_limits_.get();
  journal_ports ports;
  ports.sql = ports_.sql;
  ports.cluster = found_->cluster;
  ports.now = found_->updates->wall;
  ports.bot = [names = names_](bot_id bot) {
    auto known = names->find(bot);
    return known ? known->actor : bot_actor{};
  };
  ports.wake = [names = names_, found = found_](bot_id bot) {
    auto known = names->find(bot);
    bool gone =
      known && (known->phase == bot_phase::passive || known->phase == bot_phase::passivating);
    if (!gone)
      return true;
    // Whose clients come for the updates is brought back by them.
    auto entry = found->updates->book.find(bot);
    bool pulled = entry && entry->delivery.mode == updates::delivery_mode::pull;
    if (pulled)
      return known->phase != bot_phase::passive;
    if (auto shard = found->bots_of(known->home))
      caf::anon_send(shard, activate_bot{known->home, true});
    return true;
  };
  ports.stored = [updates = found_->updates, usage = usage_,
                  silence = silence_](bot_id bot, const stored_update& x) {
    silence->note(bot, x.received);
    auto kinds = telegram::update_kinds();
    auto kind = x.kind < kinds.size() ? kinds[x.kind].name : std::string_view{};
    usage->count_update(bot, kind, x.key.kind == 0 ? x.key.id : 0, x.received);
    updates->events.publish(bot, "update.received", [&x, kind] {
      return boost::json::serialize(boost::json::object{
        {"update_id", x.id}, {"kind", kind.empty() ? std::string_view{"unknown"} : kind}});
    });
  };
  ports.expired = [updates = found_->updates](bot_id bot, std::int64_t received) {
    auto as = updates->book.find(bot);
    auto how = as ? std::optional{as->delivery.mode} : std::nullopt;
    note_step(*updates, bot, how, update_step::expired, received);
  };
  ports.begun = [updates = found_->updates] { updates->events.doubt(); };
  auto handle = spawn_journal(system, config, std::move(ports));
  auto result = published(found_->updates->journal, handle);
  // They may have changed before it was found there.
  caf::anon_send(handle, journal_limits_.get());
  return result;
}

caf::actor tree::start_delivery(caf::actor_system& system) {
  auto config = config_.delivery;
  static_cast<delivery_limits&>(config) = delivery_limits_.get();
  found_->updates->private_urls = config.allow_private_addresses;
  delivery_ports ports;
  ports.connections = relay_;
  ports.entry = [updates = found_->updates](bot_id bot) { return updates->book.find(bot); };
  ports.signing_key = ports_.signing_key;
  auto handle = spawn_delivery(system, config, std::move(ports));
  auto result = published(found_->updates->delivery, handle);
  // They may have changed before it was found there.
  caf::anon_send(handle, delivery_limits_.get());
  return result;
}

caf::actor tree::start_webhooks(caf::actor_system& system) {
  webhooks_ports ports{found_, ports_.webhook_secret, store_port()};
  ports.silent = [updates = found_->updates, silence = silence_] {
    return silence->take(updates->wall());
  };
  return published(found_->updates->webhooks,
                   spawn_webhooks(system, config_.webhooks, std::move(ports)));
}

caf::actor tree::start_poller(caf::actor_system& system) {
  poller_ports ports{found_, names_, ports_.count_polled};
  return published(found_->updates->poller, spawn_poller(system, config_.poller, std::move(ports)));
}

registrar_ports tree::ports_of_registrar() {
  std::vector<net::io_executor> executors;
  for (const auto& lane : *ports_.lanes)
    executors.push_back(lane->executor());
  registrar_ports ports;
  ports.store = [store = store_] { return store->get(); };
  ports.found = found_;
  ports.names = names_;
  ports.token_key = token_key_;
  ports.vault = vault_;
  ports.virtuals = virtuals_;
  net::start_rule rule;
  if (auto view = found_->cluster) {
    rule.may_begin = [view] { return view->may_begin(std::chrono::steady_clock::now()); };
    rule.late = [view] { ++view->late_calls; };
  }
  ports.upstream =
    ports_.calls ? ports_.calls : net::make_call_port(sessions_, std::move(executors), rule);
  ports.ended = [usage = counting_in(usage_, found_->updates, ports_.wall),
                 meter = ports_.meter](bot_id bot, const call& what, const outcome& how) {
    auto label = outcome_label(how);
    auto took = std::chrono::duration<double>(how.latency).count();
    if (meter)
      meter(what.method, label, took, 0);
    if (bot > 0)
      usage(bot, what.method, label, took, what.chat.key, true);
  };
  ports.incarnations = registrars_;
  return ports;
}

supervisor_spec tree::services_spec() {
  auto governor = [found = found_] { return found->rate_governor.get(); };
  auto health = [this, governor](caf::actor_system& system) {
    auto spawn = [&](const health_limits& now) {
      auto config = config_.health;
      static_cast<health_limits&>(config) = now;
      health_ports ports;
      ports.governor = governor;
      ports.bot = [names = names_](bot_id bot) {
        auto known = names->find(bot);
        return known ? known->actor : bot_actor{};
      };
      ports.wall = ports_.wall;
      return spawn_health(system, config, std::move(ports));
    };
    return start_service(found_->health, &live_limits::health, spawn);
  };
  auto rate_governor = [this](caf::actor_system& system) {
    auto spawn = [&](const rate_limits& now) {
      auto config = config_.budgets;
      static_cast<rate_limits&>(config) = now;
      rate_governor_ports ports;
      ports.pool = [found = found_] { return found->session_pool.get(); };
      ports.past = ports_.past;
      ports.memory = memory_;
      if (auto view = found_->cluster) {
        ports.holder = ports_.holder;
        ports.cluster = [view] { return view->actor.get(); };
        ports.nodes = [view] { return view->nodes(); };
        ports.serves = [view](bot_id bot, time_point at) {
          // A token that nobody accepted yet is looked at where it came in.
          auto since = bot < 0 ? view->life() : view->fence_of(shard_of(bot));
          return view->holds(at) ? since : std::int64_t{0};
        };
        ports.since = [view](shard_id shard) { return view->since(shard); };
        ports.journal = [found = found_] { return found->updates->journal.get(); };
      }
      return spawn_rate_governor(system, config, std::move(ports));
    };
    return start_service(found_->rate_governor, &live_limits::budgets, spawn);
  };
  auto session_pool = [this, governor](caf::actor_system& system) {
    auto spawn = [&](const pool_limits& now) {
      auto config = config_.pool;
      static_cast<pool_limits&>(config) = now;
      auto sessions = ports_.sessions ? ports_.sessions : net::make_session_port(sessions_);
      session_pool_ports ports{std::move(sessions), governor};
      return spawn_session_pool(system, config, std::move(ports));
    };
    return start_service(found_->session_pool, &live_limits::pool, spawn);
  };
  auto result = spec("troupe.services",
                     {child("troupe.health", health), child("troupe.rate-governor", rate_governor),
                      child("troupe.session-pool", session_pool)});
  if (ports_.store)
    result.children.push_back(child(
      "troupe.delivery", [this](caf::actor_system& system) { return start_delivery(system); }));
  if (ports_.store) {
    result.children.push_back(
      child("troupe.poller", [this](caf::actor_system& system) { return start_poller(system); }));
    result.children.push_back(child(
      "troupe.webhooks", [this](caf::actor_system& system) { return start_webhooks(system); }));
  }
  if (ports_.store)
    result.children.push_back(child("troupe.recorder", [this](caf::actor_system& system) {
      recorder_ports ports;
      ports.store = [store = store_] { return store->get(); };
      ports.health = [found = found_] { return found->health.get(); };
      ports.usage = usage_;
      ports.cluster = found_->cluster;
      return published(*recorder_, spawn_recorder(system, config_.recorder, std::move(ports)));
    }));
  return result;
}

supervisor_spec tree::bots_spec() {
  auto config = config_.bots;
  config.spawn = [found = found_, shared = bot_,
                  started = ports_.started](caf::actor_system& system, const troupe::start_bot& bot,
                                            std::uint32_t incarnation) {
    auto made = spawn_bot(system, bot, incarnation, found, shared);
    if (started)
      started("troupe.bots", std::to_string(bot.bot), caf::actor_cast<caf::actor>(made));
    return made;
  };
  config.found = found_;
  if (ports_.store)
    config.told = [this](bot_id bot, bot_phase phase, caf::timespan rest, std::string reason,
                         std::uint32_t quarantines) {
      if (found_->updates)
        found_->updates->events.publish(bot, "phase", [&] {
          boost::json::object what{{"phase", to_string(phase)}, {"reason", reason}};
          return boost::json::serialize(what);
        });
      note_phase(registrar_.get(), bot, phase, rest, std::move(reason), quarantines);
    };
  config.stop_deadline = config_.shutdown_deadline;
  config.limits = passivation_;
  config.activated = ports_.bot_activated;
  config.evicted = ports_.bot_evicted;
  std::vector<child_spec> shards;
  for (std::size_t i = 0; i < found_->bots.size(); ++i)
    shards.push_back(supervise_bots(i, config, names_, found_));
  return spec("troupe.bots", std::move(shards));
}

gateway_ports tree::ports_of(std::size_t i) {
  gateway_ports ports;
  ports.lane = (*ports_.lanes)[i].get();
  ports.sessions = sessions_[i];
  ports.bots = names_;
  ports.token_key = token_key_;
  ports.found = found_;
  ports.virtuals = virtuals_;
  ports.vault = vault_;
  if (ports_.store) {
    ports.store = [store = store_] { return caf::actor_cast<caf::strong_actor_ptr>(store->get()); };
    ports.usage = counting_in(usage_, found_->updates, ports_.wall);
  }
  if (ports_.tls)
    ports.tls = ports_.tls();
  ports.connections = connections_;
  ports.meter = ports_.meter;
  return ports;
}

supervisor_spec tree::ingress_spec() {
  std::vector<child_spec> children;
  for (std::size_t i = 0; i < gateways_.size(); ++i)
    children.push_back(
      child("troupe.gateway-" + std::to_string(i), [this, i](caf::actor_system& system) {
        return published(gateways_[i], spawn_gateway(system, config_.gateway, ports_of(i)));
      }));
  for (const auto& more : ports_.ingress)
    children.push_back(more);
  return spec("troupe.ingress", std::move(children));
}

supervisor_actor tree::launch() {
  std::vector<child_spec> children;
  if (ports_.store)
    children.push_back(supervise(told(durable_spec())));
  for (auto& one : {services_spec(), bots_spec(), ingress_spec()})
    children.push_back(supervise(told(one)));
  auto root = spawn_supervisor(sys_, told(spec("troupe.root", std::move(children))));
  root->attach_functor([ended = ended_] { *ended = true; });
  root_.publish(root);
  return root;
}

void tree::start() {
  auto root = launch();
  caf::scoped_actor self{sys_};
  bool ready = false;
  self->request(caf::actor_cast<caf::actor>(root), std::chrono::seconds{30}, ready_request{})
    .receive([&] { ready = true; }, [](const caf::error&) {});
  if (!ready)
    throw std::runtime_error{"the supervision tree did not start; the log says why"};
}

void tree::stop() {
  auto root = root_.get();
  if (!root)
    return;
  caf::scoped_actor self{sys_};
  self->monitor(root);
  caf::anon_send_exit(root, caf::exit_reason::user_shutdown);
  self->receive([](const caf::down_msg&) {});
  root_.publish({});
}

bot_id tree::start_bot(std::string_view token) {
  auto digest = token_hash(token_key_, token);
  troupe::start_bot what;
  what.bot = telegram::bot_token::parse(token)->id();
  what.token_hash = digest.key;
  what.needed = false;
  names_->put(digest, what.bot, what.tenant, true, std::chrono::steady_clock::now());
  caf::anon_send(found_->bots_of(what.bot), what);
  return what.bot;
}

void tree::drain() {
  if (found_->updates)
    found_->updates->draining = true;
  for (auto& gateway : gateways())
    if (gateway)
      caf::anon_send(gateway, troupe::drain{});
}

std::size_t tree::deliveries() const {
  return found_->updates ? found_->updates->under_way.load() : 0;
}

std::size_t tree::ending() const {
  return found_->updates ? found_->updates->ending.load() : 0;
}

std::size_t tree::calls() const {
  caf::scoped_actor self{sys_};
  std::size_t result = 0;
  for (auto& gateway : gateways())
    if (gateway)
      self->request(gateway, std::chrono::seconds{1}, get_report{})
        .receive([&](const gateway_report& x) { result += x.calls; }, [](const caf::error&) {});
  return result;
}

std::vector<gateway_actor> tree::gateways() const {
  std::vector<gateway_actor> result;
  for (const auto& slot : gateways_)
    result.push_back(slot.get());
  return result;
}

} // namespace troupe
